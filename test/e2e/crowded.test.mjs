/**
 * A relay on which many DTLS handshakes have been begun and left: it asks newcomers for a cookie, and both browsers bring it.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';

import { DEADLINE } from './lib/browsers.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';
import { Stage } from './lib/stage.mjs';
import { BINDING_REQUEST, ICE_CONTROLLING, stunMessage, USERNAME } from './lib/stun.mjs';

const HALF_OPEN = 64; // The relay asks for cookies from here on.
const HANDSHAKE = 22;
const HELLO_VERIFY_REQUEST = 3;
const SERVER_HELLO = 2;

const captures = new URL('../data/captures/', import.meta.url);
const capture = async (name) => Buffer.from((await readFile(new URL(name, captures), 'latin1')).trim(), 'hex');

/**
 * Begins a handshake as a browser would, and says what message of DTLS the relay's answer is. Its socket stays
 * open: on a port that another handshake had a moment ago a newcomer's check gets no answer.
 */
async function beginHandshake({ ip, port, ufrag, pwd }, hello, sockets) {
  const socket = createSocket('udp4');
  sockets.push(socket);
  const timeout = AbortSignal.timeout(DEADLINE);
  const attributes = [
    [USERNAME, Buffer.from(`${ufrag}:${randomBytes(4).toString('hex')}`)],
    [ICE_CONTROLLING, randomBytes(8)],
  ];
  socket.send(stunMessage(BINDING_REQUEST, randomBytes(12), attributes, pwd), port, ip);
  const [answer] = await once(socket, 'message', { signal: timeout });
  assert.equal(answer.readUInt16BE(0), 0x0101, 'the check is answered');
  for (const datagram of hello) socket.send(datagram, port, ip);
  const [dtls] = await once(socket, 'message', { signal: timeout });
  assert.equal(dtls[0], HANDSHAKE);
  return dtls[13];
}

describe('a crowded relay', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  const sockets = [];
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium', 'firefox'), startRelay({ SESSION_RATE: '0' })]);
  });
  after(() => {
    for (const socket of sockets) socket.close();
    return Promise.all([stage.close(), relay.stop()]);
  });

  test('asks for cookies, and both browsers bring theirs', async () => {
    const hello = await Promise.all([1, 2].map((part) => capture(`chromium156-clienthello-${part}.hex`)));
    for (let i = 0; i < HALF_OPEN; i += 1) {
      assert.equal(await beginHandshake(relay.config, hello, sockets), SERVER_HELLO, `handshake ${i} is begun`);
    }
    assert.equal(await beginHandshake(relay.config, hello, sockets), HELLO_VERIFY_REQUEST, 'one more is asked for a cookie');
    for (const browser of ['chromium', 'firefox']) {
      const page = await stage.browsers[browser].open(`${stage.pages.url}/`);
      const status = await page.evaluate(async (config) => {
        const { connect } = await import('/demo/lumamesh.js');
        const net = await connect({ relays: [config] });
        const { id } = net;
        net.close();
        return id;
      }, relay.config);
      assert.match(status, /^[\w-]{22}$/, `${browser} is in`);
      await page.close();
    }
    // They did get in by a cookie: the half-open handshakes are still there.
    assert.equal(await beginHandshake(relay.config, hello, sockets), HELLO_VERIFY_REQUEST, 'the crowd is still there');
  });
});
