/**
 * What gets in the way of pages that have met, or are about to: relays that are killed or stand still, and pages
 * that sleep. The first tests wait nearly all of their time; the others run beside them, one after the other, each
 * with relays of its own.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { DEADLINE, startChromium } from './lib/browsers.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';
import { enter, happened } from './lib/rooms.mjs';
import { Stage } from './lib/stage.mjs';

const FALLS_OVER_WITHIN = 5_000; // milliseconds
const TRIES = 3; // when something else on this machine gets in the way
const A_MINUTE = 60_000;
const BACK_WITHIN = 20_000; // after the minute: pauses between calls have grown to 15 s
const SLEEP = 50_000; // Longer than consent (30 s) and RESUME_SECONDS (15 s) together.
const FREEZE = 20_000; // Longer than RESUME_SECONDS.
const WAITING = 3; // tests that do
const BLOB = 48 << 20; // bytes

/** A page in the room `room` that first runs `code`. */
async function member(stage, browser, options, code) {
  const page = await browser.open();
  if (code) await page.beforeLoad(code);
  await page.goto(`${stage.pages.url}/`);
  await enter(page, { room: 'interrupted', ...options });
  return { page, nick: options.nick };
}

/** Sends a number to everybody every 50 ms, until it is told to stop. */
const chatter = ({ page }) =>
  page.evaluate(() => {
    window.said = 0;
    window.chatter = setInterval(() => {
      if (window.t.room.broadcast(window.said) > 0) window.said += 1;
    }, 50);
  });

/** Ends the chatter of both; all that either said has come to the other, in order. Returns how much that was. */
async function heardAll(a, b) {
  const counts = [];
  for (const [{ page, nick }, other] of [[a, b.page], [b, a.page]]) {
    const said = await page.evaluate(() => {
      clearInterval(window.chatter);
      return window.said;
    });
    await other.until(({ from, count }) => window.t.data[from].filter(Number.isInteger).length >= count, {
      from: nick,
      count: said,
    });
    const heard = await other.evaluate((from) => window.t.data[from].filter(Number.isInteger), nick);
    assert.deepEqual(heard, Array.from({ length: said }, (_, i) => i));
    counts.push(said);
  }
  return counts;
}

const eventsOf = (who, other) =>
  who.page.evaluate((nick) => window.t.events.filter((event) => event.endsWith(` ${nick}`)), other.nick);

/** Nothing but one `peer` and one `open` of each other, and the rooms are the ones that were entered. */
async function undisturbed(a, b) {
  for (const [one, other] of [[a, b], [b, a]]) {
    assert.deepEqual(await eventsOf(one, other), [`peer ${other.nick}`, `open ${other.nick}`]);
  }
}

/** Waits until so many members are in rooms at the relay; how long that took, in milliseconds. */
async function membersAt(relay, count, ms = DEADLINE) {
  const start = performance.now();
  for (;;) {
    const { members } = await (await fetch(`${relay.health}/statsz`)).json();
    const took = performance.now() - start;
    if (members === count) return took;
    if (took > ms) throw new Error(`${members} of ${count} members after ${ms} ms`);
    await delay(20);
  }
}

/** In the page: connections with peers (not those that have to do with relays) wait in `window.held` for a word. */
function holdNegotiation() {
  const waiting = [];
  window.held = [];
  window.letGo = () => waiting.splice(0).forEach((go) => go());
  const hold = async (step) => {
    if (!window.holding?.includes(step)) return;
    window.held.push(step);
    await new Promise((resolve) => waiting.push(resolve));
  };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    createDataChannel(label, ...rest) {
      this.toPeer ||= label === 'lumamesh';
      return super.createDataChannel(label, ...rest);
    }

    async createOffer() {
      if (this.toPeer) await hold('offer');
      return super.createOffer();
    }

    async createAnswer() {
      await hold('answer');
      return super.createAnswer();
    }
  };
}

describe('interrupted', { skip: withoutRelay, concurrency: WAITING + 1 }, () => {
  let stage;
  let chromium;
  let firefox;
  before(async () => {
    stage = await Stage.open('chromium', 'firefox');
    ({ chromium, firefox } = stage.browsers);
  });
  after(() => Promise.all([stage.close(), ...started.map((relay) => relay.kill())]));

  const started = []; // also those of a test that failed
  async function relayOfItsOwn() {
    const relay = await startRelay();
    started.push(relay);
    return relay;
  }

  test('the relay is killed for a minute: nothing on an open channel is lost, then the room resumes', async (t) => {
    const relay = await relayOfItsOwn();
    const relays = [relay.config];
    const a = await member(stage, chromium, { relays, nick: 'Ada' });
    const b = await member(stage, firefox, { relays, nick: 'Bob' });
    await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
    await Promise.all([a, b].map(chatter));
    await relay.kill();
    await delay(A_MINUTE);
    for (const { page } of [a, b]) assert.equal(await page.evaluate(() => window.t.net.status), 'reconnecting');
    await relay.start();
    const took = await membersAt(relay, 2, BACK_WITHIN);
    const counts = await heardAll(a, b);
    t.diagnostic(`back after ${(took / 1000).toFixed(1)} s; ${counts.join(' and ')} messages meanwhile`);
    const c = await member(stage, chromium, { relays, nick: 'Cid' });
    await Promise.all([happened(a.page, 'open Cid'), happened(b.page, 'open Cid'), happened(c.page, 'open Bob')]);
    await undisturbed(a, b);
  });

  /**
   * Ada's page stands still, and goes on: it is in the same room with Bob again, and has the same room object.
   * Whether its channel broke depends on how long that was; if so both hear of it, once.
   */
  async function sleeps(t, browser, { ms, sleep, wake }) {
    const relay = await relayOfItsOwn();
    const relays = [relay.config];
    const a = await member(stage, browser, { relays, nick: 'Ada' });
    const b = await member(stage, firefox, { relays, nick: 'Bob' });
    await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
    await a.page.evaluate(() => { window.was = window.t.room; });
    await sleep(a.page);
    await delay(ms);
    await wake(a.page);
    const woken = performance.now();
    const say = ({ page, nick }, text) => page.evaluate((what) => window.t.room.broadcast(what), `${text} ${nick}`);
    for (let tries = 0; ; tries += 1) {
      const texts = [a, b].map((one) => say(one, tries));
      await Promise.all(texts);
      const heard = ([who, from]) => who.page.evaluate(
        ([nick, text]) => window.t.data[nick].includes(text), [from.nick, `${tries} ${from.nick}`]);
      await delay(100);
      if ((await Promise.all([[a, b], [b, a]].map(heard))).every(Boolean)) break;
      assert.ok(performance.now() - woken < DEADLINE, 'they do not hear each other again');
    }
    const took = ((performance.now() - woken) / 1000).toFixed(1);
    const events = [await eventsOf(a, b), await eventsOf(b, a)];
    t.diagnostic(`heard ${took} s after waking; ${events.map((list) => list.join(', ')).join(' | ')}`);
    assert.ok(await a.page.evaluate(() => window.was === window.t.room && !window.was.left));
    await membersAt(relay, 2);
    return events;
  }

  test('a page is frozen: nothing has changed when it goes on', async (t) => {
    let session;
    const events = await sleeps(t, chromium, {
      ms: FREEZE,
      async sleep({ page }) {
        session = await page.context().newCDPSession(page);
        await session.send('Page.setWebLifecycleState', { state: 'frozen' });
      },
      wake: () => session.send('Page.setWebLifecycleState', { state: 'active' }),
    });
    assert.deepEqual(events, [['peer Bob', 'open Bob'], ['peer Ada', 'open Ada']]);
  });

  test('a machine sleeps for longer than anybody waits for it: its room resumes', async (t) => {
    const sleeper = await startChromium();
    try {
      const events = await sleeps(t, sleeper, { ms: SLEEP, sleep: sleeper.freeze, wake: sleeper.thaw });
      for (const [nick, list] of Object.entries({ Bob: events[0], Ada: events[1] })) {
        const whole = `peer ${nick}, open ${nick}`;
        const again = `${whole}, close ${nick}, leave ${nick}, ${whole}`;
        assert.ok([whole, again].includes(list.join(', ')), list.join(', '));
      }
    } finally {
      sleeper.thaw();
      await sleeper.close();
    }
  });

  const pairs = [
    ['Chromium to Firefox', () => [chromium, firefox], 1, 'offer', 'killed', (relay) => relay.kill()],
    ['Firefox to Chromium', () => [firefox, chromium], 0, 'answer', 'stopped', (relay) => relay.freeze()],
  ];
  for (const [who, browsers, holder, step, what, interrupt] of pairs) {
    test(`${who}: the relay is killed in the middle of a long transfer, which goes on to its end`, async (t) => {
      const relay = await relayOfItsOwn();
      const relays = [relay.config];
      const [first, second] = browsers();
      const a = await member(stage, first, { relays, nick: 'Ada' });
      const b = await member(stage, second, { relays, nick: 'Bob' });
      await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
      await Promise.all([a, b].map(chatter));
      await b.page.evaluate(() => {
        window.t.room.peers[0].on('progress', ({ received }) => { window.received = received; });
      });
      const digest = await a.page.evaluate(async (size) => {
        const bytes = new Uint32Array(size / 4).map((_, i) => Math.imul(i, 2654435761));
        window.t.room.peers[0].send(new Blob([bytes], { type: 'x/y' }));
        return String(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
      }, BLOB);
      await b.page.until((size) => window.received > size / 20, BLOB);
      const start = performance.now();
      await relay.kill();
      const arrived = await b.page.evaluate(() => window.received);
      assert.ok(arrived < BLOB, 'the transfer was over before the relay');
      await b.page.until(() => window.t.data.Ada.some((value) => value instanceof Blob), undefined, A_MINUTE);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      const theirs = await b.page.evaluate(async () => {
        const blob = window.t.data.Ada.find((value) => value instanceof Blob);
        return String(new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer())));
      });
      assert.equal(theirs, digest);
      const counts = await heardAll(a, b);
      t.diagnostic(
        `killed at ${arrived >> 20} of ${BLOB >> 20} MiB, whole ${seconds} s later; ${counts.join(' and ')} messages meanwhile`,
      );
      await undisturbed(a, b);
      await Promise.all([a.page.close(), b.page.close()]);
    });

    test(`${who}: the relay is killed before there is an ${step}: the room resumes`, async (t) => {
      const relay = await relayOfItsOwn();
      const relays = [relay.config];
      const [first, second] = browsers();
      const hold = (page) => page.evaluate((which) => { window.holding = which; }, step);
      const a = await member(stage, first, { relays, nick: 'Ada' }, holdNegotiation);
      const bPage = await second.open();
      await bPage.beforeLoad(holdNegotiation);
      await bPage.goto(`${stage.pages.url}/`);
      const b = { page: bPage, nick: 'Bob' };
      const held = [a, b][holder].page;
      await hold(held);
      await enter(bPage, { relays, room: 'interrupted', nick: 'Bob' });
      await held.until((which) => window.held.includes(which), step);
      await relay.kill();
      for (const { page } of [a, b]) {
        await page.evaluate(() => {
          window.was = window.t.room;
          window.holding = '';
          window.letGo();
        });
      }
      for (const { page } of [a, b]) await page.until(() => window.t.net.status === 'reconnecting');
      await relay.start();
      const start = performance.now();
      await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
      t.diagnostic(`open ${((performance.now() - start) / 1000).toFixed(1)} s after the relay was there again`);
      await Promise.all([a, b].map(chatter));
      await heardAll(a, b);
      const events = [await eventsOf(a, b), await eventsOf(b, a)];
      t.diagnostic(events.map((list) => list.join(', ')).join(' | '));
      // Who comes back first sees an empty room: a member without an open channel may be told of anew.
      for (const [i, nick] of ['Bob', 'Ada'].entries()) {
        const whole = `peer ${nick}, open ${nick}`;
        assert.ok([whole, `peer ${nick}, close ${nick}, leave ${nick}, ${whole}`].includes(events[i].join(', ')));
      }
      for (const { page } of [a, b]) assert.ok(await page.evaluate(() => window.was === window.t.room));
      await Promise.all([a.page.close(), b.page.close()]);
    });

    test(`${who}: of two relays the one in use is ${what}: both are at the other one within 5 s`, async (t) => {
      const times = [];
      do {
        times.push(await fallOver(browsers(), interrupt));
        t.diagnostic(`${(times.at(-1) / 1000).toFixed(1)} s until both were in their room at the other relay`);
      } while (times.at(-1) > FALLS_OVER_WITHIN && times.length < TRIES);
      assert.ok(times.at(-1) <= FALLS_OVER_WITHIN, `${times.join(', ')} ms`);
    });
  }

  /** How long two pages whose relay goes out of service need to be in their room at the other relay they know. */
  async function fallOver([first, second], interrupt) {
    const [used, spare] = await Promise.all([relayOfItsOwn(), relayOfItsOwn()]);
    const relays = [used.config, spare.config];
    const a = await member(stage, first, { relays, links: 1, nick: 'Ada' });
    const b = await member(stage, second, { relays, links: 1, nick: 'Bob' });
    await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
    await membersAt(used, 2);
    await Promise.all([a, b].map(chatter));
    await interrupt(used);
    const took = await membersAt(spare, 2);
    const c = await member(stage, first, { relays: [spare.config], nick: 'Cid' });
    await Promise.all([happened(a.page, 'open Cid'), happened(b.page, 'open Cid')]);
    await heardAll(a, b);
    await undisturbed(a, b);
    await Promise.all([a, b, c].map(({ page }) => page.close()));
    return took;
  }
});
