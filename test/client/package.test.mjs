/** What is published: its size, its two builds, its types, its package.json. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';

import { publint } from 'publint';

import { buildAll } from '../../client/build.mjs';
import * as source from '../../client/lumamesh.js';
import { FakeWorld, until } from './fake_relay.mjs';

const CLIENT = fileURLToPath(new URL('../../client/', import.meta.url));
const HERE = fileURLToPath(new URL('.', import.meta.url));
const MAX_GZIP = 12 * 1024;

describe('the package', () => {
  const place = mkdtempSync(join(tmpdir(), 'lumamesh-'));
  const dist = join(place, 'dist');
  let esm;
  let classic;
  before(async () => {
    cpSync(CLIENT, place, { recursive: true, filter: (path) => !path.endsWith('dist') });
    [esm, classic] = await buildAll(dist);
  });
  after(() => rmSync(place, { recursive: true }));

  test('is small', (t) => {
    const { length } = gzipSync(readFileSync(esm), { level: 9 });
    t.diagnostic(`${length} bytes after gzip, of ${MAX_GZIP}`);
    assert.ok(length <= MAX_GZIP, `${length} bytes`);
  });

  /** A whole meeting with a built library, whose inner names are others than the source's. */
  async function meeting({ connect }) {
    const world = new FakeWorld();
    const relay = world.relay();
    const { RTCPeerConnection } = world;
    const nets = [];
    const rooms = [];
    for (const nick of ['Ada', 'Bob']) {
      const net = await connect({ relays: [relay.config], RTCPeerConnection, dns: null, storage: null });
      nets.push(net);
      rooms.push(await net.joinRoom('room', { nick }));
    }
    const [ada, bob] = rooms;
    ada.onrequest = (value) => value + 1;
    let received;
    ada.on('data', (value) => { received = value; });
    await until(() => bob.peers[0]?.state === 'open');
    const [peer] = bob.peers;
    assert.equal(peer.nick, 'Ada');
    assert.equal(await peer.request(1), 2);
    assert.equal(await peer.send(new Float32Array(50_000).fill(7)), true);
    await until(() => received);
    assert.deepEqual(received, new Float32Array(50_000).fill(7));
    for (const net of nets) net.close();
    await assert.rejects(connect({ relays: ['lm1.x'], RTCPeerConnection }), { code: 'bad-config' });
  }

  test('as an ES module has all that the source has, and works', async () => {
    const built = await import(pathToFileURL(esm));
    assert.deepEqual(Object.keys(built).sort(), Object.keys(source).sort());
    await meeting(built);
  });

  test('as a classic script makes one global, and works', async () => {
    const before = Object.keys(globalThis);
    vm.runInThisContext(`${readFileSync(classic, 'utf8')}`);
    assert.deepEqual(Object.keys(globalThis).filter((name) => !before.includes(name)), ['Lumamesh']);
    assert.deepEqual(Object.keys(globalThis.Lumamesh).sort(), Object.keys(source).sort());
    await meeting(globalThis.Lumamesh);
  });

  test('has types that the compiler takes, and that find mistakes', () => {
    const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', ''];
    try {
      execFileSync(process.execPath, [tsc, ...options, '--lib', 'es2022,dom', join(HERE, 'types.sample.ts')]);
    } catch ({ stdout }) {
      assert.fail(String(stdout));
    }
  });

  test('declares exactly what the source exports', () => {
    const types = readFileSync(join(CLIENT, 'lumamesh.d.ts'), 'utf8');
    const declared = [...types.matchAll(/^export (?:function|class) (\w+)/gm)].map(([, name]) => name);
    assert.deepEqual(declared.sort(), Object.keys(source).sort());
  });

  test('has a package.json that publint has nothing against', async () => {
    const { messages } = await publint({ pkgDir: place, strict: true, pack: false });
    assert.deepEqual(messages, []);
    const { exports, sideEffects } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'));
    assert.equal(Object.keys(exports['.'])[0], 'types');
    assert.equal(sideEffects, false);
  });
});
