/**
 * Who is not what it claims to be, before pages of real browsers: another process at a relay's address, and a
 * page that knows a room's id (as whoever runs the relay does) but not its name.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { temporary } from './lib/cleanup.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';
import { exchange, happened } from './lib/rooms.mjs';
import { Stage } from './lib/stage.mjs';

describe('strangers', { skip: withoutRelay }, () => {
  let stage;
  before(async () => {
    stage = await Stage.open('chromium', 'firefox');
  });
  after(() => stage.close());

  /** Another process at the address of a relay, with some of its files; what a page says that knows the relay. */
  async function impostor(browser, files) {
    const [genuine, other] = [0, 1].map(() => mkdtempSync(join(temporary, 'state-')));
    const relay = await startRelay({ STATE_DIR: genuine });
    await relay.kill();
    const { port, pwd } = relay.config;
    const address = { UDP_PORT: String(port), ICE_PWD: pwd };
    const false_ = await startRelay({ STATE_DIR: other, ...address });
    await false_.kill();
    for (const file of files) copyFileSync(join(genuine, file), join(other, file));
    await false_.start();
    const page = await stage.browsers[browser].open(`${stage.pages.url}/`);
    const code = await page.evaluate(async (config) => {
      const { connect } = await import('/demo/lumamesh.js');
      return connect({ relays: [config], timing: { open: 3000 } }).then(() => 'connected', (error) => error.code);
    }, relay.config);
    const { handshakes } = await (await fetch(`${false_.health}/statsz`)).json();
    await page.close();
    await false_.kill();
    return { code, handshakes: handshakes.done };
  }

  for (const browser of ['chromium', 'firefox']) {
    test(`${browser}: another certificate at the relay’s address gets no session`, async () => {
      const { code, handshakes } = await impostor(browser, ['node.key']);
      assert.deepEqual([code, handshakes], ['relay-unreachable', 0]);
    });

    test(`${browser}: the relay’s certificate with another node’s key is refused`, async () => {
      const { code, handshakes } = await impostor(browser, ['server.crt', 'server.key']);
      assert.deepEqual([code, handshakes], ['bad-welcome', 1]);
    });
  }

  test('a page without the key of a room disturbs nobody there, and is counted', async (t) => {
    const relay = await startRelay();
    const options = { relays: [relay.config], room: 'strangers' };
    const a = await stage.member('chromium', { ...options, nick: 'Ada' });
    // Eve is in the room, by its id, before Bob comes: so she is told of him, and everything can be said twice.
    const eve = await stage.browsers.chromium.open(`${stage.pages.url}/`);
    const [room, ada] = await a.page.evaluate(() => [window.t.room.id, window.t.net.id]);
    await eve.evaluate(async ({ config, id }) => {
      const { peerIdOf, relayAnswer } = await import('/demo/lumamesh.js');
      const pc = (window.pc = new RTCPeerConnection());
      const channel = pc.createDataChannel('signal');
      const opened = new Promise((resolve) => { channel.onopen = resolve; });
      await pc.setLocalDescription();
      await pc.setRemoteDescription({ type: 'answer', sdp: relayAnswer(pc.localDescription.sdp, config) });
      await opened;
      const said = (window.said = []);
      channel.onmessage = ({ data }) => said.push(JSON.parse(data));
      window.say = (message) => channel.send(JSON.stringify(message));
      const text = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
      const key = crypto.getRandomValues(new Uint8Array(32));
      window.id = await peerIdOf(key);
      window.say({ action: 'hello', v: 1, nonce: text(key), key: text(key), client: 'eve' });
      window.say({ action: 'join', room: id, info: 'AAAA' });
      window.junk = text(crypto.getRandomValues(new Uint8Array(300)));
    }, { config: relay.config, id: room });
    await eve.until(() => window.said.some(({ action }) => action === 'joined'));
    const b = await stage.member('firefox', { ...options, nick: 'Bob' });
    await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
    // Bob's info is what Eve can repeat: it says that it is Bob's. Then noise, as much as one may send at once.
    await eve.evaluate(async ({ id, to }) => {
      const { peer } = window.said.find(({ action }) => action === 'peer-joined');
      window.say({ action: 'leave', room: id });
      window.say({ action: 'join', room: id, info: peer.info });
      for (let i = 0; i < 100; i += 1) window.say({ action: 'signal', room: id, to, data: i % 2 ? window.junk : 'AA' });
      for (let i = 0; i < 100; i += 1) window.say({ action: 'signal', room: id, to: peer.id, data: window.junk });
    }, { id: room, to: ada });
    const stats = [];
    for (const { page } of [a, b]) {
      await page.until(() => {
        const { unknown, undecryptable } = window.t.net.stats;
        return unknown >= 100 && undecryptable >= 1;
      });
      stats.push(await page.evaluate(() => window.t.net.stats));
    }
    t.diagnostic(stats.map(({ unknown, undecryptable }) => `${unknown} unknown, ${undecryptable} undecryptable`).join(' | '));
    await exchange(a, b, 50, 'undisturbed');
    const heard = (who) => who.page.evaluate(() => window.t.events);
    assert.deepEqual((await heard(a)).filter((event) => !event.startsWith('error')), ['peer Bob', 'open Bob']);
    assert.deepEqual((await heard(b)).filter((event) => !event.startsWith('error')), ['peer Ada', 'open Ada']);
    assert.deepEqual((await heard(b)).filter((event) => event.startsWith('error')), ['error undecryptable']);
    for (const { malformed, replayed, reconnects } of stats) assert.deepEqual([malformed, replayed, reconnects], [0, 0, 0]);
    await relay.stop();
  });
});
