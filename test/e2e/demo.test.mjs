/** The demo page as the relay serves it. LM_SCREENSHOTS names a directory for pictures of it. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { enterDemo, lists, reads, say } from './lib/demo.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';
import { Stage } from './lib/stage.mjs';

const PICTURES = process.env.LM_SCREENSHOTS;

async function picture(page, name) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot(join(PICTURES, `${name}.png`));
}

describe('the demo page', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium', 'firefox'), startRelay()]);
  });
  after(() => Promise.all([stage.close(), relay.stop()]));

  for (const browser of ['chromium', 'firefox']) {
    test(`two visitors in ${browser}`, async () => {
      const a = await stage.browsers[browser].open(`${relay.health}/demo`);
      await picture(a, `${browser}-entry`);
      await enterDemo(a, { nick: 'Ada', room: `${browser} & <friends>` });
      const link = await a.evaluate(() => document.getElementById('link').value);
      assert.equal(link, `${relay.health}/demo#${encodeURIComponent(`${browser} & <friends>`)}`);

      const b = await stage.browsers[browser].open(link, { width: 380, height: 720, dark: true });
      await enterDemo(b, { nick: 'Bob <b>' });
      await Promise.all([lists(a, 'Bob <b>'), lists(b, 'Ada')]);
      await say(a, 'Hello <i>Bob</i> & all');
      await reads(b, 'Hello <i>Bob</i> & all');
      await say(b, 'Hello Ada');
      await reads(a, 'Hello Ada');
      await picture(a, `${browser}-wide`);
      await picture(b, `${browser}-narrow-dark`);
      assert.equal(await b.evaluate(() => document.querySelectorAll('#log i, #log b:not(.who b)').length), 0);

      await b.close();
      await a.until(() => document.querySelectorAll('#peers li').length === 1, undefined, 60_000);
      assert.deepEqual(a.complaints, []);
      await a.close();
    });
  }

  test('a secret keeps others out', async () => {
    const open = () => stage.browsers.chromium.open(`${relay.health}/demo#secret`);
    const [a, b, c] = await Promise.all([open(), open(), open()]);
    await enterDemo(c, { nick: 'Cid' });
    await enterDemo(a, { nick: 'Ada', secret: 'x' });
    await enterDemo(b, { nick: 'Bob', secret: 'x' });
    await Promise.all([lists(a, 'Bob'), lists(b, 'Ada')]);
    assert.equal(await c.evaluate(() => document.querySelectorAll('#peers li').length), 1);
    await Promise.all([a, b, c].map((page) => page.close()));
  });
});
