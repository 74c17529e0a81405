/**
 * Browsers that were connected to a relay which was restarted under them: each learns within 15 s that its
 * session is dead. Chromium believes the relay's answer to its checks; Firefox takes an error for silence,
 * which it bears for 30 s, so that there it is the library's ping that notices.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startRelay, withoutRelay } from './lib/relay.mjs';
import { Stage } from './lib/stage.mjs';

const NEVER = 3_600_000;
const TOLD_WITHIN = 15_000; // milliseconds

/** Connects a page to the relay and notes when it first hears that this session is over. */
async function connectPage(stage, browser, relay, timing) {
  const page = await stage.browsers[browser].open(`${stage.pages.url}/`);
  await page.evaluate(
    async ([config, given]) => {
      const { connect } = await import('/demo/lumamesh.js');
      window.net = await connect({ relays: [config], timing: given });
      window.net.on('status', (status) => {
        if (status !== 'open') window.toldAt ??= Date.now();
      });
    },
    [relay.config, timing],
  );
  return page;
}

describe('a session of a relay that was restarted', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium', 'firefox'), startRelay()]);
  });
  after(() => Promise.all([stage.close(), relay.stop()]));

  test('is known to be dead in both browsers within 15 s', async (t) => {
    const pages = {
      'Chromium, by the answer to its checks': await connectPage(stage, 'chromium', relay, { ping: NEVER }),
      'Chromium, with the ping': await connectPage(stage, 'chromium', relay),
      'Firefox, with the ping': await connectPage(stage, 'firefox', relay),
    };
    await relay.kill();
    await relay.start();
    const restarted = Date.now();
    for (const [who, page] of Object.entries(pages)) {
      await page.until(() => window.toldAt && window.net.status === 'open', undefined, TOLD_WITHIN + 5_000);
      const told = (await page.evaluate(() => window.toldAt)) - restarted;
      t.diagnostic(`${who}: told after ${(told / 1000).toFixed(1)} s`);
      assert.ok(told <= TOLD_WITHIN, `${who}: ${told} ms`);
    }
  });
});
