/**
 * The case that this system exists for: the library inlined in a sandboxed frame whose policy forbids every
 * fetch, socket, worker and external script, and that has no storage.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { buildAll } from '../../client/build.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';
import { Stage } from './lib/stage.mjs';

const FRAME = (library, relay, nick) => `<!doctype html>
<meta http-equiv="content-security-policy" content="default-src 'none'; script-src 'unsafe-inline'">
<script>${library}</script>
<script>
  const tell = (what) => parent.postMessage(what, '*');
  (async () => {
    let storage = 'there';
    try { localStorage.length; } catch { storage = 'none'; }
    let fetched = 'allowed';
    try { await fetch('/'); } catch { fetched = 'forbidden'; }
    tell(storage + ' ' + fetched);
    const net = await Lumamesh.connect({ relays: [${JSON.stringify(relay)}] });
    const room = await net.joinRoom('sandbox', { nick: ${JSON.stringify(nick)} });
    room.on('peer', (peer) => peer.on('open', () => peer.send('hello of ' + room.nick)));
    room.on('data', (value) => tell(value));
  })().catch((error) => tell('failed: ' + error.message));
</script>`;

describe('in a sandboxed frame', { skip: withoutRelay }, () => {
  const place = mkdtempSync(join(tmpdir(), 'lumamesh-'));
  let stage;
  let relay;
  let server;
  before(async () => {
    relay = await startRelay();
    stage = await Stage.open('chromium', 'firefox');
    const [, classic] = await buildAll(place);
    const library = readFileSync(classic, 'utf8').replaceAll('</script', '<\\/script');
    server = createServer(({ url }, response) => {
      const nick = /^\/frame\/(\w+)$/.exec(url)?.[1];
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(nick ? FRAME(library, relay.config, nick) : '<!doctype html><link rel="icon" href="data:,">');
    });
    await new Promise((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
  });
  after(async () => {
    await stage?.close();
    await relay?.stop();
    server?.close();
    rmSync(place, { recursive: true });
  });

  test('pages of two browsers meet and talk', async () => {
    const pages = {};
    for (const [nick, browser] of Object.entries({ Ada: 'chromium', Bob: 'firefox' })) {
      const page = await stage.browsers[browser].open(`http://127.0.0.1:${server.address().port}/`);
      pages[nick] = page;
      await page.evaluate(async (name) => {
        window.told = [];
        addEventListener('message', ({ data }) => window.told.push(data));
        const frame = document.createElement('iframe');
        frame.setAttribute('sandbox', 'allow-scripts');
        frame.srcdoc = await (await fetch(`/frame/${name}`)).text();
        document.body.append(frame);
      }, nick);
    }
    for (const [nick, other] of [['Ada', 'Bob'], ['Bob', 'Ada']]) {
      await pages[nick].until((text) => window.told.includes(text), `hello of ${other}`);
      const told = await pages[nick].evaluate(() => window.told);
      assert.equal(told[0], 'none forbidden');
      assert.deepEqual(told.filter((text) => text.startsWith('failed')), []);
    }
  });
});
