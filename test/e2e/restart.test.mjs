/** The relay is restarted: pages notice, come back as the same peers, and newcomers find them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startRelay, withoutRelay } from './lib/relay.mjs';
import { exchange, happened } from './lib/rooms.mjs';
import { Stage } from './lib/stage.mjs';

const NOTICED_WITHIN = 25_000; // 15 s for the silence, the rest for coming back

describe('a restarted relay', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium', 'firefox'), startRelay()]);
  });
  after(() => Promise.all([stage.close(), relay.stop()]));

  test('finds its pages again, and a third page finds them', async () => {
    const relays = [relay.config];
    const a = await stage.member('chromium', { relays, room: 'restart', nick: 'Ada' });
    const b = await stage.member('firefox', { relays, room: 'restart', nick: 'Bob' });
    await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
    const ids = () => Promise.all([a, b].map(({ page }) => page.evaluate(() => window.t.net.id)));
    const before_ = await ids();

    await relay.kill();
    await relay.start();
    for (const { page } of [a, b]) {
      await page.until(
        () => window.t.net.stats.reconnects > 0 && window.t.net.status === 'open',
        undefined,
        NOTICED_WITHIN,
      );
    }
    const c = await stage.member('chromium', { relays, room: 'restart', nick: 'Cid' });
    await Promise.all([
      happened(c.page, 'open Ada'),
      happened(c.page, 'open Bob'),
      happened(a.page, 'open Cid'),
      happened(b.page, 'open Cid'),
    ]);
    await exchange(a, c, 10, 'after the restart');
    await exchange(a, b, 10, 'over the old channel');
    assert.deepEqual(await ids(), before_);
    assert.deepEqual(await a.page.evaluate(() => window.t.events.filter((event) => event.endsWith('Bob'))), [
      'peer Bob',
      'open Bob',
    ]);
  });
});
