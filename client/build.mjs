/**
 * Builds client/dist/ from lumamesh.js: an ES module and a classic script that makes the global `Lumamesh`.
 * Needs esbuild and terser, which are among the tests' tools: `npm ci` in test/, then `node client/build.mjs [directory]`.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const here = new URL('.', import.meta.url);
const require = createRequire(new URL('../test/package.json', here));
const { build } = require('esbuild');
const { minify } = require('terser');

/** Members for the file alone, as its first comment says, and those of its inner objects: they get short names. */
const INNER = `_.*|timing|stagger|retry|retryMax|stable|attempt|attemptMax|restart|probe|choose
|unlink|frames|weight|begun|fails|serves|loose|parts|got|before|top|numbers|config|blob`.replaceAll('\n', '');

/**
 * @param {string} outdir
 * @returns {Promise<string[]>} the paths of what was written
 */
export async function buildAll(outdir = fileURLToPath(new URL('dist/', here))) {
  await mkdir(outdir, { recursive: true });
  const write = async (name, format, module) => {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL('lumamesh.js', here))],
      bundle: true,
      format,
      globalName: 'Lumamesh',
      legalComments: 'none',
      mangleProps: new RegExp(`^(${INNER})$`),
      minify: true,
      target: 'es2022',
      write: false,
    });
    // What the one leaves the other one finds.
    const { code } = await minify(outputFiles[0].text, {
      compress: {
        ecma: 2020, hoist_funs: true, lhs_constants: false, passes: 3, pure_getters: true, reduce_funcs: false,
        unsafe: true, unsafe_arrows: true,
      },
      ecma: 2020,
      mangle: { toplevel: module },
      module,
    });
    await writeFile(`${outdir}/${name}`, code);
    return `${outdir}/${name}`;
  };
  return Promise.all([
    write('lumamesh.min.js', 'esm', true),
    write('lumamesh.classic.js', 'iife', false),
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log((await buildAll(process.argv[2])).join('\n'));
