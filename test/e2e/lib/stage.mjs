/** What nearly every test needs: browsers, a page server, and pages that enter rooms. */
import { startChromium, startFirefox } from './browsers.mjs';
import { servePages } from './pages.mjs';
import { enter } from './rooms.mjs';

const START = { chromium: startChromium, firefox: startFirefox };

export class Stage {
  /** @param {...('chromium'|'firefox')} names the browsers to start */
  static async open(...names) {
    const stage = new Stage();
    stage.pages = await servePages();
    stage.browsers = {};
    await Promise.all(
      names.map(async (name) => {
        stage.browsers[name] = await START[name]();
      }),
    );
    return stage;
  }

  /** A page in a room: `{ page, nick }`. */
  async member(browser, options) {
    const page = await this.browsers[browser].open(`${this.pages.url}/`);
    await enter(page, options);
    return { page, nick: options.nick };
  }

  async close() {
    await Promise.all(Object.values(this.browsers).map((browser) => browser.close()));
    await this.pages.close();
  }
}
