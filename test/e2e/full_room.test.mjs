/** Twenty pages in one room: how long until each has an open channel with each of the others. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startRelay, withoutRelay } from './lib/relay.mjs';
import { Stage } from './lib/stage.mjs';

const PAGES = 20;
const LIMIT = 5_000; // milliseconds from the last joinRoom() to the last of the 190 channels, on two cores
const ROUNDS = 5; // The first pages are cold, and something else on this machine may get in the way.
const PATIENCE = 60_000;

/** In a page: enters the room and notes when it called and when it last saw a channel open, by the clock of all. */
async function enterRoom(name) {
  const now = () => performance.timeOrigin + performance.now();
  const t = (window.t = { called: now(), open: 0, opened: null, errors: [] });
  t.room = await window.net.joinRoom(name);
  t.joined = now();
  t.room.on('error', ({ code }) => t.errors.push(code));
  t.room.on('peer', (peer) => peer.on('open', () => {
    t.open += 1;
    t.opened = now();
  }));
}

describe(`${PAGES} pages in a room`, { skip: withoutRelay }, () => {
  let stage;
  let pages;
  let relay;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium'), startRelay()]);
    pages = await Promise.all(
      Array.from({ length: PAGES }, async () => {
        const page = await stage.browsers.chromium.open(`${stage.pages.url}/`);
        await page.evaluate(async (config) => {
          const { connect } = await import('/demo/lumamesh.js');
          window.net = await connect({ relays: [config] });
        }, relay.config);
        return page;
      }),
    );
  });
  after(() => Promise.all([stage.close(), relay.stop()]));

  /** All enter at once; the milliseconds from the last call until all are in the room, and until all are linked. */
  async function meet(room) {
    await Promise.all(pages.map((page) => page.evaluate(enterRoom, room)));
    const seen = [];
    for (const page of pages) {
      await page.until((others) => window.t.open >= others, PAGES - 1, PATIENCE);
      const { called, joined, opened, open, errors } = await page.evaluate(() => ({ ...window.t, room: null }));
      assert.deepEqual([open, errors], [PAGES - 1, []]);
      seen.push({ called, joined, opened });
    }
    await Promise.all(pages.map((page) => page.evaluate(() => window.t.room.leave())));
    const last = (what) => Math.max(...seen.map((each) => each[what]));
    return ['joined', 'opened'].map((what) => Math.round(last(what) - last('called')));
  }

  test(`are fully meshed within ${LIMIT} ms`, { timeout: 300_000 }, async (t) => {
    const times = [];
    do {
      const [joined, opened] = await meet(`full ${times.length}`);
      times.push(opened);
      t.diagnostic(`all in the room after ${joined} ms, all ${(PAGES * (PAGES - 1)) / 2} channels open after ${opened} ms`);
    } while (times.at(-1) > LIMIT && times.length < ROUNDS);
    assert.ok(times.at(-1) <= LIMIT, `${times.join(', ')} ms`);
  });
});
