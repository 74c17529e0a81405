/**
 * A channel over the relay's TURN lives longer than the credentials that it was made with: the library asks for
 * new ones when half of their time is over, and moves to an allocation made with those. Here they are good for
 * seconds; the relay's own are for a day.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { startBrowserIn } from './lib/agent.mjs';
import { DEADLINE } from './lib/browsers.mjs';
import { network, withoutNamespaces } from './lib/network.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';
import { enter, happened } from './lib/rooms.mjs';

const SECRET = 'a secret for this test';
const LIFE = 16; // seconds

/**
 * In the page: makes the credentials that the relay gives good for `life` seconds, and the library's wait of
 * half a minute, its shortest, half of that.
 */
function shorten({ secret, life }) {
  const text = (value) => new TextEncoder().encode(value);
  window.expiries = [];
  async function shortened(data) {
    const message = JSON.parse(data);
    if (message.action !== 'turn') return data;
    const expiry = Math.floor(Date.now() / 1000) + life;
    const username = `${expiry}:${message.username.split(':')[1]}`;
    const key = await crypto.subtle.importKey('raw', text(secret), { name: 'HMAC', hash: 'SHA-1' }, false, ['sign']);
    const mac = await crypto.subtle.sign('HMAC', key, text(username));
    window.expiries.push(expiry);
    return JSON.stringify({ ...message, username, credential: btoa(String.fromCharCode(...new Uint8Array(mac))), ttl: life });
  }
  const wait = window.setTimeout;
  window.setTimeout = (step, ms, ...rest) => wait(step, ms === 30_000 ? life * 500 : ms, ...rest);
  window.RTCPeerConnection = class extends RTCPeerConnection {
    createDataChannel(label, ...rest) {
      const channel = super.createDataChannel(label, ...rest);
      if (label === 'lumamesh') window.connection = this; // with the other page
      if (label !== 'signal') return channel;
      Object.defineProperty(channel, 'onmessage', {
        set(handler) {
          if (handler) channel.addEventListener('message', async ({ data }) => handler({ data: await shortened(data) }));
        },
      });
      return channel;
    }
  };
}

/** In the page: where its relayed address is now; undefined in the middle of a move. */
async function relayedAt() {
  const [peer] = window.t.room.peers;
  if (!peer) return undefined;
  const stats = await window.connection.getStats();
  const all = [...stats.values()];
  const transport = all.find(({ type }) => type === 'transport');
  const pair =
    stats.get(transport?.selectedCandidatePairId)
    ?? all.find(({ type, nominated, selected, state }) => type === 'candidate-pair' && (selected || nominated) && state === 'succeeded');
  if (!pair) return undefined;
  const { address, port, candidateType } = stats.get(pair.localCandidateId);
  return { path: peer.path, at: `${candidateType} ${address}:${port}` };
}

async function placeOf(page) {
  for (const end = Date.now() + DEADLINE; Date.now() < end; await delay(50)) {
    const place = await page.evaluate(relayedAt);
    if (place) return place;
  }
  throw new Error('no pair is in use');
}

describe('TURN credentials', { skip: withoutNamespaces || withoutRelay }, () => {
  let net;
  let relay;
  let browsers;
  before(async () => {
    net = network(2);
    relay = await startRelay({ TURN_SECRET: SECRET }, net.hub);
    const started = [startBrowserIn(net.leaves[0], 'chromium'), startBrowserIn(net.leaves[1], 'firefox')];
    browsers = await Promise.all(started);
  });
  after(async () => {
    await Promise.all((browsers ?? []).map((browser) => browser.close()));
    await relay?.stop();
    net?.close();
  });

  test('are renewed before they end, and a channel moves to them without losing a message', async (t) => {
    const members = [];
    for (const [i, nick] of ['Ada', 'Bob'].entries()) {
      const page = await browsers[i].open();
      await page.evaluate(shorten, { secret: SECRET, life: LIFE });
      await enter(page, { relays: [relay.config], room: 'renewal', nick });
      members.push({ page, nick });
    }
    const [a, b] = members;
    await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
    for (const { page } of members) {
      await page.until(() => window.t.room.peers[0].path === 'relay');
      await page.evaluate(() => {
        window.said = 0;
        window.chatter = setInterval(() => {
          if (window.t.room.broadcast(window.said) > 0) window.said += 1;
        }, 50);
      });
    }
    const places = () => Promise.all(members.map(({ page }) => placeOf(page)));
    const first = await places();
    // Until what both began with has been over for a while.
    for (const { page } of members) {
      const over = (seconds) => Date.now() / 1000 > window.expiries[0] + seconds && window.expiries.length > 1;
      await page.until(over, LIFE / 2, 4 * LIFE * 1000);
    }
    const last = await places();
    for (const [i, { at, path }] of last.entries()) {
      t.diagnostic(`${members[i].nick}: ${first[i].at}, then ${at}`);
      assert.deepEqual([path, first[i].path], ['relay', 'relay']);
    }
    assert.ok(last.some(({ at }, i) => at !== first[i].at), 'they have moved');
    for (const [one, other] of [[a, b], [b, a]]) {
      const said = await one.page.evaluate(() => {
        clearInterval(window.chatter);
        return window.said;
      });
      const heard = ({ nick, count }) => window.t.data[nick].length === count
        && window.t.data[nick].every((value, i) => value === i);
      await other.page.until(heard, { nick: one.nick, count: said });
      assert.ok(said > 100, `${said} messages`);
      const events = await one.page.evaluate(() => window.t.events);
      assert.deepEqual(events, [`peer ${other.nick}`, `open ${other.nick}`]);
    }
  });
});
