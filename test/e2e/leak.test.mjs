/** A page that enters and leaves rooms a thousand times, and the page that it meets there, keep nothing of it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startRelay, withoutRelay } from './lib/relay.mjs';
import { Stage } from './lib/stage.mjs';

const WARM = 60; // joins and leaves, after which what grows once has grown
const TIMES = 1000;
const BATCH = 20;
const MOST = 1_000_000; // bytes by which the heap may have grown: 1 kB each
/**
 * Of connections that are closed while Chromium 156 has an event of theirs to tell of (a changed state), it keeps
 * one or two in a hundred for ever, with their event handlers.
 */
const MOST_OF_CHROMIUM = TIMES / 20;
const PATIENCE = 120_000;

/** In the page: the key of a room costs a tenth of a second, which has nothing to do with what is tested. */
function quickKeys() {
  const { subtle } = crypto;
  const deriveBits = subtle.deriveBits.bind(subtle);
  subtle.deriveBits = (algorithm, ...rest) =>
    deriveBits(algorithm.iterations ? { ...algorithm, iterations: 1 } : algorithm, ...rest);
}

/** What is left of a page's objects after its garbage was collected. */
async function inspect(page) {
  const cdp = await page.page.context().newCDPSession(page.page);
  await cdp.send('HeapProfiler.enable');
  for (let i = 0; i < 3; i += 1) await cdp.send('HeapProfiler.collectGarbage');
  const { usedSize } = await cdp.send('Runtime.getHeapUsage');
  const counts = {};
  for (const name of ['Room', 'Peer', 'RTCPeerConnection', 'RTCDataChannel', 'Promise']) {
    const expression = `window.prototypes.${name} ?? ${name}.prototype`;
    const { result } = await cdp.send('Runtime.evaluate', { expression });
    const { objects } = await cdp.send('Runtime.queryObjects', { prototypeObjectId: result.objectId });
    const { result: length } = await cdp.send('Runtime.callFunctionOn', {
      objectId: objects.objectId,
      functionDeclaration: 'function () { return this.length; }',
    });
    counts[name] = length.value;
    await cdp.send('Runtime.releaseObject', { objectId: objects.objectId });
  }
  await cdp.detach();
  return { bytes: usedSize, counts };
}

describe('a thousand joins and leaves', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium'), startRelay({ MESSAGE_RATE: '0' })]);
  });
  after(() => Promise.all([stage.close(), relay.stop()]));

  async function online() {
    const page = await stage.browsers.chromium.open();
    await page.beforeLoad(quickKeys);
    await page.goto(`${stage.pages.url}/`);
    await page.evaluate(async (config) => {
      const { connect } = await import('/demo/lumamesh.js');
      window.net = await connect({ relays: [config] });
      window.prototypes = {};
      window.met = 0;
      window.enter = async (name) => {
        const room = await window.net.joinRoom(name, { nick: 'x'.repeat(100) });
        window.prototypes.Room = Object.getPrototypeOf(room);
        room.on('peer', (peer) => { window.prototypes.Peer = Object.getPrototypeOf(peer); });
        return room;
      };
    }, relay.config);
    return page;
  }

  /**
   * So many joins and leaves, a quarter each: of a room where there is nobody; of one with somebody, left at
   * once; left while the connection is being made; left after a message there and back.
   */
  const comeAndGo = (page, times) =>
    page.evaluate(async (count) => {
      for (let i = 0; i < count; i += 1) {
        const room = await window.enter(i % 4 ? 'busy' : 'empty');
        if (i % 4 > 1) {
          const met = new Promise((resolve) => {
            room.on('peer', (peer) => (i % 4 === 2 ? resolve() : peer.on('open', () => peer.request(i).then(resolve))));
          });
          await met;
          if (i % 4 === 3) window.met += 1;
        }
        await room.leave();
      }
    }, times);

  let states; // of who came and went and who stayed: before and after

  test('leave nothing behind', { timeout: 300_000 }, async (t) => {
    const [a, b] = [await online(), await online()];
    await b.evaluate(async () => {
      window.room = await window.enter('busy');
      window.room.onrequest = (value) => value;
    });
    const quiet = () => b.until(() => window.room.peers.length === 0, undefined, PATIENCE);
    await comeAndGo(a, WARM);
    await quiet();
    const first = await Promise.all([a, b].map(inspect));
    const start = performance.now();
    for (let done = 0; done < TIMES; done += BATCH) await comeAndGo(a, BATCH);
    t.diagnostic(`${TIMES} in ${((performance.now() - start) / 1000).toFixed(0)} s`);
    await quiet();
    assert.equal(await a.evaluate(() => window.met), (TIMES + WARM) / 4);
    const last = await Promise.all([a, b].map(inspect));
    states = { 'who came and went': [first[0], last[0]], 'who stayed': [first[1], last[1]] };
    for (const [who, [was, is]] of Object.entries(states)) {
      const grown = is.bytes - was.bytes;
      t.diagnostic(`${who}: ${Math.round(was.bytes / 1000)} kB, ${Math.round(grown / 1000)} kB more`);
      t.diagnostic(`${JSON.stringify(was.counts)}, then ${JSON.stringify(is.counts)}`);
      assert.ok(grown < MOST, `${grown} bytes`);
      for (const name of ['RTCPeerConnection', 'RTCDataChannel']) {
        assert.ok(is.counts[name] <= was.counts[name] + MOST_OF_CHROMIUM, name);
      }
    }
  });

  // Those connections that Chromium keeps have no handlers left.
  test('leave no room, peer or promise behind', () => {
    for (const [was, is] of Object.values(states)) {
      for (const name of ['Room', 'Peer', 'Promise']) {
        assert.ok(is.counts[name] <= was.counts[name] + 2, `${name}: ${was.counts[name]}, then ${is.counts[name]}`);
      }
    }
  });
});
