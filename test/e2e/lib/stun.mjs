/** As much of STUN (RFC 8489) as the tests speak over bare sockets. */
import { createHmac } from 'node:crypto';
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

/** The value of XOR-MAPPED-ADDRESS for an IPv4 address. */
export function xorMappedAddress({ address, port }) {
  const value = Buffer.from([0, 1, 0, 0, ...address.split('.').map(Number)]);
  value.writeUInt16BE(port ^ 0x2112, 2);
  value.writeUInt32BE((value.readUInt32BE(4) ^ 0x2112a442) >>> 0, 4);
  return value;
}

/**
 * A message with MESSAGE-INTEGRITY and FINGERPRINT.
 * @param {number} type
 * @param {Buffer} transaction 12 bytes
 * @param {Array<[number, Buffer]>} attributes
 * @param {string} password
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
  append(MESSAGE_INTEGRITY, 20, (soFar) => createHmac('sha1', password).update(soFar).digest());
  append(FINGERPRINT, 4, (soFar) => {
    const value = Buffer.alloc(4);
    value.writeUInt32BE((crc32(soFar) ^ 0x5354554e) >>> 0);
    return value;
  });
  return message;
}
