/**
 * Chromium and Firefox behind one small interface. Every page lives in a context of its own, so that two
 * pages of one browser share nothing and neither is in the background.
 */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';

import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';

import { trustInNss } from './certificates.mjs';
import { forget, remember, temporary } from './cleanup.mjs';

const CHROMIUM = process.env.LM_CHROMIUM ?? '/usr/bin/chromium';
const FIREFOX = process.env.LM_FIREFOX ?? '/usr/bin/firefox-esr';
const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const FIREFOX_PREFERENCES = {
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'browser.safebrowsing.downloads.remote.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

/** How long a page may take for what it is asked to wait for, in milliseconds. */
export const DEADLINE = 20_000;

class Page {
  constructor(page, { waitForFunction, beforeLoad, close }) {
    this.page = page;
    this.complaints = []; // uncaught errors and messages on the console's error level
    this.waitForFunction = waitForFunction;
    /** Runs code in every document of the page before its own scripts. */
    this.beforeLoad = beforeLoad;
    this.close = close;
    page.on('pageerror', (error) => this.complaints.push(String(error.stack ?? error)));
    page.on('console', (message) => message.type() === 'error' && this.complaints.push(message.text()));
  }

  goto(url) {
    return this.page.goto(url);
  }

  evaluate(code, argument) {
    return this.page.evaluate(code, argument);
  }

  expose(name, handler) {
    return this.page.exposeFunction(name, handler);
  }

  /** Waits until code(argument) is true in the page; the error says what the page complained of. */
  async until(code, argument, ms = DEADLINE) {
    try {
      await this.waitForFunction(code, argument, ms);
    } catch (cause) {
      const complaints = this.complaints.join('\n') || 'nothing';
      throw new Error(`not within ${ms} ms: ${code}\nthe page complained of: ${complaints}`, { cause });
    }
  }

  screenshot(path) {
    return this.page.screenshot({ path });
  }
}

/**
 * @param {string} [ca] path of a CA's certificate to be trusted. Chromium looks into the NSS database of the
 *   home directory, which is this run's own (cleanup.mjs), also for the servers of `turns:`.
 */
export async function startChromium({ ca } = {}) {
  if (ca) trustInNss(join(process.env.HOME, '.pki/nssdb'), ca);
  const server = await chromium.launchServer({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS });
  const { pid } = server.process();
  remember(pid, { group: true });
  const browser = await chromium.connect(server.wsEndpoint());
  return {
    name: 'Chromium',
    version: browser.version(),
    async open(url, { width = 1000, height = 720, dark = false } = {}) {
      const colorScheme = dark ? 'dark' : 'light';
      const context = await browser.newContext({ viewport: { width, height }, colorScheme });
      const tab = await context.newPage();
      const page = new Page(tab, {
        waitForFunction: (code, argument, timeout) =>
          tab.waitForFunction(code, argument, { timeout, polling: 20 }),
        beforeLoad: (code) => tab.addInitScript(code),
        close: () => context.close(),
      });
      if (url) await page.goto(url);
      return page;
    },
    /** All its processes stand still, as on a machine that sleeps; and wake again. */
    freeze: () => process.kill(-pid, 'SIGSTOP'),
    thaw: () => process.kill(-pid, 'SIGCONT'),
    async close() {
      await server.close();
      forget(pid);
    },
  };
}

/**
 * @param {string} [ca] path of a CA's certificate to be trusted. Firefox looks into the NSS database of its
 *   profile, cert9.db, also for the servers of `turns:`.
 */
export async function startFirefox({ ca } = {}) {
  const userDataDir = ca && mkdtempSync(join(temporary, 'firefox-'));
  if (ca) trustInNss(userDataDir, ca);
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    headless: true,
    userDataDir,
    extraPrefsFirefox: FIREFOX_PREFERENCES,
  });
  const { pid } = browser.process();
  remember(pid, { group: true });
  return {
    name: 'Firefox',
    version: await browser.version(),
    async open(url, { width = 1000, height = 720, dark = false } = {}) {
      const context = await browser.createBrowserContext();
      const tab = await context.newPage();
      await tab.setViewport({ width, height });
      if (dark)
        await tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]).catch(() => {});
      const page = new Page(tab, {
        waitForFunction: (code, argument, timeout) =>
          tab.waitForFunction(code, { timeout, polling: 20 }, argument),
        beforeLoad: (code) => tab.evaluateOnNewDocument(code),
        close: () => context.close(),
      });
      if (url) await page.goto(url);
      return page;
    },
    async close() {
      await browser.close();
      forget(pid);
    },
  };
}
