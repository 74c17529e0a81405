/**
 * The first three datagrams, without a relay: with the answer that the page writes itself both browsers send
 * a Binding request for the relay's ufrag, and when that is answered, a DTLS ClientHello.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { crc32 } from 'node:zlib';

import { FakeRelay } from '../client/fake_relay.mjs';
import { DEADLINE } from './lib/browsers.mjs';
import { primaryAddress } from './lib/relay.mjs';
import { Stage } from './lib/stage.mjs';

const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
const XOR_MAPPED_ADDRESS = 0x0020;
const FINGERPRINT = 0x8028;

function attribute(stun, wanted) {
  for (let at = 20; at + 4 <= stun.length;) {
    const length = stun.readUInt16BE(at + 2);
    if (stun.readUInt16BE(at) === wanted) return stun.subarray(at + 4, at + 4 + length);
    at += 4 + length + ((4 - (length % 4)) % 4);
  }
  return undefined;
}

/** A Binding success response (RFC 8489). */
function bindingResponse(request, { address, port }, password) {
  const header = Buffer.from('010100002112a442', 'hex');
  let message = Buffer.concat([header, request.subarray(8, 20)]);
  const append = (type, makeValue, length) => {
    message.writeUInt16BE(message.length - 20 + 4 + length, 2); // with the one being made
    const head = Buffer.alloc(4);
    head.writeUInt16BE(type, 0);
    head.writeUInt16BE(length, 2);
    message = Buffer.concat([message, head, makeValue(message)]);
  };
  append(
    XOR_MAPPED_ADDRESS,
    () => {
      const value = Buffer.from([0, 1, 0, 0, ...address.split('.').map(Number)]);
      value.writeUInt16BE(port ^ 0x2112, 2);
      value.writeUInt32BE((value.readUInt32BE(4) ^ 0x2112a442) >>> 0, 4);
      return value;
    },
    8,
  );
  append(MESSAGE_INTEGRITY, (so_far) => createHmac('sha1', password).update(so_far).digest(), 20);
  append(
    FINGERPRINT,
    (so_far) => {
      const value = Buffer.alloc(4);
      value.writeUInt32BE((crc32(so_far) ^ 0x5354554e) >>> 0);
      return value;
    },
    4,
  );
  return message;
}

describe('the first datagrams to a relay', () => {
  let stage;
  before(async () => {
    stage = await Stage.open('chromium', 'firefox');
  });
  after(() => stage.close());

  for (const browser of ['chromium', 'firefox']) {
    test(`of ${browser}: a check for the relay's ufrag, then a ClientHello`, async () => {
      const ip = primaryAddress();
      const socket = createSocket('udp4').bind(0, ip);
      await once(socket, 'listening');
      const config = { ...new FakeRelay().config, ip, port: socket.address().port };
      const users = new Set();
      const hello = new Promise((resolve, reject) => {
        setTimeout(() => reject(new Error(`no ClientHello; checks of ${[...users]}`)), DEADLINE).unref();
        socket.on('message', (datagram, from) => {
          if (datagram[0] > 3) return resolve(datagram);
          users.add(attribute(datagram, USERNAME).toString());
          socket.send(bindingResponse(datagram, from, config.pwd), from.port, from.address);
        });
      });
      const page = await stage.browsers[browser].open(`${stage.pages.url}/`);
      await page.evaluate(async (relay) => {
        const { connect } = await import('/demo/lumamesh.js');
        connect({ relays: [relay] }).catch(() => {});
      }, config);
      const datagram = await hello;
      assert.equal(datagram[0], 22, 'a handshake record');
      assert.equal(datagram[13], 1, 'a ClientHello, so the page is the DTLS client');
      assert.deepEqual(
        [...users].map((user) => user.split(':')[0]),
        ['luma'],
      );
      socket.close();
      await page.close();
    });
  }
});
