/**
 * Builds client/dist/ from lumamesh.js: an ES module and a classic script that makes the global `Lumamesh`.
 * Needs esbuild, which is among the tests' tools: `npm ci` in test/, then `node client/build.mjs [directory]`.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const here = new URL('.', import.meta.url);
const { build } = createRequire(new URL('../test/package.json', here))('esbuild');

/** Members for the file alone, as its first comment says, and those of its inner objects: they get short names. */
const INNER = `_.*|timing|stagger|retry|retryMax|spareMax|stable|rejoin|attempt|attemptMax|restart|probe|choose
|unlink|frames|weight|begun|sent|fails|serves|loose|parts|got|before|top|numbers|held`.replaceAll('\n', '');

/**
 * @param {string} outdir
 * @returns {Promise<string[]>} the paths of what was written
 */
export async function buildAll(outdir = fileURLToPath(new URL('dist/', here))) {
  const options = {
    entryPoints: [fileURLToPath(new URL('lumamesh.js', here))],
    bundle: true,
    minify: true,
    target: 'es2022',
    legalComments: 'none',
    mangleProps: new RegExp(`^(${INNER})$`),
    banner: { js: '/* lumamesh (MIT) */' },
  };
  const esm = `${outdir}/lumamesh.min.js`;
  const classic = `${outdir}/lumamesh.classic.js`;
  await build({ ...options, format: 'esm', outfile: esm });
  await build({ ...options, format: 'iife', globalName: 'Lumamesh', outfile: classic });
  return [esm, classic];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log((await buildAll(process.argv[2])).join('\n'));
