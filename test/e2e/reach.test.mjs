/**
 * Who reaches whom: a page behind every kind of network in a room with one behind every other kind, by the
 * relay's defaults. Prints for each pair how they are connected, and how long the newcomer waits for the
 * other's first message: since it is in the room, and since it called joinRoom(), which also makes the room's
 * key (600,000 rounds of PBKDF2, a tenth of a second of one core) and asks the relay.
 *
 * LM_REACH_MIXES=all tries each pair in all mixes of browsers; the ordinary run has one mix for each pair,
 * and all four over the run. LM_REACH_DELAY=MS, an even number, is the way between any two machines.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startBrowserIn } from './lib/agent.mjs';
import { Internet, KINDS, withoutInternet } from './lib/nat.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';

const DELAY = Number(process.env.LM_REACH_DELAY ?? 20); // milliseconds, each way
const ROUNDS = 3;
const STARTS = 3; // browsers that start at the same time
const MEET = 10_000; // milliseconds after which two have not met
const SETTLE = 5_000; // milliseconds that ICE may take to change to the better path
const GOAL = { direct: 300, relay: 1500 }; // milliseconds from room to message, p50
const DIRECT_BOUND = 600; // which is kept on a busy machine, too

const ALL_MIXES = process.env.LM_REACH_MIXES === 'all';
const BROWSERS = ['chromium', 'firefox'];
const MIXES = BROWSERS.flatMap((one) => BROWSERS.map((other) => [one, other]));
const names = Object.keys(KINDS);
const pairs = names.flatMap((one, i) => names.slice(i).map((other) => [one, other]));

/**
 * How two kinds are to meet. A symmetric NAT shows each machine another port, so it takes one that lets in
 * whoever comes (public) or sends from the port that it was told (none of these).
 */
function expected(one, other) {
  const both = [one, other];
  if (both.includes('blocked')) return 'relay';
  if (!KINDS[one].families.some((family) => KINDS[other].families.includes(family))) return 'relay';
  if (both.includes('symmetric')) return both.includes('public') ? 'direct' : 'relay';
  return 'direct';
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/* --- in a page --- */

/** Connects with the relay, once for all rooms; t.connections are those between pages. */
async function connectPage(relay) {
  const { connect } = await import('/demo/lumamesh.js');
  const t = (window.t = { connections: [] });
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration, ...rest) {
      super(configuration, ...rest);
      if (t.net) t.connections.push(this);
    }
  };
  t.net = await connect({ relays: [relay] });
}

/**
 * Joins a room and says a word to whoever is there. In t.times afterwards, in milliseconds since
 * joinRoom() was called: joined, when that resolved; heard, when the first message came.
 */
async function join({ room, nick }) {
  const { t } = window;
  t.connections.length = 0;
  t.times = {};
  const began = performance.now();
  t.room = await t.net.joinRoom(room, { nick });
  t.times.joined = performance.now() - began;
  t.room.on('peer', (peer) => {
    peer.on('data', () => {
      t.times.heard ??= performance.now() - began;
    });
    peer.on('open', () => peer.send(`I am ${nick}`));
  });
}

/** The way of this page's end: `{ path, transport }`, null while there is none. */
async function way() {
  const stats = await window.t.connections.at(-1)?.getStats();
  const all = [...(stats?.values() ?? [])];
  const chosen = all.find(({ type, selectedCandidatePairId: id }) => type === 'transport' && id);
  const pair =
    stats?.get(chosen?.selectedCandidatePairId) ??
    all.find(({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded');
  if (!pair) return null;
  const local = stats.get(pair.localCandidateId);
  const path = local.candidateType === 'relay' ? 'relay' : 'direct';
  return { path, transport: (path === 'relay' && local.relayProtocol) || local.protocol };
}

/* --- */

/** What is tried: `{ kinds, mix }`. Those for which a machine has to change its browser come last. */
const tries = pairs.flatMap((kinds, i) => {
  const mixes = ALL_MIXES ? MIXES : [MIXES[kinds[0] === kinds[1] ? 1 + (i % 2) : i % MIXES.length]];
  return mixes.map((mix) => ({ kinds, mix }));
});
tries.sort((a, b) => Number(needsChange(a)) - Number(needsChange(b)));

function needsChange({ kinds, mix }) {
  return kinds[0] === kinds[1] && mix[0] === mix[1];
}

describe('who reaches whom', { skip: withoutInternet || withoutRelay }, () => {
  const homes = {}; // kind → two machines in different homes, for Chromium and for Firefox
  const living = new Map(); // machine → the browser in it, and its page
  const results = [];
  let internet;
  let relay;

  before(async () => {
    internet = new Internet();
    const server = internet.machine('relay', KINDS.public);
    for (const name of names) homes[name] = [1, 2].map((n) => internet.machine(`${name}${n}`, KINDS[name]));
    await internet.open(DELAY);
    relay = await startRelay({ PUBLIC_IP6: server.ip6 }, server);
    const needed = names.flatMap((name) => BROWSERS.map((browser, i) => [homes[name][i], browser]));
    while (needed.length > 0)
      await Promise.all(needed.splice(0, STARTS).map(([machine, browser]) => pageIn(machine, browser)));
  });
  after(async () => {
    await Promise.all([...living.values()].map(({ browser }) => browser.close()));
    await relay?.stop();
    internet?.close();
  });

  /** The page in a machine, with a session at the relay. */
  async function pageIn(machine, name) {
    const there = living.get(machine);
    if (there?.name === name) return there.page;
    await there?.browser.close();
    const browser = await startBrowserIn(machine, name, { loopback: machine.loopback });
    living.set(machine, { name, browser });
    const page = (living.get(machine).page = await browser.open());
    await page.evaluate(connectPage, relay.config);
    return page;
  }

  /** The newcomer's time, and the ways of both ends once they are by `path` or have had time for it. */
  async function meet(pages, room, path) {
    await pages[0].evaluate(join, { room, nick: 'Ada' });
    await pages[1].evaluate(join, { room, nick: 'Bob' });
    try {
      const heard = () => window.t.times.heard !== undefined;
      await Promise.all(pages.map((page) => page.until(heard, null, MEET)));
      const times = await pages[1].evaluate(() => window.t.times);
      const deadline = performance.now() + SETTLE;
      let ways;
      do ways = await Promise.all(pages.map((page) => page.evaluate(way)));
      while (ways.some((end) => end?.path !== path) && performance.now() < deadline);
      return { time: { room: times.heard - times.joined, call: times.heard }, ways };
    } finally {
      await Promise.all(pages.map((page) => page.evaluate(() => window.t.room.leave())));
    }
  }

  for (const { kinds, mix } of tries) {
    const path = expected(...kinds);
    const who = kinds.join(' and ');
    test(`${mix[0]}, ${kinds[0]}, and ${mix[1]}, ${kinds[1]}: ${path}`, async (t) => {
      const result = { kinds, mix, path, times: [], ways: null };
      results.push(result);
      const at = mix.map((browser) => BROWSERS.indexOf(browser));
      if (needsChange({ kinds, mix })) at[1] = 1 - at[0];
      const pages = [];
      for (const i of [0, 1]) pages.push(await pageIn(homes[kinds[i]][at[i]], mix[i]));
      for (let round = 0; round < ROUNDS; round += 1) {
        const { time, ways } = await meet(pages, `${who} ${mix} ${round}`, path).catch((cause) => {
          throw new Error(`${who} have not met within ${MEET} ms; by ${path} they should`, { cause });
        });
        result.times.push(time);
        result.ways = ways;
        assert.deepEqual(
          ways.map((end) => end?.path),
          [path, path],
        );
        // By relay a browser may take TCP where it has UDP, too: what answers first on a busy machine.
        kinds.forEach((kind, i) => {
          if (kind === 'blocked') assert.equal(ways[i].transport, 'tcp', `the way of ${kind}`);
          else if (path === 'direct') assert.equal(ways[i].transport, 'udp', `the way of ${kind}`);
        });
      }
      const shown = result.times.map(({ room, call }) => `${Math.round(room)} (${Math.round(call)})`);
      t.diagnostic(`${shown.join(', ')} ms`);
    });
  }

  const p50 = (times, since) => Math.round(median(times.map((time) => time[since])));
  const both = (times) => `${p50(times, 'room')} (${p50(times, 'call')})`;

  /** What the matrix says of two kinds. */
  function cell(row, column) {
    const here = results.filter(({ kinds: [one, other] }) => one === row && other === column);
    if (here.length === 0) return '';
    if (here.some(({ ways }) => !ways)) return 'not met';
    const ends = here.flatMap(({ ways }) => ways);
    const all = (what) => [...new Set(ends.map((end) => end?.[what]))].sort().reverse().join('+');
    return `${all('path')} ${all('transport')} ${both(here.flatMap(({ times }) => times))}`;
  }

  test('the matrix', (t) => {
    const line = (first, ...cells) =>
      cells.reduce((text, next) => text + next.padEnd(26), first.padEnd(12)).trimEnd();
    t.diagnostic(`path, transport, ms from room (from call) to message; machines are ${DELAY} ms apart`);
    t.diagnostic(line('', ...names));
    for (const row of names) t.diagnostic(line(row, ...names.map((column) => cell(row, column))));
    assert.equal(results.filter(({ ways }) => ways).length, tries.length, 'pairs that have met');
  });

  function keeps(t, path, bound) {
    const times = results.filter((result) => result.path === path).flatMap((result) => result.times);
    assert.ok(times.length > 0, `nobody has met by ${path}`);
    const ms = p50(times, 'room');
    t.diagnostic(`${path}: p50 ${both(times)} ms of ${times.length}`);
    assert.ok(ms <= bound, `${path}: p50 ${ms} ms, more than ${bound}`);
  }

  test(`p50 by relay is at most ${GOAL.relay} ms`, (t) => keeps(t, 'relay', GOAL.relay));
  test(`p50 by a direct path is at most ${DIRECT_BOUND} ms`, (t) => keeps(t, 'direct', DIRECT_BOUND));
  // The wires alone take 240 ms of it, in hops of 20 ms: offer (to the relay, and on) 2, answer 2, ICE 2, DTLS 1.3
  // 2, SCTP 3, the message 1. What is left is too little for a machine that has other work besides.
  const todo = 'only where the machine does nothing else';
  test(`p50 by a direct path is at most ${GOAL.direct} ms`, { todo }, (t) => keeps(t, 'direct', GOAL.direct));
});
