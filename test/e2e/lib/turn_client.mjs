/** A TURN client (RFC 8656) of as few lines as the tests of what a server must refuse need. */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIPv6 } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { attribute, stunMessage, USERNAME, xorMappedAddress } from './stun.mjs';

const DEADLINE = 5000; // milliseconds for an answer

export const ALLOCATE = 0x0003;
export const REFRESH = 0x0004;
export const SEND_INDICATION = 0x0016;
export const CREATE_PERMISSION = 0x0008;
export const CHANNEL_BIND = 0x0009;
export const CONNECT = 0x000a; // RFC 6062

export const CHANNEL_NUMBER = 0x000c;
export const LIFETIME = 0x000d;
export const XOR_PEER_ADDRESS = 0x0012;
export const DATA = 0x0013;
export const REQUESTED_ADDRESS_FAMILY = 0x0017;
export const EVEN_PORT = 0x0018;
export const REQUESTED_TRANSPORT = 0x0019;
export const DONT_FRAGMENT = 0x001a;
const ERROR_CODE = 0x0009;
const REALM = 0x0014;
const NONCE = 0x0015;

export const UDP = Buffer.from([17, 0, 0, 0]);
export const FAMILY = { 4: Buffer.from([1, 0, 0, 0]), 6: Buffer.from([2, 0, 0, 0]) };

export class TurnClient {
  #write;
  #waiting = new Map(); // transaction → resolve
  #stream = Buffer.alloc(0);
  #login = [];
  #key = null;

  /**
   * @param {'udp'|'tcp'|'tls'} way with TLS any certificate will do; `certificate` is its fingerprint
   * @param {{ip: string, port: number}} server
   * @param {{username: string, credential: string}} account
   */
  static async open(way, { ip, port }, account) {
    const client = new TurnClient();
    client.account = account;
    if (way === 'udp') {
      const socket = createSocket(isIPv6(ip) ? 'udp6' : 'udp4').on('message', (data) => client.#take(data));
      client.#write = (data) => socket.send(data, port, ip);
      client.close = () => socket.close();
    } else {
      const socket = (
        way === 'tls' ? connectTls({ port, host: ip, rejectUnauthorized: false }) : connect(port, ip)
      ).on('data', (data) => client.#takeStream(data));
      await once(socket, way === 'tls' ? 'secureConnect' : 'connect');
      if (way === 'tls') client.certificate = socket.getPeerCertificate().fingerprint256;
      client.#write = (data) => socket.write(data);
      client.close = () => socket.destroy();
    }
    return client;
  }

  #takeStream(data) {
    this.#stream = Buffer.concat([this.#stream, data]);
    while (this.#stream.length >= 4) {
      const length = this.#stream.readUInt16BE(2);
      const whole = this.#stream[0] < 4 ? 20 + length : 4 + length + ((4 - (length % 4)) % 4);
      if (this.#stream.length < whole) return;
      this.#take(this.#stream.subarray(0, whole));
      this.#stream = this.#stream.subarray(whole);
    }
  }

  #take(data) {
    const transaction = data.subarray(8, 20).toString('hex');
    this.#waiting.get(transaction)?.(data);
    this.#waiting.delete(transaction);
  }

  #message(type, transaction, attributes) {
    const values = attributes.map(([kind, value]) =>
      value.address ? [kind, xorMappedAddress(value, transaction)] : [kind, value],
    );
    return stunMessage(type, transaction, [...values, ...this.#login], this.#key);
  }

  async #exchange(type, attributes) {
    const transaction = randomBytes(12);
    const answered = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${type.toString(16)}`)), DEADLINE);
      this.#waiting.set(transaction.toString('hex'), (data) => {
        clearTimeout(timer);
        resolve(data);
      });
    });
    this.#write(this.#message(type, transaction, attributes));
    const answer = await answered;
    const code = attribute(answer, ERROR_CODE);
    return { type: answer.readUInt16BE(0), error: code ? code[2] * 100 + code[3] : 0, answer };
  }

  /**
   * Sends a request, with credentials as soon as the server has asked for them.
   * @param {number} type
   * @param {Array<[number, Buffer|{address: string, port: number}]>} attributes
   * @returns {Promise<{type: number, error: number, answer: Buffer}>} error: 0 for none
   */
  async request(type, attributes = []) {
    const first = await this.#exchange(type, attributes);
    if (first.error !== 401 && first.error !== 438) return first;
    if (first.error === 401 && this.#login.length > 0) return first;
    const { username, credential } = this.account;
    const realm = attribute(first.answer, REALM);
    this.#login = [
      [USERNAME, Buffer.from(username)],
      [REALM, realm],
      [NONCE, attribute(first.answer, NONCE)],
    ];
    this.#key = createHash('md5').update(`${username}:${realm}:${credential}`).digest();
    return this.#exchange(type, attributes);
  }

  /** Sends what is not answered, of any type. */
  indicate(type, attributes) {
    this.#write(this.#message(type, randomBytes(12), attributes));
  }

  /** ChannelData, padded as it must be in a stream and may be in a datagram. */
  channelData(number, data) {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(number, 0);
    head.writeUInt16BE(data.length, 2);
    this.#write(Buffer.concat([head, data, Buffer.alloc((4 - (data.length % 4)) % 4)]));
  }
}
