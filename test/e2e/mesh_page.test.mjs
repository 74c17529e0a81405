/** What the status page shows of a mesh. LM_SCREENSHOTS names a directory for pictures of it. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { freePort, primaryAddress, startRelay, withoutRelay } from './lib/relay.mjs';
import { Stage } from './lib/stage.mjs';

const PICTURES = process.env.LM_SCREENSHOTS;

async function picture(page, name) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.page.screenshot({ path: join(PICTURES, `mesh-${name}.png`), fullPage: true });
}

const isReady = (page) => page.until(() => document.getElementById('status').dataset.state === 'ready');

describe('the status page of a mesh', { skip: withoutRelay }, () => {
  let stage;
  let alone;
  let relays;
  let ports;
  before(async () => {
    const ip = primaryAddress();
    ports = [await freePort(), await freePort(), await freePort()];
    const peers = ports.map((port) => `${ip}:${port}`).join(',');
    const settings = { MESH_SALT: 'a salt of the tests', MESH_PEERS: peers };
    [stage, alone, ...relays] = await Promise.all([
      Stage.open('chromium', 'firefox'),
      startRelay(),
      ...ports.map((port) => startRelay({ ...settings, MESH_LISTEN: `${ip}:${port}` })),
    ]);
    // One session each: with two, a member would be here and elsewhere.
    const members = relays.slice(0, 2).map((relay, i) =>
      stage.member('chromium', { relays: [relay.config], room: 'mesh page', nick: `Ada ${i}`, links: 1 }),
    );
    await Promise.all(members);
  });
  after(() => Promise.all([stage?.close(), alone?.stop(), ...(relays ?? []).map((relay) => relay.stop())]));

  for (const browser of ['chromium', 'firefox']) {
    test(`draws nodes and links, in ${browser}`, async () => {
      const page = await stage.browsers[browser].open(`${relays[0].health}/`, { width: 1280, height: 1000 });
      await page.until(() => document.querySelectorAll('.mesh-link').length === 2);
      await page.until(
        () =>
          document.getElementById('mesh-figures').textContent ===
          '3 nodes, 2 links and 1 between others, 1 member elsewhere in 1 room',
      );
      const shown = await page.evaluate(() => ({
        self: document.querySelector('.mesh-self title').textContent,
        linked: [...document.querySelectorAll('.mesh-linked title')].map((title) => title.textContent),
        between: [...document.querySelectorAll('.mesh-between title')].map((title) => title.textContent),
        names: [...document.querySelectorAll('#mesh-graph text')].map((text) => text.textContent),
        rows: [...document.querySelectorAll('#mesh-links tbody .code')].map((cell) => cell.textContent),
        salt: document.getElementById('mesh-salt').hidden,
        label: document.getElementById('mesh-graph').getAttribute('aria-label'),
      }));
      const [own, ...others] = relays.map(({ config }) => config.nk);
      assert.equal(shown.self, `${own}: this node`);
      assert.deepEqual(shown.rows, others.sort());
      assert.equal(shown.between.length, 1);
      for (const nk of others) assert.ok(shown.between[0].includes(nk.slice(0, 6)), shown.between[0]);
      assert.equal(shown.linked.length, 2);
      assert.ok(shown.linked.some((title) => title.endsWith('linked, 1 member in rooms that are here, too')));
      assert.deepEqual(shown.names.sort(), [...others.map((nk) => nk.slice(0, 6)), 'this node'].sort());
      assert.equal(shown.salt, true, 'no warning');
      assert.equal(
        shown.label,
        'Mesh: 3 nodes, 2 links and 1 between others, 1 member elsewhere in 1 room; 2 nodes spoken with',
      );
      await page.until(() =>
        [...document.querySelectorAll('#mesh-links td')].some((cell) => /^\d+ ms$/.test(cell.textContent)),
      );
      await picture(page, `${browser}-light`);
      assert.deepEqual(page.complaints, []);
      await page.close();
    });
  }

  test('fits narrow and dark screens', async () => {
    for (const [name, options] of Object.entries({
      'narrow-dark': { width: 380, height: 800, dark: true },
      'wide-dark': { width: 1280, height: 1000, dark: true },
      middle: { width: 820, height: 1000 },
    })) {
      const page = await stage.browsers.chromium.open(`${relays[0].health}/`, options);
      await page.until(() => document.querySelectorAll('.mesh-link').length === 2);
      const { overflow, colours } = await page.evaluate(() => ({
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        colours: ['.mesh-link', '.mesh-self'].map((one) => {
          const { stroke, fill } = getComputedStyle(document.querySelector(one));
          return [stroke, fill];
        }),
      }));
      assert.equal(overflow, 0, name);
      const accent = options.dark ? 'rgb(165, 162, 255)' : 'rgb(67, 56, 202)';
      assert.equal(colours[0][0], accent);
      assert.equal(colours[1][1], accent);
      await picture(page, name);
      await page.close();
    }
  });

  test('warns of another salt', async () => {
    const { print, ...stranger } = await startRelay({
      MESH_SALT: 'another salt, by mistake',
      MESH_PEERS: `${primaryAddress()}:${ports[0]}`,
    });
    const page = await stage.browsers.chromium.open(`${relays[0].health}/`);
    await page.until(() => !document.getElementById('mesh-salt').hidden);
    assert.match(
      await page.evaluate(() => document.getElementById('mesh-salt').textContent),
      /^\d+ links? found no common key: does MESH_SALT differ somewhere\?$/,
    );
    await page.close();
    await stranger.stop();
  });

  test('a relay alone shows none', async () => {
    const page = await stage.browsers.chromium.open(`${alone.health}/`);
    await isReady(page);
    assert.equal(await page.evaluate(() => document.getElementById('mesh').hidden), true);
    await page.close();
  });
});
