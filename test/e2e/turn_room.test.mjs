/**
 * What TURN is for: two pages that reach the relay and not each other meet in a room. The relay runs with its
 * defaults, and the pages ask for nothing but the room.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startBrowserIn } from './lib/agent.mjs';
import { network, withoutNamespaces } from './lib/network.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';
import { enter, exchange, happened } from './lib/rooms.mjs';

describe('a room of pages that do not reach each other', { skip: withoutNamespaces || withoutRelay }, () => {
  let net;
  let relay;
  let browsers;
  before(async () => {
    net = network(2);
    relay = await startRelay({}, net.hub);
    const [a, b] = net.leaves;
    const started = [
      startBrowserIn(a, 'chromium'),
      startBrowserIn(b, 'firefox'),
      startBrowserIn(b, 'chromium'),
    ];
    const [chromium, firefox, chromium2] = await Promise.all(started);
    browsers = { chromium, firefox, chromium2 };
  });
  after(async () => {
    await Promise.all(Object.values(browsers ?? {}).map((browser) => browser.close()));
    await relay?.stop();
    net?.close();
  });

  async function member(browser, nick, room) {
    const page = await browsers[browser].open();
    await enter(page, { relays: [relay.config], room, nick });
    return { page, nick };
  }

  /** What the relay counts of TURN. */
  const turnOf = () => {
    const code = `fetch('${relay.health}/statsz').then((answer) => answer.text()).then(console.log)`;
    return JSON.parse(net.hub.run(process.execPath, '-e', code)).turn;
  };

  for (const [first, second] of [
    ['chromium', 'firefox'],
    ['firefox', 'chromium'],
    ['chromium', 'chromium2'],
  ]) {
    test(`${first}, then ${second}`, async (t) => {
      const room = `${first} ${second}`;
      const before = turnOf().allocations_created;
      const a = await member(first, 'Ada', room);
      const b = await member(second, 'Bob', room);
      const began = performance.now();
      await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
      t.diagnostic(`${Math.round(performance.now() - began)} ms from room to channel`);
      await exchange(a, b, 100, 'short');
      const figures = await a.page.evaluate(async () => {
        const [peer] = window.t.room.peers;
        peer.send('€'.repeat(100_000));
        return { ping: await peer.ping(), path: peer.path };
      });
      await b.page.until(() => window.t.data.Ada.at(-1) === '€'.repeat(100_000));
      assert.equal(figures.path, 'relay');
      assert.equal(await b.page.evaluate(() => window.t.room.peers[0].path), 'relay');
      assert.ok(figures.ping > 0 && figures.ping < 5000, `ping ${figures.ping}`);
      // A page may have ten: one for each connection, since what is reached by UDP needs none by TCP.
      const allocated = turnOf().allocations_created - before;
      assert.equal(allocated, 2);
      await a.page.evaluate(() => {
        window.t.room.leave();
      });
      await happened(b.page, 'leave Ada');
      await Promise.all([a.page.close(), b.page.close()]);
    });
  }
});
