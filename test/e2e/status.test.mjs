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

describe('the status page', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  let visitors;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium', 'firefox'), startRelay()]);
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
  });
  after(() => Promise.all([stage?.close(), relay?.stop()]));

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
      assert.deepEqual(shown, [`${ip}:${port} (UDP)`, fingerprint, nk]);
      assert.equal(await page.evaluate(() => document.getElementById('blob').value), relay.blob);

      const drops = await page.evaluate(() =>
        [...document.querySelectorAll('#drops tbody tr')].map((row) => [
          row.querySelector('small').textContent,
          row.lastChild.textContent,
        ]),
      );
      assert.deepEqual(
        drops.filter(([reason]) => /not_ours|turn/.test(reason)),
        [
          ['webrtc: not_ours', '2'],
          ['turn: no_allocation', '1'],
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
    for (let i = 0; i < 5; i += 1) await page.page.keyboard.press('Tab');
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
