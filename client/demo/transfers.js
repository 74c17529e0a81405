/**
 * Files from page to page. A file is offered first, and goes to those who take it. What pages say to each other
 * is { file: [what, id, …] }:
 *
 *     offer, id, name, size     its sender has it
 *     want, id                  its receiver takes it: it comes as a File whose name is the id
 *     stop, id                  its receiver does not want it, or no more
 *     got, id                   its receiver has all of it
 *     gone, id                  its sender takes it back
 *     failed, id, code          its sender could not go on
 */
import { clean, nameOf } from './ui.js';

const MAX_ARRIVALS = 100; // offers of others that are listed
const MAX_ARRIVALS_OF_ONE = 30;
const MAX_OFFERS = 100; // of ours
const MAX_FILE_NAME = 120; // characters

/** A name that is no path, hides nothing, and that every system takes; the extension stays. */
export function safeName(name) {
  const plain = clean(name, 1024).replace(/[/\\:*?"<>|]/g, '_').replace(/^[. ]+|[. ]+$/g, '');
  const chars = [...plain];
  if (chars.length <= MAX_FILE_NAME) return plain || 'file';
  const [extension = ''] = /\.\w{1,10}$/.exec(plain) ?? [];
  return chars.slice(0, MAX_FILE_NAME - extension.length).join('') + extension;
}

const isId = (id) => typeof id === 'string' && /^[0-9a-f]{16}$/.test(id);

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** States of a receiver after which nothing more comes. */
const SETTLED = ['got', 'declined', 'failed', 'left'];

/** A file of ours. */
class Offer {
  constructor(file, broadcast) {
    this.mine = true;
    this.broadcast = broadcast; // It was told to everybody at once.
    this.id = newId();
    this.file = file;
    this.name = safeName(file.name);
    this.size = file.size;
    this.withdrawn = false;
    /** id → { id, name, state: 'waiting' | 'sending' | 'sent' | one of SETTLED, sent, code, abort } */
    this.receivers = new Map();
  }

  get settled() {
    return this.withdrawn || [...this.receivers.values()].every(({ state }) => SETTLED.includes(state));
  }
}

/** A file of somebody else's: state is offered, waiting, coming, here, declined, withdrawn or failed. */
class Arrival {
  constructor(peer, id, name, size) {
    Object.assign(this, { mine: false, peer, id, name, size, state: 'offered', got: 0, began: 0, code: '', url: '' });
    this.from = nameOf(peer);
  }
}

export class Transfers {
  #room;
  #offers = new Map(); // id → Offer
  #arrivals = new Map(); // `peer id` → Arrival
  #changed;

  /** @param {function(Offer|Arrival): void} changed called when one is new, or anything about it */
  constructor(room, changed) {
    this.#room = room;
    this.#changed = changed;
  }

  /** Listens to a peer, new or back again. */
  watch(peer) {
    peer.on('progress', ({ received, name }) => {
      const arrival = this.#arrivals.get(`${peer.id} ${name}`);
      if (!arrival || !['waiting', 'coming'].includes(arrival.state)) return;
      arrival.began ||= performance.now();
      arrival.state = 'coming';
      arrival.got = received;
      this.#changed(arrival);
    });
    peer.on('open', () => {
      for (const offer of this.#offers.values()) {
        const receiver = offer.receivers.get(peer.id);
        if (receiver?.state !== 'left' || offer.withdrawn) continue;
        receiver.state = 'waiting';
        this.#say(peer, ['offer', offer.id, offer.name, offer.size]);
        this.#changed(offer);
      }
    });
  }

  gone(peer) {
    for (const offer of this.#offers.values()) {
      const receiver = offer.receivers.get(peer.id);
      if (!receiver || SETTLED.includes(receiver.state)) continue;
      receiver.state = 'left';
      receiver.abort?.abort();
      this.#changed(offer);
    }
    for (const arrival of this.#arrivals.values()) {
      if (arrival.peer !== peer || !['offered', 'waiting', 'coming'].includes(arrival.state)) continue;
      arrival.state = 'failed';
      arrival.code = 'left';
      this.#changed(arrival);
    }
  }

  /**
   * Offers a file; false: there are too many already.
   * @param {File} file
   * @param {Peer[]} peers
   * @param {boolean} everybody these are all: who is reached over others gets no link for the offer alone
   */
  offer(file, peers, everybody) {
    if (this.#offers.size >= MAX_OFFERS) return false;
    const offer = new Offer(file, everybody);
    this.#offers.set(offer.id, offer);
    const said = ['offer', offer.id, offer.name, offer.size];
    for (const peer of peers) {
      offer.receivers.set(peer.id, { id: peer.id, name: nameOf(peer), state: 'waiting', sent: 0, began: 0 });
      if (!everybody) this.#say(peer, said);
    }
    if (everybody) this.#room.broadcast({ file: said });
    this.#changed(offer);
    return true;
  }

  /** Takes a file of ours back, or ends its sending. */
  withdraw(offer) {
    offer.withdrawn = true;
    for (const receiver of offer.receivers.values()) {
      if (SETTLED.includes(receiver.state)) continue;
      receiver.abort?.abort();
      if (!offer.broadcast) this.#say(this.#peer(receiver.id), ['gone', offer.id]);
    }
    if (offer.broadcast) this.#room.broadcast({ file: ['gone', offer.id] });
    this.#changed(offer);
  }

  take(arrival) {
    Object.assign(arrival, { state: 'waiting', got: 0, began: 0 });
    this.#say(arrival.peer, ['want', arrival.id]);
    this.#changed(arrival);
  }

  /** Declines an offer, or ends what is coming. */
  stop(arrival) {
    arrival.state = 'declined';
    // A link only to say no would be too much.
    if (arrival.peer.state === 'open') this.#say(arrival.peer, ['stop', arrival.id]);
    this.#changed(arrival);
  }

  /** Forgets an offer or arrival that is over, and lets go of its bytes. */
  forget(item) {
    if (item.mine) this.#offers.delete(item.id);
    else {
      this.#arrivals.delete(`${item.peer.id} ${item.id}`);
      if (item.url) URL.revokeObjectURL(item.url);
      item.url = '';
    }
  }

  end() {
    for (const offer of this.#offers.values()) {
      for (const { abort } of offer.receivers.values()) abort?.abort();
    }
    for (const item of [...this.#offers.values(), ...this.#arrivals.values()]) this.forget(item);
  }

  /** What a peer says; anything at all. */
  receive(peer, said) {
    if (!Array.isArray(said)) return;
    const [what, id, ...rest] = said;
    if (!isId(id) || !peer.on) return; // A stranger, whom the room does not know yet, has no files.
    if (what === 'offer') return this.#offered(peer, id, ...rest);
    if (what === 'want') return this.#wanted(peer, id);
    const receiver = this.#offers.get(id)?.receivers.get(peer.id);
    const arrival = this.#arrivals.get(`${peer.id} ${id}`);
    if (receiver && what === 'stop' && !SETTLED.includes(receiver.state)) {
      receiver.state = 'declined';
      receiver.abort?.abort();
    } else if (receiver && what === 'got' && ['sending', 'sent'].includes(receiver.state)) receiver.state = 'got';
    else if (arrival && ['offered', 'waiting', 'coming'].includes(arrival.state)) {
      if (what === 'gone') arrival.state = 'withdrawn';
      else if (what === 'failed') {
        arrival.state = 'failed';
        arrival.code = clean(rest[0], 40);
      }
    }
    if (receiver) this.#changed(this.#offers.get(id));
    if (arrival) this.#changed(arrival);
  }

  /** A File that came in; one that nobody here has asked for is dropped. */
  arrived(peer, file) {
    const arrival = this.#arrivals.get(`${peer.id} ${file.name}`);
    if (!arrival || !['waiting', 'coming'].includes(arrival.state)) return;
    if (file.size === arrival.size) {
      // Without the type that its sender gives it: a browser must never show it as a page of ours.
      arrival.url = URL.createObjectURL(file.slice(0, file.size, 'application/octet-stream'));
      arrival.state = 'here';
      arrival.got = file.size;
      this.#say(peer, ['got', arrival.id]);
    } else {
      arrival.state = 'failed';
      arrival.code = 'size';
    }
    this.#changed(arrival);
  }

  #offered(peer, id, name, size) {
    if (typeof name !== 'string' || !Number.isSafeInteger(size) || size < 0) return;
    const key = `${peer.id} ${id}`;
    const known = this.#arrivals.get(key);
    if (known && known.state !== 'failed') return;
    const ofPeer = [...this.#arrivals.values()].filter((arrival) => arrival.peer.id === peer.id).length;
    if (!known && (this.#arrivals.size >= MAX_ARRIVALS || ofPeer >= MAX_ARRIVALS_OF_ONE)) return;
    if (known) Object.assign(known, { peer, state: 'offered', code: '' });
    else this.#arrivals.set(key, new Arrival(peer, id, safeName(name), size));
    this.#changed(this.#arrivals.get(key));
  }

  async #wanted(peer, id) {
    const offer = this.#offers.get(id);
    const receiver = offer?.receivers.get(peer.id);
    if (!receiver || offer.withdrawn) return this.#say(peer, ['gone', id]);
    if (receiver.state === 'sending') return;
    const abort = new AbortController();
    Object.assign(receiver, { state: 'sending', sent: 0, began: performance.now(), abort });
    this.#changed(offer);
    const progress = (sent) => {
      receiver.sent = sent;
      this.#changed(offer);
    };
    try {
      await peer.send(new File([offer.file], id), { signal: abort.signal, progress });
      if (receiver.abort === abort && receiver.state === 'sending') receiver.state = 'sent';
    } catch ({ code }) {
      if (receiver.abort !== abort || receiver.state !== 'sending' || offer.withdrawn) return;
      Object.assign(receiver, { state: 'failed', code });
      this.#say(peer, ['failed', id, code]);
    }
    this.#changed(offer);
  }

  #peer(id) {
    return this.#room.peers.find((peer) => peer.id === id);
  }

  /** Members that are reached over others only get a link of their own first. */
  async #say(peer, file) {
    try {
      if (peer.state === 'far') await peer.open();
      await peer.send({ file });
    } catch {
      /* It has gone, which is told where it is found out. */
    }
  }
}
