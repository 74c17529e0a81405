/** A page that is told of another network restarts ICE: the open channel, and what is said over it, goes on. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startRelay, withoutRelay } from './lib/relay.mjs';
import { enter, exchange, happened } from './lib/rooms.mjs';
import { Stage } from './lib/stage.mjs';

/** In a page, before it connects: `window.steps` are the descriptions that a connection with a peer took, and how. */
function watch() {
  window.steps = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    async setRemoteDescription(description) {
      const lite = /^a=ice-lite/m.test(description.sdp); // of a relay
      try {
        await super.setRemoteDescription(description);
        if (!lite) window.steps.push(description.type);
      } catch (error) {
        window.steps.push(`${description.type}: ${error.message}`);
        throw error;
      }
    }
  };
}

describe('a page in another network', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium', 'firefox'), startRelay()]);
  });
  after(() => Promise.all([stage.close(), relay.stop()]));

  async function member(browser, options) {
    const page = await stage.browsers[browser].open();
    await page.beforeLoad(watch);
    await page.goto(`${stage.pages.url}/`);
    await enter(page, options);
    return { page, nick: options.nick };
  }

  for (const [mover, other] of [
    ['chromium', 'chromium'],
    ['chromium', 'firefox'],
    ['firefox', 'chromium'],
    ['firefox', 'firefox'],
  ]) {
    for (const comes of ['first', 'second']) {
      // A browser wishes for an offer that the library makes anyway; and Firefox would change its DTLS role.
      test(`${mover}, which came ${comes}, with ${other}`, async () => {
        const options = { relays: [relay.config], room: `${mover} ${other} ${comes}` };
        const enterMover = () => member(mover, { ...options, nick: 'Ada' });
        const enterOther = () => member(other, { ...options, nick: 'Bob' });
        let a;
        let b;
        if (comes === 'first') [a, b] = [await enterMover(), await enterOther()];
        else [b, a] = [await enterOther(), await enterMover()];
        await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
        await exchange(a, b, 10, 'before');
        const [pageA, pageB] = [a.page, b.page];
        for (const page of [pageA, pageB]) await page.evaluate(() => { window.steps.length = 0; });
        await pageA.evaluate(() => {
          Object.defineProperty(document, 'hidden', { value: false }); // Firefox shows one page at a time.
          window.dispatchEvent(new Event('online'));
        });
        await pageA.until(() => window.steps.some((step) => step.startsWith('answer')));
        // What a second offer, or a wrong role, does, it has done when both have echoed.
        await exchange(a, b, 10, 'after');
        await Promise.all([pageA, pageB].map((page) => page.evaluate(() => (
          window.t.room.peers[0].ping().then(() => new Promise((resolve) => { setTimeout(resolve, 500); }))
        ))));
        for (const [page, nick, step] of [[pageA, 'Bob', 'answer'], [pageB, 'Ada', 'offer']]) {
          const { events, steps } = await page.evaluate(() => ({ events: window.t.events, steps: window.steps }));
          assert.deepEqual([events, steps], [[`peer ${nick}`, `open ${nick}`], [step]]);
        }
        await Promise.all([pageA.close(), pageB.close()]);
      });
    }
  }
});
