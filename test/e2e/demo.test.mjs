/** The demo page as the relay serves it, and as one file. LM_SCREENSHOTS names a directory for pictures of it. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { buildDemo } from '../../client/build.mjs';
import { temporary } from './lib/cleanup.mjs';
import { drop, enterDemo, fileIs, lists, point, press, reads, say } from './lib/demo.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';
import { Stage } from './lib/stage.mjs';

const PICTURES = process.env.LM_SCREENSHOTS;

async function picture(page, name) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot(join(PICTURES, `demo-${name}.png`));
}

const open = async (browser, url, { script, ...options } = {}) => {
  const page = await browser.open(undefined, options);
  if (script) await page.beforeLoad(script);
  await page.goto(url);
  return page;
};

/** Keeps what object URLs were made of, and which of them are still good. */
const KEEP_BLOBS = `{
  const { createObjectURL, revokeObjectURL } = URL;
  globalThis.kept = new Map();
  URL.createObjectURL = (blob) => {
    const url = createObjectURL.call(URL, blob);
    kept.set(url, blob);
    return url;
  };
  URL.revokeObjectURL = (url) => {
    kept.delete(url);
    revokeObjectURL.call(URL, url);
  };
}`;

/** Lets connections with peers, which have ICE servers, use nothing but a TURN relay. */
const RELAYED = `{
  const Original = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Original {
    constructor(config) {
      super(config?.iceServers ? { ...config, iceTransportPolicy: 'relay' } : config);
    }
  };
}`;

/** Firefox draws no frames of a page that is behind another one. */
const front = (page) => page.page.bringToFront();

const show = (page, part) =>
  page.evaluate((which) => document.querySelector(`[data-show="${which}"]`).click(), part);

const logs = (page, text) =>
  page.until(
    (what) => [...document.querySelectorAll('.note')].some((line) => line.textContent.startsWith(what)),
    text,
  );

/** How many edges of the graph there are of each kind. */
const hasEdges = (page, edges) =>
  page.until((expected) => {
    const kinds = ['direct.ours', 'relayed.ours', 'direct.theirs', 'relayed.theirs'];
    const found = kinds.map((kind) => document.querySelectorAll(`#graph .edge.${kind}`).length);
    return found.join() === expected.join();
  }, edges);

/** Writes down every percentage that a page shows of its files, in `window.percents`. */
const watchPercents = (page) =>
  page.evaluate(() => {
    window.percents = new Set();
    new MutationObserver(() => {
      for (const state of document.querySelectorAll('.file .state')) {
        const [, percent] = /: (\d+) %/.exec(state.textContent) ?? [];
        if (percent) window.percents.add(Number(percent));
      }
    }).observe(document.getElementById('files'), { childList: true, subtree: true, characterData: true });
  });

const sawPercents = (page) => page.evaluate(() => [...window.percents].some((n) => n > 0 && n < 100));

/** Waits for the row of a file to say how much of it has gone or come, and to show it. */
const isOnItsWay = (page, name) =>
  page.until((what) => {
    const row = [...document.querySelectorAll('.file')].find(
      (each) => each.querySelector('.file-name').textContent === what,
    );
    const { hidden, value, max } = row.querySelector('progress');
    return /: \d+ %/.test(row.textContent) && !hidden && value > 0 && value < max;
  }, name);

async function isNarrowEnough(page) {
  for (const part of ['chat', 'board', 'people', 'files']) {
    await show(page, part);
    const overflow = await page.evaluate(() => {
      const outside = [...document.querySelectorAll('body *')].filter((node) => {
        const { right, width } = node.getBoundingClientRect();
        return width > 0 && right > innerWidth + 0.5 && !node.closest('#board, svg');
      });
      return [document.documentElement.scrollWidth - innerWidth, ...outside.map(({ outerHTML }) => outerHTML)];
    });
    assert.deepEqual(overflow, [0], part);
  }
}

const HOSTILE = 'Bob <b>&amp;</b>\u202e';
const SHOWN = 'Bob <b>&amp;</b>';

describe('the demo page', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium', 'firefox'), startRelay()]);
  });
  after(() => Promise.all([stage.close(), relay.stop()]));

  for (const browser of ['chromium', 'firefox']) {
    test(`two visitors in ${browser}`, async () => {
      const a = await open(stage.browsers[browser], `${relay.health}/demo`, { width: 1440, height: 900 });
      await picture(a, `${browser}-entry`);
      await enterDemo(a, { nick: 'Ada', room: `${browser} & <friends>` });
      await picture(a, `${browser}-alone`);
      const link = await a.evaluate(() => document.getElementById('link').value);
      assert.equal(link, `${relay.health}/demo#${encodeURIComponent(`${browser} & <friends>`)}`);
      const narrow = { width: 380, height: 720, dark: true, script: KEEP_BLOBS };
      const b = await open(stage.browsers[browser], link, narrow);
      await picture(b, `${browser}-entry-narrow`);
      await enterDemo(b, { nick: HOSTILE });
      await Promise.all([lists(a, SHOWN), lists(b, 'Ada'), hasEdges(a, [1, 0, 0, 0]), hasEdges(b, [1, 0, 0, 0])]);
      await a.until(() => document.querySelector('#relays .path').textContent === 'connected');

      // What is said.
      await say(a, 'Hello <i>Bob</i> & all');
      await reads(b, 'Hello <i>Bob</i> & all');
      await say(b, 'Hello Ada');
      await reads(a, 'Hello Ada');
      await logs(a, `${SHOWN} is here.`);
      await picture(b, `${browser}-narrow-chat`);

      // Pointers: within a second at the place on a board of another size.
      await show(b, 'board');
      await front(a);
      for (const x of [0.2, 0.4, 0.6]) await point(a, x, 0.5);
      await a.evaluate(() => new Promise(requestAnimationFrame));
      await front(b);
      await b.until(
        () => {
          const cursor = document.querySelector('.cursor:not(.away)');
          if (cursor?.textContent !== 'Ada') return false;
          const board = document.getElementById('board').getBoundingClientRect();
          const { left, top } = cursor.getBoundingClientRect();
          const [x, y] = [(left - board.left) / board.width, (top - board.top) / board.height];
          return Math.abs(x - 0.6) < 0.02 && Math.abs(y - 0.5) < 0.02;
        },
        undefined,
        1000,
      );
      await point(b, 0.3, 0.3, 'touch');
      await front(a);
      await a.until((name) => document.querySelector('.cursor:not(.away)')?.textContent === name, SHOWN, 1000);
      assert.equal(await b.evaluate(() => document.querySelectorAll('.cursor.own').length), 1);
      await picture(b, `${browser}-narrow-board`);

      // A file, with a name that means harm.
      await front(b);
      await watchPercents(b);
      await drop(a, [{ name: '../<img src=x>\u202egnp.exe', size: 5_000_000, seed: 7 }]);
      const name = '_img src=x_ gnp.exe';
      await fileIs(b, `_${name}`, 'offered');
      await picture(b, `${browser}-narrow-people`);
      await press(b, `_${name}`, 'Download');
      await fileIs(b, `_${name}`, 'here');
      await fileIs(a, `_${name}`, 'settled');
      assert.ok(await sawPercents(b), 'progress is seen');
      const got = await b.evaluate(async () => {
        const { href, download } = document.querySelector('.file a');
        const blob = window.kept.get(href);
        const bytes = new Uint8Array(await blob.arrayBuffer());
        const wrong = bytes.findIndex((byte, i) => byte !== ((i * 7 + (i >>> 8)) & 255));
        return { download, type: blob.type, size: blob.size, wrong };
      });
      assert.deepEqual(got, {
        download: `_${name}`,
        type: 'application/octet-stream',
        size: 5_000_000,
        wrong: -1,
      });
      if (browser === 'chromium') {
        await show(b, 'files');
        const [download] = await Promise.all([b.page.waitForEvent('download'), b.page.click('.file a')]);
        assert.equal(download.suggestedFilename(), `_${name}`);
        const saved = join(mkdtempSync(join(temporary, 'saved-')), 'file');
        await download.saveAs(saved);
        assert.equal(readFileSync(saved).length, 5_000_000);
      }
      await press(b, `_${name}`, 'Remove');
      assert.equal(await b.evaluate(() => window.kept.size), 0, 'the URL is revoked');

      // Both ways to end one, and one that is not wanted.
      await drop(a, [
        { name: 'large.bin', size: 60_000_000 },
        { name: 'taken back.bin', size: 1000 },
        { name: 'unwanted.bin', size: 1000 },
      ]);
      await Promise.all(
        ['large.bin', 'taken back.bin', 'unwanted.bin'].map((each) => fileIs(b, each, 'offered')),
      );
      await press(b, 'unwanted.bin', 'No, thanks');
      await press(a, 'taken back.bin', 'Cancel');
      await front(a);
      await press(b, 'large.bin', 'Download');
      await isOnItsWay(a, 'large.bin');
      await picture(a, `${browser}-wide`);
      await show(b, 'files');
      await front(b);
      await isOnItsWay(b, 'large.bin');
      await picture(b, `${browser}-narrow-files`);
      await press(b, 'large.bin', 'Cancel');
      await fileIs(b, 'taken back.bin', 'withdrawn');
      await Promise.all(['large.bin', 'unwanted.bin'].map((each) => fileIs(a, each, 'settled')));
      assert.equal(await b.evaluate(() => document.querySelectorAll('.file a').length), 0);

      // Everything of strangers is text.
      for (const page of [a, b]) {
        const strange = '#log i, #log img, #files img, #peers b, #peers i, .cursor b, #graph b';
        assert.equal(await page.evaluate((what) => document.querySelectorAll(what).length, strange), 0);
      }
      await isNarrowEnough(b);
      await show(b, 'people');
      await picture(b, `${browser}-narrow-people`);

      await b.close();
      await a.until(() => document.querySelectorAll('#peers li').length === 1, undefined, 60_000);
      await logs(a, `${SHOWN} has left.`);
      assert.deepEqual([a.complaints, b.complaints], [[], []]);
      await a.close();
    });
  }

  test('a graph of three, one of them behind a relay, and a secret in the link', async () => {
    const { chromium, firefox } = stage.browsers;
    const outsider = await open(chromium, `${relay.health}/demo#three&relay=lm1.cut`);
    await enterDemo(outsider, { nick: 'Cid' });
    const a = await open(chromium, `${relay.health}/demo#three`);
    await a.evaluate(() => document.getElementById('make-secret').click());
    await enterDemo(a, { nick: 'Ada' });
    const link = await a.evaluate(() => document.getElementById('link').value);
    assert.match(link, /#three&secret=[a-z0-9]{20}$/);
    const b = await open(firefox, link, { width: 900, height: 700 });
    const c = await open(chromium, link, { script: RELAYED, dark: true });
    await Promise.all([enterDemo(b, { nick: 'Bob' }), enterDemo(c, { nick: 'Dora' })]);
    await Promise.all([lists(a, 'Bob'), lists(a, 'Dora', 'relayed'), lists(c, 'Bob', 'relayed')]);
    // Each sees its own links, and those between the others as these tell of them.
    await Promise.all([hasEdges(a, [1, 1, 0, 1]), hasEdges(b, [1, 1, 0, 1]), hasEdges(c, [0, 2, 1, 0])]);
    const told = await a.evaluate(() => ({
      label: document.getElementById('graph').getAttribute('aria-label'),
      others: [...document.querySelectorAll('#peers .others')].map((node) => node.textContent),
    }));
    assert.match(
      told.label,
      /^The room: 3 people; your links: 1 direct, 1 relayed; 1 link between others; relay [\d.:]+ connected/,
    );
    assert.deepEqual(told.others, ['', 'linked with Dora (relayed)', 'linked with Bob (relayed)']);
    assert.equal(await outsider.evaluate(() => document.querySelectorAll('#peers li').length), 1);
    for (const page of [a, b, c]) await point(page, 0.5, 0.5);
    await picture(a, 'three');
    await picture(b, 'three-firefox');
    await picture(c, 'three-dark');
    assert.deepEqual([a, b, c].map(({ complaints }) => complaints), [[], [], []]);
    await Promise.all([a, b, c, outsider].map((page) => page.close()));
  });

  test('goes on without the relay, and says so', async () => {
    const a = await open(stage.browsers.chromium, `${relay.health}/demo#alone`);
    const b = await open(stage.browsers.firefox, `${relay.health}/demo#alone`);
    await Promise.all([enterDemo(a, { nick: 'Ada' }), enterDemo(b, { nick: 'Bob' })]);
    await Promise.all([lists(a, 'Bob'), lists(b, 'Ada')]);
    await relay.kill();
    const state = (how) => (page) =>
      page.until((expected) => document.getElementById('status').dataset.state === expected, how);
    await Promise.all([a, b].map(state('reconnecting')));
    await a.until(() => document.querySelector('#graph .relay').dataset.state === 'reconnecting');
    await picture(a, 'reconnecting');
    await say(a, 'Still here?');
    await reads(b, 'Still here?');
    await relay.start();
    await Promise.all([a, b].map(state('open')));
    await Promise.all([a, b].map((page) => page.close()));
  });

  test('is one file, too, opened without a server', async () => {
    const place = mkdtempSync(join(temporary, 'demo-'));
    const [known, unknown] = await Promise.all([
      buildDemo(join(place, 'known'), [relay.blob]),
      buildDemo(join(place, 'unknown')),
    ]);
    assert.doesNotMatch(readFileSync(unknown, 'utf8'), /(src|href)="(?!data:)|unsafe|lm1\.ey/);
    const a = await open(stage.browsers.chromium, `${pathToFileURL(known)}#file`);
    const b = await open(stage.browsers.chromium, `${pathToFileURL(unknown)}#file`);
    await b.until(() => document.getElementById('status').dataset.state === 'none');
    await picture(b, 'file-without-relay');
    await b.evaluate((blob) => {
      const field = document.getElementById('relay');
      field.value = 'lm1.nonsense';
      field.dispatchEvent(new Event('change'));
      window.problem = document.getElementById('problem').textContent;
      field.value = blob;
      field.dispatchEvent(new Event('change'));
    }, relay.blob);
    assert.match(await b.evaluate(() => window.problem), /no relay’s config/);
    await Promise.all([enterDemo(a, { nick: 'Ada' }), enterDemo(b, { nick: 'Bob' })]);
    const link = await b.evaluate(() => document.getElementById('link').value);
    assert.equal(link, `${pathToFileURL(unknown)}#file&relay=${relay.blob}`);
    const c = await open(stage.browsers.firefox, link);
    await enterDemo(c, { nick: 'Cid' });
    await Promise.all([lists(a, 'Bob'), lists(b, 'Cid'), lists(c, 'Ada')]);
    await say(c, 'Hello');
    await Promise.all([reads(a, 'Hello'), reads(b, 'Hello')]);

    // In a frame that may do nothing but run scripts: no storage, no forms, no address of its own.
    const d = await stage.browsers.chromium.open(undefined, { width: 1280, height: 800 });
    await d.page.route('http://localhost/', (route) =>
      route.fulfill({ contentType: 'text/html', body: '<!doctype html><link rel="icon" href="data:,">' }),
    );
    await d.goto('http://localhost/');
    await d.evaluate((page) => {
      const frame = Object.assign(document.createElement('iframe'), { srcdoc: page, width: 1200, height: 700 });
      frame.sandbox = 'allow-scripts';
      document.body.append(frame);
    }, readFileSync(known, 'utf8'));
    const frame = await d.page.waitForSelector('iframe').then((node) => node.contentFrame());
    await frame.fill('#nick', 'Dora');
    await frame.fill('#room', 'file');
    await frame.click('#join:not(:disabled)');
    await lists(a, 'Dora');
    await frame.fill('#text', 'From a frame');
    await frame.press('#text', 'Enter');
    await reads(a, 'From a frame');
    await frame.focus('#board');
    await frame.press('#board', 'ArrowRight');
    await a.until(() => document.querySelector('.cursor:not(.away)')?.textContent === 'Dora');
    await picture(d, 'frame');
    assert.deepEqual(d.complaints, []);
    await d.close();
    assert.deepEqual([a, b, c].map(({ complaints }) => complaints), [[], [], []]);
    await Promise.all([a, b, c].map((page) => page.close()));
  });
});
