/**
 * Sessions over ICE-TCP (RFC 6544), as browsers have them whose network lets no UDP through: the pages are
 * told a UDP port on which nobody answers.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';

import { startRelay, withoutRelay } from './lib/relay.mjs';
import { enter, exchange, happened } from './lib/rooms.mjs';
import { Stage } from './lib/stage.mjs';

describe('ICE-TCP', { skip: withoutRelay }, () => {
  let stage;
  let relay;
  let deaf; // a UDP port that takes everything and says nothing
  let config;
  before(async () => {
    [stage, relay] = await Promise.all([Stage.open('chromium', 'firefox'), startRelay()]);
    deaf = createSocket('udp4').bind(0, relay.config.ip);
    await once(deaf, 'listening');
    config = { ...relay.config, port: deaf.address().port };
  });
  after(() => {
    deaf?.close();
    return Promise.all([stage.close(), relay.stop()]);
  });

  for (const browser of ['chromium', 'firefox']) {
    test(`${browser}: a session opens, pings and closes`, async () => {
      const page = await stage.browsers[browser].open(`${stage.pages.url}/`);
      const seen = await page.evaluate(async (only) => {
        const { connect } = await import('/demo/lumamesh.js');
        const connections = [];
        class Watched extends RTCPeerConnection {
          constructor(...options) {
            super(...options);
            connections.push(this);
          }
        }
        const start = performance.now();
        const net = await connect({ relays: [only], RTCPeerConnection: Watched });
        const ms = performance.now() - start;
        const stats = [...(await connections[0].getStats()).values()];
        const pairs = stats.filter(({ type }) => type === 'candidate-pair');
        const chosen = stats.find(({ type }) => type === 'transport')?.selectedCandidatePairId;
        const pair = pairs.find(({ id, selected }) => id === chosen || selected);
        const remote = stats.find(({ id }) => id === pair?.remoteCandidateId);
        const local = stats.find(({ id }) => id === pair?.localCandidateId);
        net.close();
        return { ms, remote, local };
      }, config);
      assert.equal(seen.remote.port, config.tcp);
      assert.equal(seen.remote.protocol, 'tcp');
      assert.equal(seen.local.protocol, 'tcp');
      console.log(`${browser}: open after ${seen.ms.toFixed(0)} ms`);
      await page.close();
    });
  }

  test('Chromium over TCP and Firefox over UDP find each other', async () => {
    const [a, b] = await Promise.all(
      [
        ['chromium', 'Ada', config],
        ['firefox', 'Bob', relay.config],
      ].map(async ([browser, nick, only]) => {
        const page = await stage.browsers[browser].open(`${stage.pages.url}/`);
        await enter(page, { relays: [only], room: 'tcp', nick });
        return { page, nick };
      }),
    );
    await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
    await exchange(a, b, 20, 'over tcp');
    await Promise.all([a.page.close(), b.page.close()]);
  });

  test('a session whose stream breaks comes back', async () => {
    const page = await stage.browsers.chromium.open(`${stage.pages.url}/`);
    await enter(page, { relays: [config], room: 'tcp again', nick: 'Eve' });
    await relay.kill();
    await relay.start();
    await page.until(() => window.t.net.stats.reconnects > 0);
    await page.close();
  });
});
