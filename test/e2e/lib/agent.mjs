/**
 * A browser and its pages in a network namespace, driven from this process: both browsers are driven over
 * their own loopback device, so whoever drives them has to be in the namespace too. That is this file once
 * more, as a process there; the two talk over Node's own channel between parent and child.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { forget, remember } from './cleanup.mjs';

const FILE = fileURLToPath(import.meta.url);
const CLOSE = 10_000; // milliseconds that a browser may take to close

/** A page there: what Page of browsers.mjs has, as far as tests of namespaces need it. */
class DistantPage {
  #ask;
  #id;

  constructor(ask, id) {
    this.#ask = ask;
    this.#id = id;
  }

  goto(url) {
    return this.#ask('page', this.#id, 'goto', [url]);
  }

  evaluate(code, argument) {
    return this.#ask('page', this.#id, 'evaluate', [{ code: String(code) }, argument]);
  }

  until(code, argument, ms) {
    return this.#ask('page', this.#id, 'until', [{ code: String(code) }, argument, ms]);
  }

  close() {
    return this.#ask('page', this.#id, 'close', []);
  }
}

/**
 * @param {Namespace} namespace
 * @param {'chromium'|'firefox'} name
 * @param {object} [options] for startChromium() or startFirefox(); loopback: the page server's address
 * @returns {Promise<{name: string, version: string, open: Function, close: Function}>} open() makes a page of
 *   a page server in the namespace
 */
export async function startBrowserIn(namespace, name, options = {}) {
  const [command, ...words] = namespace.enter(process.execPath, FILE, name, JSON.stringify(options));
  // A group of its own: the browser goes with it, also when it is killed.
  const child = spawn(command, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true });
  remember(child.pid, { group: true });
  const waiting = new Map();
  let last = 0;
  let ended = false;
  const answered = (id) => new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  child.on('message', ({ id, value, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(`${name} in ${namespace.name}: ${error}`));
    else resolve(value);
  });
  child.on('exit', () => {
    ended = true;
    for (const { reject } of waiting.values()) reject(new Error(`${name} in ${namespace.name} has ended`));
  });
  const ask = (...call) => {
    if (ended) throw new Error(`${name} in ${namespace.name} has ended`);
    last += 1;
    child.send({ id: last, call });
    return answered(last);
  };
  const { version } = await answered(0);
  return {
    name,
    version,
    open: async () => new DistantPage(ask, await ask('open')),
    async close() {
      if (ended) return;
      const exit = once(child, 'exit');
      ask('close').catch(() => {});
      const late = setTimeout(() => child.kill(), CLOSE); // The agent then ends its browser by force.
      await exit;
      clearTimeout(late);
      forget(child.pid);
    },
  };
}

/* --- in the namespace --- */

async function serve(name, { loopback, ...options }) {
  const [{ startChromium, startFirefox }, { servePages }] = await Promise.all([
    import('./browsers.mjs'),
    import('./pages.mjs'),
  ]);
  const server = await servePages({}, loopback);
  const browser = await { chromium: startChromium, firefox: startFirefox }[name](options);
  const pages = [];
  // Pages' code comes as text; drivers take functions.
  const toCode = (value) => (value?.code === undefined ? value : (0, eval)(`(${value.code})`));
  const handle = {
    async open() {
      return pages.push(await browser.open(`${server.url}/`)) - 1;
    },
    page: (id, method, words) => pages[id][method](...words.map(toCode)),
    async close() {
      await browser.close();
      await server.close();
      process.exit();
    },
  };
  process.on('disconnect', () => process.exit(1)); // The test has ended; cleanup.mjs ends the browser.
  process.on('message', async ({ id, call: [what, ...words] }) => {
    try {
      process.send({ id, value: (await handle[what](...words)) ?? null });
    } catch (error) {
      process.send({ id, error: error.stack ?? String(error) });
    }
  });
  process.send({ id: 0, value: { version: browser.version } });
}

if (process.argv[1] === FILE) {
  serve(process.argv[2], JSON.parse(process.argv[3])).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
