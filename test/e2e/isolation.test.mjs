/** Who is in another room, or does not know the secret, sees nothing. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startRelay, withoutRelay } from './lib/relay.mjs';
import { exchange, happened } from './lib/rooms.mjs';
import { Stage } from './lib/stage.mjs';

describe('isolation', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium'), startRelay()]);
  });
  after(() => Promise.all([stage.close(), relay.stop()]));

  test('of rooms and of secrets', async () => {
    const relays = [relay.config];
    const strangers = [
      await stage.member('chromium', { relays, room: 'elsewhere', nick: 'Eve', secret: 'shared' }),
      await stage.member('chromium', { relays, room: 'here', nick: 'Mallory', secret: 'guessed' }),
      await stage.member('chromium', { relays, room: 'here', nick: 'Nosy' }),
    ];
    const a = await stage.member('chromium', { relays, room: 'here', nick: 'Ada', secret: 'shared' });
    const b = await stage.member('chromium', { relays, room: 'here', nick: 'Bob', secret: 'shared' });
    await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
    await exchange(a, b, 10, 'private');

    for (const { page, nick } of strangers) {
      // A reply of the relay now means that what it had to say before has arrived.
      await page.evaluate(() => window.t.net.joinRoom('a room of my own'));
      const seen = await page.evaluate(() => {
        const { reconnects, ...ignored } = window.t.net.stats;
        return { events: window.t.events, data: window.t.data, peers: window.t.room.peers.length, ignored };
      });
      assert.deepEqual(
        { events: seen.events, data: seen.data, peers: seen.peers },
        { events: [], data: {}, peers: 0 },
        nick,
      );
      assert.deepEqual(Object.values(seen.ignored).filter(Boolean), [], `${nick}: nothing even arrived`);
    }
    assert.deepEqual(await a.page.evaluate(() => window.t.events), ['peer Bob', 'open Bob']);
    assert.deepEqual(await b.page.evaluate(() => window.t.events), ['peer Ada', 'open Ada']);
  });
});
