/** Puts the library to work in a page and keeps a diary of what happens there, in `window.t`. */
import { DEADLINE } from './browsers.mjs';

/**
 * Connects a page and enters a room. In the page afterwards: t.net, t.room, t.events (strings such as `open
 * Ada`), t.data (nick → values in order), t.statuses.
 * @param {object} page
 * @param {{relays: Array, room: string, nick: string, secret?: string, links?: number, timing?: object}}
 *   options
 */
export async function enter(page, options) {
  await page.evaluate(async ({ relays, room, nick, secret, links, timing }) => {
    const { connect } = await import('/demo/lumamesh.js');
    const t = (window.t = { events: [], data: {}, statuses: [] });
    t.net = await connect({ relays, links, timing });
    t.net.on('status', (status) => t.statuses.push(status));
    t.room = await t.net.joinRoom(room, { nick, secret });
    t.room.on('error', (error) => t.events.push(`error ${error.code}`));
    t.room.on('leave', (peer) => t.events.push(`leave ${peer.nick}`));
    t.room.on('peer', (peer) => {
      t.events.push(`peer ${peer.nick}`);
      t.data[peer.nick] = [];
      peer.on('open', () => t.events.push(`open ${peer.nick}`));
      peer.on('close', () => t.events.push(`close ${peer.nick}`));
      peer.on('data', (value) => t.data[peer.nick].push(value));
    });
  }, options);
}

export const happened = (page, event, ms = DEADLINE) =>
  page.until((what) => window.t.events.includes(what), event, ms);

/**
 * Sends `count` numbered messages to everybody from each page and waits until each has the other's, all in
 * order.
 */
export async function exchange(a, b, count, label) {
  for (const { page, nick } of [a, b]) {
    await page.evaluate(
      ({ from, number, mark }) => {
        for (let i = 0; i < number; i += 1) window.t.room.broadcast({ mark, from, i });
      },
      { from: nick, number: count, mark: label },
    );
  }
  for (const [{ page }, { nick }] of [
    [a, b],
    [b, a],
  ]) {
    await page.until(
      ({ from, number, mark }) => {
        const got = window.t.data[from].filter((value) => value.mark === mark);
        return got.length === number && got.every((value, i) => value.i === i && value.from === from);
      },
      { from: nick, number: count, mark: label },
    );
  }
}
