/**
 * Builds client/dist/ from lumamesh.js: an ES module and a classic script that makes the global `Lumamesh`; and
 * from demo/ the demo as one file, which knows the relays whose blobs are given. Needs esbuild and terser, which
 * are among the tests' tools: `npm ci` in test/, then `node client/build.mjs [directory [blob…]]`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const here = new URL('.', import.meta.url);
const require = createRequire(new URL('../test/package.json', here));
const { build } = require('esbuild');
const { minify } = require('terser');

/** Members for the file alone, as its first comment says, and those of its inner objects: they get short names. */
const INNER = `_.*|timing|stagger|retry|retryMax|stable|attempt|attemptMax|restart|probe|choose
|unlink|frames|weight|begun|fails|serves|loose|parts|got|before|top|numbers|config|blob|offer|seen|source|text|meta|mime`.replaceAll('\n', '');

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
        booleans: false, comparisons: false, ecma: 2020, hoist_funs: true, lhs_constants: false, pure_getters: true,
        reduce_funcs: false, sequences: false, unsafe: true, unsafe_arrows: true,
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

const sha256 = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** The demo page's scripts name the library as the relay serves it, beside them. */
const library = {
  name: 'library',
  setup: ({ onResolve }) => onResolve({ filter: /^\.\/lumamesh\.js$/ }, () => ({
    path: fileURLToPath(new URL('lumamesh.js', here)),
  })),
};

/**
 * The demo page with everything in it. It may be opened as a file or put on any web space; what it may do is
 * written in it, and asking a server for anything is not among it.
 * @param {string} [outdir]
 * @param {string[]} [blobs] its relays; without any it asks for one, or takes it from the link
 * @returns {Promise<string>} the path of what was written
 */
export async function buildDemo(outdir = fileURLToPath(new URL('dist/', here)), blobs = []) {
  const source = (name) => readFile(new URL(name, here), 'utf8');
  const make = async (options) => {
    const common = { legalComments: 'none', minify: true, target: 'es2022', write: false };
    const { outputFiles } = await build({ ...common, ...options });
    return outputFiles[0].text.trim();
  };
  const script = await make({
    entryPoints: [fileURLToPath(new URL('demo/main.js', here))],
    bundle: true,
    format: 'iife',
    plugins: [library],
  });
  const styles = [await source('demo/base.css'), await source('demo/demo.css')];
  const style = await make({ stdin: { contents: styles.join('\n'), loader: 'css' } });
  const policy = [
    "default-src 'none'", `script-src ${sha256(script)}`, `style-src ${sha256(style)}`, 'img-src data:',
    "base-uri 'none'", "form-action 'none'",
  ].join('; ');
  const relays = '<meta name="lumamesh-relays" content="';
  let page = await source('demo/demo.html');
  const put = (what, instead) => {
    if (page.split(what).length !== 2) throw new Error(`demo.html has no ${what}, or several`);
    page = page.replace(what, () => instead); // A function: '$' means nothing in what it returns.
  };
  const charset = '<meta charset="utf-8">';
  put(charset, `${charset}\n<meta http-equiv="content-security-policy" content="${policy}">`);
  put(`${relays}/demo/relay.json">`, `${relays}${blobs.join(' ')}">`);
  put('<link rel="stylesheet" href="/base.css">', `<style>${style}</style>`);
  put('<link rel="stylesheet" href="/demo/demo.css">\n', '');
  put('<script type="module" src="/demo/main.js"></script>', `<script>${script}</script>`);
  await mkdir(outdir, { recursive: true });
  await writeFile(`${outdir}/lumamesh-demo.html`, page);
  return `${outdir}/lumamesh-demo.html`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [outdir, ...blobs] = process.argv.slice(2);
  console.log([...(await buildAll(outdir)), await buildDemo(outdir, blobs)].join('\n'));
}
