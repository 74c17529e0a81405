/**
 * Who is in the room and who is linked with whom. Each page tells the others its own links when they change, as
 * [[id, 'direct' | 'relay'], …]; what a page says of links between others is not asked for.
 */
import { drawGraph } from './graph.js';
import { $, avatar, element, gathered, inMs, nameOf, setText } from './ui.js';

const PING_EVERY = 2000; // milliseconds
const PINGS = 10; // at a time: in a larger room some wait for the next one
const TELL_AFTER = 150; // milliseconds in which changes are gathered
const SHOW_AFTER = 60;
const MAX_LINKS = 128; // that one member may tell of

const PATHS = { direct: 'direct', relay: 'relayed' };
const RELAY_STATES = {
  open: 'connected',
  reconnecting: 'reconnecting…',
  connecting: 'connecting…',
  closed: 'closed',
};

const byName = (a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1);

const addressOf = ({ ip, ip6, alt, host, port }) => {
  const address = host ?? ip ?? ip6 ?? alt?.[0] ?? '?';
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
};

export class People {
  #net;
  #room;
  #people = new Map(); // id → { id, name, peer, row, rtt, links: Map(id → path) }
  #own; // our row
  #told = '';
  #pingTimer;
  #pinged = 0;
  #drawn = '';
  #show = gathered(() => this.#render(), SHOW_AFTER);
  #tellSoon = gathered(() => this.#tell(), TELL_AFTER);

  constructor(net, room) {
    this.#net = net;
    this.#room = room;
    this.#own = this.#makeRow(net.id, nameOf(room), true);
    this.#pingTimer = setInterval(() => this.#measureAll(), PING_EVERY);
    this.changed();
  }

  add(peer) {
    const name = nameOf(peer);
    const row = this.#makeRow(peer.id, name);
    this.#people.set(peer.id, { id: peer.id, name, peer, row, rtt: null, links: new Map() });
    peer.on('open', () => {
      this.changed();
      this.#measure(peer.id);
    });
    peer.on('path', () => this.changed());
    peer.on('state', () => this.changed());
    this.changed();
  }

  remove(peer) {
    if (this.#people.get(peer.id)?.peer !== peer) return; // A successor is here already.
    this.#people.delete(peer.id);
    this.changed();
  }

  /** What a member says of its links; anything at all. */
  receive(id, links) {
    const person = this.#people.get(id);
    if (!person || !Array.isArray(links)) return;
    person.links = new Map(
      links
        .slice(0, MAX_LINKS)
        .filter((link) => Array.isArray(link) && typeof link[0] === 'string' && Object.hasOwn(PATHS, link[1])),
    );
    this.#show();
  }

  /** Something about us, a member or a relay is new. */
  changed() {
    this.#show();
    this.#tellSoon();
  }

  end() {
    clearInterval(this.#pingTimer);
    $('peers').replaceChildren();
    $('relays').replaceChildren();
    $('graph').replaceChildren();
  }

  #ownLinks() {
    return [...this.#people.values()]
      .filter(({ peer }) => peer.state === 'open' && peer.path)
      .map(({ id, peer }) => [id, peer.path]);
  }

  #tell() {
    if (this.#room.left) return;
    const links = this.#ownLinks().sort().slice(0, MAX_LINKS);
    const text = JSON.stringify(links);
    if (text === this.#told) return;
    this.#told = text;
    this.#room.broadcast({ links });
  }

  #measureAll() {
    if (document.hidden) return;
    const open = [...this.#people.values()].filter(({ peer }) => peer.state === 'open');
    const due = Math.min(PINGS, open.length);
    for (let i = 0; i < due; i += 1) this.#measure(open[(this.#pinged + i) % open.length].id);
    this.#pinged += due;
    this.#show();
  }

  async #measure(id) {
    const person = this.#people.get(id);
    try {
      person.rtt = await person.peer.ping();
      this.#show();
    } catch {
      /* It has gone, or will show the next time. */
    }
  }

  /** Links between others, each once, from what either end says: `relayed` if one of them says so. */
  #linksOfOthers() {
    const links = new Map();
    for (const { id, links: told } of this.#people.values()) {
      for (const [other, path] of told) {
        if (other === id || !this.#people.has(other)) continue;
        const [a, b] = [id, other].sort();
        const known = links.get(`${a} ${b}`);
        links.set(`${a} ${b}`, { a, b, path: known?.path === 'relay' ? 'relay' : path });
      }
    }
    return [...links.values()];
  }

  // -- Showing --

  #makeRow(id, name, isMe = false) {
    const label = element('span', 'name', name);
    label.title = name;
    label.dir = 'auto';
    const others = element('small', 'others');
    const path = element('span', 'path');
    const rtt = element('span', 'rtt', isMe ? 'you' : '');
    const row = element('li', '', avatar(id, name), element('span', 'who', label, others));
    row.append(element('span', 'link', path, rtt));
    return Object.assign(row, { path, rtt, others });
  }

  #render() {
    if (this.#room.left) return;
    const people = [...this.#people.values()].sort(byName);
    const links = this.#linksOfOthers();
    const peers = $('peers');
    const rows = [this.#own, ...people.map(({ row }) => row)];
    if (rows.length !== peers.children.length || rows.some((row, i) => peers.children[i] !== row)) {
      peers.replaceChildren(...rows);
    }
    for (const person of people) this.#renderPerson(person, links);
    $('alone').hidden = people.length > 0;
    setText($('count'), String(rows.length));
    const relays = this.#relays();
    $('relays').replaceChildren(...relays.map(({ address, state, words, time }) => {
      const row = element('li', '', element('span', 'name', `Relay ${address}`));
      row.append(element('span', 'link', element('span', 'path', words), element('span', 'rtt', time)));
      row.dataset.state = state;
      return row;
    }));
    document.title = `${this.#room.name} (${rows.length}) – Lumamesh`;
    const picture = {
      self: { id: this.#net.id, name: nameOf(this.#room) },
      people: people.map(({ id, name, peer }) => ({ id, name, state: peer.state, path: peer.path })),
      links,
      relays,
    };
    const text = JSON.stringify(picture);
    if (text === this.#drawn) return;
    this.#drawn = text;
    drawGraph($('graph'), picture);
  }

  #renderPerson({ id, peer, row, rtt }, links) {
    const open = peer.state === 'open';
    const words = { connecting: 'connecting…', far: 'over others', closed: 'gone' };
    setText(row.path, open ? (PATHS[peer.path] ?? 'linked') : words[peer.state]);
    row.path.dataset.path = (open && peer.path) || '';
    setText(row.rtt, open && rtt !== null ? inMs(rtt) : '');
    const others = links
      .filter(({ a, b }) => a === id || b === id)
      .map(({ a, b, path }) => `${this.#people.get(a === id ? b : a).name}${path === 'relay' ? ' (relayed)' : ''}`);
    const text = others.length ? `linked with ${others.sort().join(', ')}` : '';
    setText(row.others, text);
    row.others.title = text;
  }

  /** The relays that we have sessions with; without any, the last one. */
  #relays() {
    const { relays, relay, status, rtt } = this.#net;
    const configs = relays.length ? relays : [relay].filter(Boolean);
    const state = relays.length ? 'open' : status;
    // The library measures the nearest one.
    const time = relays.length && rtt !== null ? `${relays.length > 1 ? 'nearest ' : ''}${inMs(rtt)}` : '';
    return configs.map((config, i) => ({
      id: config.nk,
      address: addressOf(config),
      state,
      words: RELAY_STATES[state],
      time: i === 0 ? time : '',
    }));
  }
}

