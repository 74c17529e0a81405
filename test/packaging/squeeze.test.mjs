/** What cmake/squeeze.awk leaves of the embedded scripts and style sheets means what they meant. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { transform } from 'esbuild';
import { minify } from 'terser';

const ROOT = new URL('../../', import.meta.url);
const squeeze = (path) => execFileSync('awk', ['-f', 'cmake/squeeze.awk', path], { cwd: fileURLToPath(ROOT), encoding: 'utf8' });
const lists = readFileSync(new URL('CMakeLists.txt', ROOT), 'utf8').matchAll(/list\(APPEND pages (.*?)\)/gs);
const files = [...lists].flatMap(([, list]) => list.split(/\s+/)).filter((path) => /\.(js|css)$/.test(path));

/** The same for texts that differ in space and comments alone. */
async function meaning(path, text) {
  if (path.endsWith('.css')) return (await transform(text, { loader: 'css', minify: true })).code;
  const format = { comments: false };
  return (await minify(text, { module: true, compress: false, mangle: false, format })).code;
}

describe('embedded files in small builds', () => {
  test('are the ones that CMakeLists.txt lists', () => assert.ok(files.length > 10 && files.includes('client/lumamesh.js')));
  for (const path of files) {
    test(path, async () => {
      const [whole, squeezed] = [readFileSync(new URL(path, ROOT), 'utf8'), squeeze(path)];
      assert.equal(await meaning(path, squeezed), await meaning(path, whole));
      assert.ok(squeezed.length < whole.length);
    });
  }
  test('a change of meaning is seen', async () => {
    assert.notEqual(await meaning('x.js', '`a\n  b`'), await meaning('x.js', '`a\nb`'));
  });
});
