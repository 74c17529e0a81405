/** From browser to browser without a relay: the fake one is bridged into the pages (lib/bridge.mjs). */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { FakeRelay } from '../client/fake_relay.mjs';
import { bridge, unbridge } from './lib/bridge.mjs';
import { enter, exchange, happened } from './lib/rooms.mjs';
import { Stage } from './lib/stage.mjs';

const ALL = ['chromium', 'firefox'];

describe('pages with each other', () => {
  let stage;
  before(async () => {
    stage = await Stage.open(...ALL);
  });
  after(() => stage.close());

  async function member(browser, relay, nick) {
    const page = await stage.browsers[browser].open();
    await bridge(page, relay);
    await page.goto(`${stage.pages.url}/`);
    await enter(page, { relays: [relay.config], room: 'direct', nick });
    return { page, nick };
  }

  for (const [first, second] of ALL.flatMap((one) => ALL.map((other) => [one, other]))) {
    test(`${first} and ${second}: messages, ping, long messages, the end`, async () => {
      const relay = new FakeRelay();
      const a = await member(first, relay, 'Ada');
      const b = await member(second, relay, 'Bob');
      await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
      await exchange(a, b, 100, 'short');

      const figures = await a.page.evaluate(async () => {
        const [peer] = window.t.room.peers;
        peer.send(`${'€'.repeat(150_000)}${'😀'.repeat(150_000)}`);
        const ping = await peer.ping();
        return { ping, path: peer.path, stats: window.t.net.stats };
      });
      assert.equal(figures.path, 'direct');
      assert.ok(figures.ping > 0 && figures.ping < 5000, `ping ${figures.ping}`);
      const { reconnects, ...ignored } = figures.stats;
      assert.deepEqual(Object.values(ignored).filter(Boolean), [], JSON.stringify(ignored));
      await b.page.until(() => window.t.data.Ada.at(-1) === `${'€'.repeat(150_000)}${'😀'.repeat(150_000)}`);

      relay.kill();
      await exchange(a, b, 100, 'without relay');
      await a.page.evaluate(() => {
        window.t.room.leave();
      });
      await happened(b.page, 'leave Ada');
      await Promise.all([a.page.close(), b.page.close()]);
    });

    test(`${first} and ${second}: both offer at once`, async () => {
      // Each is told that the other was there before: so both take themselves for the newcomer.
      const relay = new FakeRelay({
        tamper: (message) =>
          message.action !== 'peer-joined'
            ? message
            : {
                action: 'joined',
                room: message.room,
                peers: [message.peer],
                re: undefined,
              },
      });
      const a = await member(first, relay, 'Ada');
      const b = await member(second, relay, 'Bob');
      await Promise.all([happened(a.page, 'open Bob', 5000), happened(b.page, 'open Ada', 5000)]);
      const rollbacks = await Promise.all([a, b].map(({ page }) => page.evaluate(() => window.rollbacks)));
      assert.deepEqual(rollbacks.sort(), [0, 1], 'one gave way, the other insisted');
      await exchange(a, b, 100, 'after glare');
      await Promise.all([a.page.close(), b.page.close()]);
    });
  }

  test('a page that goes away without a word', async () => {
    const relay = new FakeRelay();
    const a = await member('chromium', relay, 'Ada');
    const b = await member('chromium', relay, 'Bob');
    await happened(a.page, 'open Bob');
    const id = await b.page.evaluate(() => window.t.net.id);
    await b.page.close();
    unbridge(relay, id);
    await happened(a.page, 'leave Bob', 60_000);
    const events = await a.page.evaluate(() => window.t.events);
    assert.deepEqual(events, ['peer Bob', 'open Bob', 'close Bob', 'leave Bob']);
    await a.page.close();
  });
});
