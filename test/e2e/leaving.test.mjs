/** Who goes is missed: by leave(), by closing the net or the page, and when a page crashes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startRelay, withoutRelay } from './lib/relay.mjs';
import { happened } from './lib/rooms.mjs';
import { Stage } from './lib/stage.mjs';

const SILENCE_NOTICED_WITHIN = 75_000; // browsers and relay wait for a return

describe('leaving', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium', 'firefox'), startRelay()]);
  });
  after(() => Promise.all([stage.close(), relay.stop()]));

  const ways = {
    'room.leave()': ['chromium', ({ page }) => page.evaluate(() => window.t.room.leave())],
    'net.close()': ['chromium', ({ page }) => page.evaluate(() => window.t.net.close())],
    'navigation in Chromium': ['chromium', ({ page }) => page.goto('about:blank')],
    'navigation in Firefox': ['firefox', ({ page }) => page.goto('about:blank')],
    'closing the page in Chromium': ['chromium', ({ page }) => page.close(), SILENCE_NOTICED_WITHIN],
    'closing the page in Firefox': ['firefox', ({ page }) => page.close(), SILENCE_NOTICED_WITHIN],
    'a crash': [
      'chromium',
      ({ page }) => {
        page.goto('chrome://crash').catch(() => {});
      },
      SILENCE_NOTICED_WITHIN,
    ],
  };
  for (const [how, [browser, go, deadline]] of Object.entries(ways)) {
    test(`by ${how}`, async () => {
      const relays = [relay.config];
      const a = await stage.member('chromium', { relays, room: how, nick: 'Ada' });
      const b = await stage.member(browser, { relays, room: how, nick: 'Bob' });
      await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
      const start = Date.now();
      await go(b);
      await happened(a.page, 'leave Bob', deadline);
      console.log(`${how}: noticed after ${Date.now() - start} ms`);
      assert.deepEqual(await a.page.evaluate(() => window.t.events), [
        'peer Bob',
        'open Bob',
        'close Bob',
        'leave Bob',
      ]);
      assert.equal(await a.page.evaluate(() => window.t.room.peers.length), 0);
      await a.page.close();
    });
  }
});
