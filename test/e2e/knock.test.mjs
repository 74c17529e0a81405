/**
 * The first three datagrams, without a relay: with the answer that the page writes itself both browsers send
 * a Binding request for the relay's ufrag, and when that is answered, a DTLS ClientHello.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';

import { FakeRelay } from '../client/fake_relay.mjs';
import { DEADLINE } from './lib/browsers.mjs';
import { primaryAddress } from './lib/relay.mjs';
import { Stage } from './lib/stage.mjs';
import { attribute, BINDING_SUCCESS, stunMessage, USERNAME, XOR_MAPPED_ADDRESS, xorMappedAddress } from './lib/stun.mjs';

function bindingResponse(request, from, password) {
  const mapped = [XOR_MAPPED_ADDRESS, xorMappedAddress(from)];
  return stunMessage(BINDING_SUCCESS, request.subarray(8, 20), [mapped], password);
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
