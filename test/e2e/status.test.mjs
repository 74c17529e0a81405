/** The relay's status page, in real browsers. LM_SCREENSHOTS names a directory for pictures of it. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';

import { enterDemo, lists, say } from './lib/demo.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';
import { Stage } from './lib/stage.mjs';
import { attribute } from './lib/stun.mjs';
import * as turn from './lib/turn_client.mjs';
import { credential } from './lib/turn_server.mjs';

const PICTURES = process.env.LM_SCREENSHOTS;

async function picture(page, name) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.page.screenshot({ path: join(PICTURES, `status-${name}.png`), fullPage: true });
}

const isReady = (page) => page.until(() => document.getElementById('status').dataset.state === 'ready');

/** Waits for a figure of a plot to be the text. */
const figure = (page, plot, index, text) =>
  page.until(
    ([id, i, expected]) => document.querySelectorAll(`#${id} .figure b`)[i].textContent === expected,
    [plot, index, text],
  );

const SECRET = 'a-secret-of-the-status-page';
const XOR_RELAYED_ADDRESS = 0x0016;
const CHANNEL = 0x4000;

/** Two clients of the TURN server, one of them over TCP: one sends to the other until close(). */
async function talkThroughTurn({ ip, port }) {
  const account = credential('status', { secret: SECRET });
  const open = (way) => turn.TurnClient.open(way, { ip, port }, account);
  const clients = await Promise.all([open('udp'), open('tcp')]);
  const peers = [];
  for (const client of clients) {
    const { error, answer } = await client.request(turn.ALLOCATE, [[turn.REQUESTED_TRANSPORT, turn.UDP]]);
    assert.equal(error, 0);
    peers.push({ address: ip, port: attribute(answer, XOR_RELAYED_ADDRESS).readUInt16BE(2) ^ 0x2112 });
  }
  const number = Buffer.from([CHANNEL >> 8, CHANNEL & 255, 0, 0]);
  for (const [i, client] of clients.entries()) {
    const bind = [
      [turn.CHANNEL_NUMBER, number],
      [turn.XOR_PEER_ADDRESS, peers[1 - i]],
    ];
    assert.equal((await client.request(turn.CHANNEL_BIND, bind)).error, 0);
  }
  const timer = setInterval(() => clients[0].channelData(CHANNEL, Buffer.alloc(1000)), 50);
  return {
    close() {
      clearInterval(timer);
      for (const client of clients) client.close();
    },
  };
}

describe('the status page', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  let visitors;
  let talk;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium', 'firefox'), startRelay({ TURN_SECRET: SECRET })]);
    const open = () => stage.browsers.chromium.open(`${relay.health}/demo#status`);
    visitors = await Promise.all([open(), open()]);
    await Promise.all(visitors.map((page, i) => enterDemo(page, { nick: `Ada ${i}` })));
    await lists(visitors[0], 'Ada 1');
    await say(visitors[0], 'hello');
    // Something to be dropped: a datagram of no protocol, and one of TURN.
    const socket = createSocket('udp4');
    for (const bytes of [[255], [255], [64, 0, 0, 0]])
      await new Promise((resolve) => {
        socket.send(Buffer.from(bytes), relay.config.port, relay.config.ip, resolve);
      });
    socket.close();
    talk = await talkThroughTurn(relay.config);
  });
  after(() => {
    talk?.close();
    return Promise.all([stage?.close(), relay?.stop()]);
  });

  for (const browser of ['chromium', 'firefox']) {
    test(`shows what goes on, in ${browser}`, async () => {
      const page = await stage.browsers[browser].open(`${relay.health}/`, { width: 1280, height: 900 });
      await isReady(page);
      await figure(page, 'sessions', 0, '2');
      await figure(page, 'rooms', 0, '1');
      await figure(page, 'rooms', 1, '2');
      await page.until(() =>
        /^[\d.]+ k?B\/s$/.test(document.querySelector('#traffic .figure b').textContent),
      );
      await page.until(() => document.querySelectorAll('#traffic .curve').length === 2);
      await figure(page, 'allocations', 0, '2');
      await figure(page, 'connections', 0, '1');
      await figure(page, 'connections', 1, '0');
      // Some 20 kB/s come from the one client, and go to the other.
      await page.until(() =>
        [...document.querySelectorAll('#relayed .figure b')].every(({ textContent }) =>
          /^[1-3]\d kB\/s$/.test(textContent),
        ),
      );
      assert.match(
        await page.evaluate(() => document.querySelector('#allocations svg').getAttribute('aria-label')),
        /^TURN allocations: 2 of at most 1,000$/,
      );
      await page.until(() => /^≤ \d+ m?s$/.test(document.querySelector('#connect .figure b').textContent));
      assert.ok(await page.evaluate(() => document.querySelectorAll('#connect rect[height]').length > 10));
      assert.match(
        await page.evaluate(() => document.querySelector('#rooms svg').getAttribute('aria-label')),
        /^Rooms and members: 1 room, 2 members$/,
      );

      const { ip, port, fingerprint, nk } = relay.config;
      await page.until(() => !document.getElementById('copy').disabled);
      const shown = await page.evaluate(() =>
        ['address', 'fingerprint', 'node'].map((id) => document.getElementById(id).textContent),
      );
      assert.deepEqual(shown, [`${ip}:${port} (UDP and TCP)`, fingerprint, nk]);
      assert.equal(await page.evaluate(() => document.getElementById('blob').value), relay.blob);

      const drops = await page.evaluate(() =>
        [...document.querySelectorAll('#drops tbody tr')].map((row) => [
          row.querySelector('small').textContent,
          row.lastChild.textContent,
        ]),
      );
      assert.deepEqual(
        drops.filter(([reason]) => /not_ours|turn/.test(reason)).sort(),
        [
          ['turn: no_allocation', '1'],
          ['turn: unauthenticated', '2'], // the first request of each client
          ['webrtc: not_ours', '2'],
        ],
      );
      assert.equal(await page.evaluate(() => document.getElementById('no-drops').hidden), true);
      await picture(page, `${browser}-wide`);
      assert.deepEqual(page.complaints, []);
      await page.close();
    });
  }

  test('is read by keyboard', async () => {
    const page = await stage.browsers.chromium.open(`${relay.health}/`);
    await isReady(page);
    await page.until(() => document.querySelectorAll('#sessions .curve').length === 1);
    await page.page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.parentElement.id), 'sessions');
    await wait(2500);
    await page.page.keyboard.press('ArrowLeft');
    assert.match(await page.evaluate(() => document.getElementById('sessions').textContent), /\d s ago$/);
    await page.page.keyboard.press('Escape');
    assert.match(await page.evaluate(() => document.getElementById('sessions').textContent), /now$/);
    for (let i = 0; i < 8; i += 1) await page.page.keyboard.press('Tab');
    await page.page.keyboard.press('Enter');
    await page.until(() => document.getElementById('copy').textContent === 'Copied');
    assert.deepEqual(page.complaints, []);
    await page.close();
  });

  test('fits a narrow and a dark screen', async () => {
    for (const [name, options] of Object.entries({
      'narrow-dark': { width: 380, height: 800, dark: true },
      'wide-dark': { width: 1280, height: 900, dark: true },
      middle: { width: 820, height: 1000 },
    })) {
      const page = await stage.browsers.chromium.open(`${relay.health}/`, options);
      await isReady(page);
      await page.until(() => document.querySelectorAll('#traffic .curve').length === 2);
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.equal(overflow, 0, name);
      if (PICTURES) await wait(15_000); // for the curves to be seen
      await picture(page, name);
      await page.close();
    }
  });

  test('says when the relay is gone, and when it is back', async () => {
    const page = await stage.browsers.chromium.open(`${relay.health}/`);
    await isReady(page);
    await relay.kill();
    await page.until(() => document.getElementById('status').dataset.state === 'lost');
    assert.equal(
      await page.evaluate(() => document.getElementById('status-text').textContent),
      'The relay does not answer',
    );
    await relay.start();
    await isReady(page);
    await page.close();
  });
});
