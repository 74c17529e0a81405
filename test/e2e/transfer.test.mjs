/** 100 MB from page to page: how fast, against a bare data channel in the same run, and in how much memory. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startRelay, withoutRelay } from './lib/relay.mjs';
import { happened } from './lib/rooms.mjs';
import { Stage } from './lib/stage.mjs';

const SIZE = 100_000_000;
const PATIENCE = 120_000;

describe('a long transfer between two pages', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium'), startRelay()]);
  });
  after(() => Promise.all([stage.close(), relay.stop()]));

  /** Milliseconds that a loop with backpressure needs over a channel that the pages make themselves. */
  async function bare(from, to) {
    const made = (page, offer) =>
      page.evaluate(async (sdp) => {
        const pc = (window.pc = new RTCPeerConnection());
        const channel = (window.bare = pc.createDataChannel('bare', { negotiated: true, id: 0 }));
        channel.binaryType = 'arraybuffer';
        window.bytes = 0;
        channel.onmessage = ({ data }) => { window.bytes += data.byteLength; };
        if (sdp) await pc.setRemoteDescription({ type: 'offer', sdp });
        await pc.setLocalDescription();
        while (pc.iceGatheringState !== 'complete') {
          await new Promise((resolve) => { pc.onicegatheringstatechange = resolve; });
        }
        return pc.localDescription.sdp;
      }, offer);
    const answer = await made(to, await made(from));
    await from.evaluate((sdp) => window.pc.setRemoteDescription({ type: 'answer', sdp }), answer);
    await from.until(() => window.bare.readyState === 'open');
    const start = performance.now();
    const sending = from.evaluate(async (size) => {
      const { bare } = window;
      bare.bufferedAmountLowThreshold = 1 << 18;
      const piece = new Uint8Array(65_536);
      for (let sent = 0; sent < size; sent += piece.length) {
        if (bare.bufferedAmount > 1 << 20) {
          await new Promise((resolve) => { bare.onbufferedamountlow = resolve; });
        }
        bare.send(piece);
      }
    }, SIZE);
    await to.until((size) => window.bytes >= size, SIZE, PATIENCE);
    await sending;
    const took = performance.now() - start;
    for (const page of [from, to]) await page.evaluate(() => window.pc.close());
    return took;
  }

  test('of 100 MB in a Blob holds little memory and is not slow', { timeout: 300_000 }, async (t) => {
    const options = { relays: [relay.config], room: 'transfer' };
    const a = await stage.member('chromium', { ...options, nick: 'Ada' });
    const b = await stage.member('chromium', { ...options, nick: 'Bob' });
    await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
    const plain = await bare(a.page, b.page);
    for (const { page } of [a, b]) {
      await page.evaluate(() => {
        window.heap = 0;
        const base = performance.memory.usedJSHeapSize;
        const look = () => { window.heap = Math.max(window.heap, performance.memory.usedJSHeapSize - base); };
        window.t.room.peers[0].on('progress', look);
        setInterval(look, 50);
      });
    }
    const start = performance.now();
    await a.page.evaluate((size) => {
      const block = new Uint8Array(1_000_000).fill(7);
      const blob = new Blob(Array.from({ length: size / block.length }, () => block), { type: 'x/y' });
      window.t.room.peers[0].send(blob);
    }, SIZE);
    await b.page.until((size) => window.t.data.Ada?.[0]?.size === size, SIZE, PATIENCE);
    const took = performance.now() - start;
    const heaps = await Promise.all([a, b].map(({ page }) => page.evaluate(() => window.heap)));
    const megabytes = heaps.map((heap) => Math.round(heap / 1e6));
    t.diagnostic(`bare ${Math.round(plain)} ms, library ${Math.round(took)} ms, heaps +${megabytes.join(', +')} MB`);
    assert.ok(heaps.every((heap) => heap < 64e6), `${megabytes} MB`);
    assert.ok(took <= plain / 0.6, `${took} ms, bare ${plain} ms`);
  });
});
