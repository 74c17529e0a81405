/** As much of STUN (RFC 8489) as the tests speak over bare sockets. */
import { createHmac } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { crc32 } from 'node:zlib';

export const BINDING_REQUEST = 0x0001;
export const BINDING_SUCCESS = 0x0101;
export const USERNAME = 0x0006;
export const MESSAGE_INTEGRITY = 0x0008;
export const XOR_MAPPED_ADDRESS = 0x0020;
export const ICE_CONTROLLING = 0x802a;
export const FINGERPRINT = 0x8028;

/** The value of an attribute of a message, undefined if it has none of that type. */
export function attribute(stun, wanted) {
  for (let at = 20; at + 4 <= stun.length;) {
    const length = stun.readUInt16BE(at + 2);
    if (stun.readUInt16BE(at) === wanted) return stun.subarray(at + 4, at + 4 + length);
    at += 4 + length + ((4 - (length % 4)) % 4);
  }
  return undefined;
}

/** The bytes of an IP address. */
function addressBytes(address) {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const v4 = /[^:]*\.[^:]*$/.exec(address)?.[0];
  if (v4) return addressBytes(address.replace(v4, addressBytes(v4).toString('hex').replace(/^..../, '$&:')));
  const [head, tail] = address.split('::').map((half) => half.split(':').filter(Boolean));
  const groups = tail ? [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail] : head;
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

/**
 * The value of XOR-MAPPED-ADDRESS and its like.
 * @param {{address: string, port: number}} where
 * @param {Buffer} [transaction] needed for IPv6
 */
export function xorMappedAddress({ address, port }, transaction = Buffer.alloc(0)) {
  const bytes = addressBytes(address);
  const mask = Buffer.concat([Buffer.from('2112a442', 'hex'), transaction]);
  const value = Buffer.from([0, bytes.length === 4 ? 1 : 2, 0, 0, ...bytes.map((byte, i) => byte ^ mask[i])]);
  value.writeUInt16BE(port ^ 0x2112, 2);
  return value;
}

/**
 * A message with FINGERPRINT and, under a password, MESSAGE-INTEGRITY.
 * @param {number} type
 * @param {Buffer} transaction 12 bytes
 * @param {Array<[number, Buffer]>} attributes
 * @param {?(string|Buffer)} password or the key made of it
 */
export function stunMessage(type, transaction, attributes, password) {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(type, 0);
  head.writeUInt32BE(0x2112a442, 4);
  let message = Buffer.concat([head, transaction]);
  const append = (kind, length, makeValue) => {
    const padded = length + ((4 - (length % 4)) % 4);
    message.writeUInt16BE(message.length - 20 + 4 + padded, 2); // with the one being made
    const start = Buffer.alloc(4);
    start.writeUInt16BE(kind, 0);
    start.writeUInt16BE(length, 2);
    message = Buffer.concat([message, start, makeValue(message), Buffer.alloc(padded - length)]);
  };
  for (const [kind, value] of attributes) append(kind, value.length, () => value);
  if (password) append(MESSAGE_INTEGRITY, 20, (soFar) => createHmac('sha1', password).update(soFar).digest());
  append(FINGERPRINT, 4, (soFar) => {
    const value = Buffer.alloc(4);
    value.writeUInt32BE((crc32(soFar) ^ 0x5354554e) >>> 0);
    return value;
  });
  return message;
}
