/** Two pages in one room talk, and go on talking when the relay is gone. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startRelay, withoutRelay } from './lib/relay.mjs';
import { exchange, happened } from './lib/rooms.mjs';
import { Stage } from './lib/stage.mjs';

describe('messages', { skip: withoutRelay }, () => {
  let stage;
  before(async () => {
    stage = await Stage.open('chromium', 'firefox');
  });
  after(() => stage.close());

  for (const [first, second] of [
    ['chromium', 'chromium'],
    ['chromium', 'firefox'],
    ['firefox', 'chromium'],
  ]) {
    test(`${first} with ${second}`, async () => {
      const relay = await startRelay();
      const relays = [relay.config];
      const a = await stage.member(first, { relays, room: 'messages', nick: 'Ada' });
      const b = await stage.member(second, { relays, room: 'messages', nick: 'Bob' });
      await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
      await exchange(a, b, 100, 'with relay');
      await relay.kill();
      await exchange(a, b, 100, 'without relay');
      for (const { page } of [a, b]) {
        const stats = await page.evaluate(() => window.t.net.stats);
        assert.deepEqual([stats.undecryptable, stats.replayed, stats.unknown, stats.malformed], [0, 0, 0, 0]);
        assert.deepEqual(page.complaints, []);
        await page.close();
      }
    });
  }
});
