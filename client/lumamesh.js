/**
 * Lumamesh, the browser library: pages that know one relay find each other in a room by name and then talk
 * directly.
 *
 *     const net = await connect({ relays: ['lm1.…'] });
 *     const room = await net.joinRoom('kitchen', { nick: 'Ada', secret: 'optional' });
 *     room.on('peer', (peer) => {
 *       peer.on('open', () => peer.send({ hello: 'there' }));
 *       peer.on('data', (value) => console.log(peer.nick, value));
 *     });
 *
 * The relay carries the introduction only, sealed with a key that is derived from the room's name and secret:
 * it sees neither. Once a channel between two pages is open it lives on its own, whatever becomes of the
 * relay. Layers, top down: Net (one identity, one living relay link) → Room (members, sealing) → Peer (one
 * connection); beside them Link (one session with one relay). Members whose name begins with `_` are for this
 * file alone.
 */

const CLIENT = 'lumamesh.js/0.1';

/** Longest JSON text of one message, in UTF-16 code units; longer ones throw `too-large`. */
export const MAX_MESSAGE = 4 * 1024 * 1024;
/** Most bytes that may wait in one peer's channel: browsers fail a channel whose queue passes 16 MiB. */
const MAX_BUFFERED = 12 * 1024 * 1024;
/** Code units in one frame of a channel; at three bytes at most they fit the 64 kB that everybody takes. */
const FRAME_UNITS = 16 * 1024;

/** Most addresses that a config may have besides `ip` and `ip6`. */
const MAX_ALT = 8;

/** All waiting times, in milliseconds. `connect()` takes replacements, for tests. */
const TIMING = {
  stagger: 500, // A relay that is silent this long gets company from the next one in the list.
  open: 8_000, // A relay that has not said `welcome` by then counts as failed.
  request: 10_000, // Longest wait for a reply, from the relay or to a peer's ping.
  ping: 4_000, // Two pings in a row without a sign of life end the session: noticed within 12 s.
  retry: 500, // Pause before the first reconnection; doubles, with jitter, up to retryMax.
  retryMax: 15_000,
  join: 20_000, // joinRoom() gives up after this long without a relay.
  rejoin: 5_000, // Pause before a room that the relay refused on reconnection is tried again.
  offer: 1_500, // How long a member waits for a newcomer's offer before it makes one itself.
  attempt: 15_000, // A connection that is not open by then is made anew; doubles up to attemptMax.
  attemptMax: 60_000,
  restart: 10_000, // How long an ICE restart may take before the channel is given up.
};

/**
 * Every error that this library throws, rejects with or emits.
 *
 * `code` is one of: `bad-argument`, `bad-config` (not a relay's config or blob), `unsupported` (no WebRTC, or
 * no WebCrypto with Ed25519; an insecure page has none), `no-relay` (several relays, none usable: see
 * `errors`), `timeout`, `closed`, `relay-unavailable`, `bad-welcome` and `bad-signature` (the relay is not
 * the one in its config), `replaced` (another session took over this identity), `already-joined`, `not-open`,
 * `too-large`, `queue-full`, `peer-unreachable` (the first attempt to connect with `peer` failed; more
 * follow), or a code of the relay as it is (`room-full`, `too-many-rooms`, `rate-limited`, `version`, …).
 */
export class LumameshError extends Error {
  /**
   * @param {string} code
   * @param {string} [message]
   * @param {object} [more] further members: `cause`, `errors`, `peer`
   */
  constructor(code, message = code, more = {}) {
    super(message);
    this.name = 'LumameshError';
    this.code = code;
    Object.assign(this, more);
  }
}

// ---- Bytes, configs, sealing --------------------------------------------------------------------

const utf8 = (text) => new TextEncoder().encode(text);
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const randomBytes = (count) => crypto.getRandomValues(new Uint8Array(count));

function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function toBase64url(bytes) {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Takes only the one spelling that toBase64url() makes: no padding, no white space, no stray bits. */
function fromBase64url(text) {
  if (typeof text !== 'string' || !/^[\w-]*$/.test(text)) throw new Error('not base64url');
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  if (toBase64url(bytes) !== text) throw new Error('not base64url');
  return bytes;
}

const matches = (pattern) => (value) => typeof value === 'string' && pattern.test(value);
const isPort = (value) => Number.isInteger(value) && value > 0 && value < 65536;
const isHost = matches(/^(?=.{1,253}$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*$/);

const isIPv4 = (value) => matches(/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/)(value)
  && value.split('.').every((byte) => byte < 256);

/** The one spelling of an IP address that is meant (RFC 5952). */
const canonical = (address) => (
  address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address
);

/** Without those that hold an IPv4 address (RFC 4291 section 2.5.5): nobody is reached at them. */
const isIPv6 = (value) => matches(/^[0-9A-Fa-f:.]{2,45}$/)(value) && URL.canParse(`http://[${value}]`)
  && !/^::(ffff:)?[0-9a-f]+:[0-9a-f]+$/.test(canonical(value));

const isAlt = (value) => Array.isArray(value) && value.length > 0 && value.length <= MAX_ALT
  && value.every((address) => isIPv4(address) || isIPv6(address));

function isNodeKey(value) {
  try {
    return fromBase64url(value).length === 32;
  } catch {
    return false;
  }
}

/**
 * The config's members in the blob's order. What they may hold cannot break out of the answer made from them.
 */
const CONFIG = {
  alt: isAlt,
  fingerprint: matches(/^[0-9A-F]{2}(:[0-9A-F]{2}){31}$/),
  host: isHost,
  ip: isIPv4,
  ip6: isIPv6,
  nk: isNodeKey,
  port: isPort,
  pwd: matches(/^[A-Za-z0-9+/]{22,256}$/),
  tcp: isPort,
  ufrag: matches(/^[A-Za-z0-9+/]{4,256}$/),
};
const OPTIONAL = ['alt', 'host', 'ip', 'ip6', 'tcp'];

/** All IP addresses of a config, the best first. */
const addressesOf = ({ ip, ip6, alt = [] }) => [ip, ip6, ...alt].filter(Boolean);

/** The known members of a config, checked, in the blob's order; those of later versions are left out. */
function checkConfig(config) {
  if (typeof config !== 'object' || !config) throw new LumameshError('bad-config', 'a config is an object');
  const known = {};
  for (const [name, valid] of Object.entries(CONFIG)) {
    if (config[name] === undefined && OPTIONAL.includes(name)) continue;
    if (!valid(config[name])) throw new LumameshError('bad-config', `the config's ${name} is wrong`);
    known[name] = config[name];
  }
  if (known.ip6) known.ip6 = canonical(known.ip6);
  if (known.alt) known.alt = known.alt.map(canonical);
  const addresses = addressesOf(known);
  if (!addresses.length && !known.host) throw new LumameshError('bad-config', 'the config has no address');
  const repeated = new Set(addresses).size < addresses.length;
  if (repeated) throw new LumameshError('bad-config', "the config's alt is wrong: an address is there twice");
  return known;
}

/**
 * A relay's config, as `lumamesh-relay --print-config` prints it, in one word to pass around: the text that
 * `--print-blob` prints, byte for byte.
 * @param {object} config
 * @returns {string} `lm1.` and base64url
 * @throws {LumameshError} `bad-config`
 */
export function encodeRelayConfig(config) {
  return `lm1.${toBase64url(utf8(JSON.stringify(checkConfig(config))))}`;
}

/**
 * The config in a blob. Members that this version does not know are left out.
 * @param {string} blob
 * @returns {{fingerprint: string, nk: string, port: number, pwd: string, ufrag: string, alt?: string[],
 *   host?: string, ip?: string, ip6?: string, tcp?: number}} with at least one address or host; IPv6 addresses
 *   as RFC 5952 writes them
 * @throws {LumameshError} `bad-config`
 */
export function decodeRelayConfig(blob) {
  let config;
  try {
    const [, text] = /^lm1\.([\w-]{1,4092})$/.exec(blob);
    const json = String.fromCharCode(...fromBase64url(text));
    // Nothing in a config needs more, and so no two parsers can see different configs in one blob.
    if (!/^[ -[\]-~]*$/.test(json)) throw new Error('more than plain ASCII');
    config = JSON.parse(json);
  } catch (cause) {
    throw new LumameshError('bad-config', 'the blob is damaged', { cause });
  }
  return checkConfig(config);
}

/**
 * The relay's answer to a page's offer. The relay never sees the offer, so the page writes the answer itself
 * from the config, and the DTLS fingerprint in it makes sure that nobody but this relay can take the call.
 * @param {string} offer the local description's SDP
 * @param {object} config
 * @returns {string} SDP
 */
export function relayAnswer(offer, config) {
  const mid = /^a=mid:(.*?)\r?$/m.exec(offer)?.[1] ?? '0';
  const { host, port, tcp } = config;
  const known = addressesOf(config);
  const addresses = known.length ? known : [host]; // Not every browser looks names up here.
  // Each has a foundation of its own; what counts down in the priority is the local preference (RFC 8445
  // section 5.1.2.1).
  const candidates = addresses.map((address, i) => (
    `a=candidate:${i + 1} 1 udp ${2130706431 - 256 * i} ${address} ${port} typ host`
  ));
  if (tcp) {
    const last = addresses.length - 1;
    candidates.push(...addresses.map((address, i) => (
      `a=candidate:${last + i + 2} 1 tcp ${1015021823 + 256 * (last - i)} ${address} ${tcp} typ host `
      + 'tcptype passive'
    )));
  }
  const lines = [
    'v=0', 'o=- 0 0 IN IP4 0.0.0.0', 's=-', 't=0 0', 'a=ice-lite', `a=group:BUNDLE ${mid}`,
    `m=application ${port} UDP/DTLS/SCTP webrtc-datachannel`, 'c=IN IP4 0.0.0.0', `a=mid:${mid}`,
    `a=ice-ufrag:${config.ufrag}`, `a=ice-pwd:${config.pwd}`, `a=fingerprint:sha-256 ${config.fingerprint}`,
    'a=setup:passive', 'a=sctp-port:5000', 'a=max-message-size:65536', ...candidates, 'a=end-of-candidates',
  ];
  return lines.map((line) => `${line}\r\n`).join('');
}

/**
 * What a room's name and secret make: the id that the relay sees and the bytes of the key that it never sees.
 * Takes about a tenth of a second, on purpose: guessing names must cost something.
 * @param {string} name not empty, without U+0000
 * @param {string} [secret]
 * @returns {Promise<{id: string, keyBytes: Uint8Array}>} id: 64 hex digits; keyBytes: 32 bytes
 */
export async function deriveRoom(name, secret = '') {
  const algorithm = { name: 'PBKDF2', hash: 'SHA-256', salt: utf8('lumamesh-room-v1'), iterations: 600_000 };
  const importFor = (kind, bytes) => crypto.subtle.importKey('raw', bytes, kind, false, ['deriveBits']);
  const password = await importFor('PBKDF2', utf8(`${name}\0${secret}`));
  const ikm = await importFor('HKDF', await crypto.subtle.deriveBits(algorithm, password, 256));
  const expand = async (info) => new Uint8Array(await crypto.subtle.deriveBits(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: utf8(info) }, ikm, 256));
  return { id: toHex(await expand('room-id')), keyBytes: await expand('aes-gcm-256') };
}

/**
 * A JSON value sealed with a room's key.
 * @param {CryptoKey} key AES-GCM 256
 * @param {*} value
 * @param {string} aad what the box is bound to
 * @param {Uint8Array} [iv] 12 bytes; given by tests only
 * @returns {Promise<string>} base64url
 */
export async function seal(key, value, aad, iv = randomBytes(12)) {
  const algorithm = { name: 'AES-GCM', iv, additionalData: utf8(aad) };
  const box = await crypto.subtle.encrypt(algorithm, key, utf8(JSON.stringify(value)));
  return toBase64url(concat(iv, new Uint8Array(box)));
}

/**
 * The object in a sealed box; rejects when the box, its binding or its content is not right.
 * @param {CryptoKey} key AES-GCM 256
 * @param {string} box base64url
 * @param {string} aad what the box has to be bound to
 * @returns {Promise<object>}
 */
export async function unseal(key, box, aad) {
  const bytes = fromBase64url(box);
  const algorithm = { name: 'AES-GCM', iv: bytes.subarray(0, 12), additionalData: utf8(aad) };
  const text = new TextDecoder().decode(await crypto.subtle.decrypt(algorithm, key, bytes.subarray(12)));
  const value = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Error('not an object');
  return value;
}

/**
 * The peer id of a session key.
 * @param {Uint8Array} key 32 bytes
 * @returns {Promise<string>} 22 characters
 */
export async function peerIdOf(key) {
  const digest = await crypto.subtle.digest('SHA-256', concat(utf8('lumamesh-peer-v1\0'), key));
  return toBase64url(new Uint8Array(digest, 0, 16));
}

/** Whether the node that holds the config's key runs the certificate that this session was made with. */
async function checkWelcome(welcome, config, nonce, id) {
  if (welcome.v !== 1) throw new LumameshError('version', `the relay speaks version ${welcome.v}`);
  if (welcome.node !== config.nk) throw new LumameshError('bad-welcome', 'not the node of the config');
  if (welcome.id !== id) throw new LumameshError('bad-welcome', 'not the peer id of our key');
  const fingerprint = Uint8Array.from(config.fingerprint.split(':'), (byte) => parseInt(byte, 16));
  const signed = concat(utf8('lumamesh-hello-v1\0'), nonce, fingerprint);
  let genuine = false;
  try {
    const key = await crypto.subtle.importKey('raw', fromBase64url(config.nk), 'Ed25519', false, ['verify']);
    genuine = await crypto.subtle.verify('Ed25519', key, fromBase64url(welcome.sig), signed);
  } catch (cause) {
    const missing = cause.name === 'NotSupportedError';
    if (missing) throw new LumameshError('unsupported', 'no Ed25519 here', { cause });
  }
  if (!genuine) throw new LumameshError('bad-signature', 'the welcome is not signed by the relay we know');
}

/** Events. A handler that throws is reported to the page and disturbs neither the others nor the library. */
class Emitter {
  #handlers = new Map();

  /**
   * @param {string} type
   * @param {Function} handler
   * @returns {Function} takes the handler away again
   */
  on(type, handler) {
    if (!this.#handlers.has(type)) this.#handlers.set(type, new Set());
    this.#handlers.get(type).add(handler);
    return () => this.off(type, handler);
  }

  /** Takes a handler away. */
  off(type, handler) {
    this.#handlers.get(type)?.delete(handler);
  }

  _emit(type, ...details) {
    for (const handler of [...(this.#handlers.get(type) ?? [])]) {
      try {
        handler(...details);
      } catch (error) {
        (globalThis.reportError ?? console.error)(error);
      }
    }
  }
}

// ---- Link: one session with one relay -----------------------------------------------------------

class Link {
  #env;
  #pc;
  #channel;
  #waiting = new Map(); // re → { resolve, reject, timer }
  #requests = 0;
  #unanswered = 0; // pings since the last sign of life
  #timer;
  #end;

  constructor(config, env) {
    this.config = config;
    this.#env = env;
    this.welcome = null;
    this.rtt = null;
    /** What is not the reply to a request. @type {function(object): void} */
    this.onmessage = () => {};
    /** Resolves, with the reason, when the session is over; never rejects. */
    this.ended = new Promise((resolve) => { this.#end = resolve; });
  }

  /** Resolves when the relay has said a `welcome` that proves who it is. */
  open(key, id) {
    const late = () => this.close(new LumameshError('timeout', 'the relay does not answer'));
    this.#timer = setTimeout(late, this.#env.timing.open);
    const opened = this.#open(key, id).catch((error) => {
      this.close(error);
      throw error;
    });
    return Promise.race([opened, this.ended.then((reason) => { throw reason; })]);
  }

  async #open(key, id) {
    const pc = this.#pc = new this.#env.RTCPeerConnection();
    const channel = this.#channel = pc.createDataChannel('signal');
    const opened = new Promise((resolve) => { channel.onopen = resolve; });
    const lost = (why) => this.close(new LumameshError('relay-unavailable', why));
    channel.onclose = () => lost('the relay closed the session');
    channel.onmessage = ({ data }) => this.#message(data);
    pc.onconnectionstatechange = () => pc.connectionState === 'failed' && lost('the relay is out of reach');
    await pc.setLocalDescription();
    await pc.setRemoteDescription({ type: 'answer', sdp: relayAnswer(pc.localDescription.sdp, this.config) });
    await opened;
    const nonce = randomBytes(32);
    const hello = { action: 'hello', v: 1, nonce: toBase64url(nonce), key: toBase64url(key), client: CLIENT };
    const welcome = await this.request(hello);
    await checkWelcome(welcome, this.config, nonce, id);
    if (channel.readyState !== 'open') throw new LumameshError('relay-unavailable', 'the session ended');
    this.welcome = welcome;
    clearTimeout(this.#timer);
    this.#timer = setInterval(() => this.#ping(), this.#env.timing.ping);
  }

  /**
   * The browser alone does not notice a relay that was restarted: the new process answers the old session's
   * ICE checks, and only messages go nowhere. So messages are what is checked.
   */
  #ping() {
    const silent = new LumameshError('relay-unavailable', 'the relay fell silent');
    if (this.#unanswered === 2) return this.close(silent);
    this.#unanswered += 1;
    const sent = performance.now();
    const measure = () => { this.rtt = performance.now() - sent; };
    this.request({ action: 'ping', t: Math.round(sent) }).then(measure, () => {});
  }

  #message(text) {
    this.#unanswered = 0;
    let message;
    try {
      message = JSON.parse(text);
    } catch { /* counted below */ }
    if (typeof message?.action !== 'string') {
      this.#env.stats.malformed += 1;
      return;
    }
    const request = this.#waiting.get(message.re);
    const failed = message.action === 'error';
    if (!request || !failed) this.onmessage(message);
    if (!request || message.more) return;
    this.#waiting.delete(message.re);
    clearTimeout(request.timer);
    if (failed) request.reject(new LumameshError(String(message.code), `the relay says: ${message.message}`));
    else request.resolve(message);
  }

  /**
   * Resolves with the reply; where it comes in parts with the last one, and `onmessage` has seen them all.
   */
  request(message) {
    return new Promise((resolve, reject) => {
      const re = `r${this.#requests += 1}`;
      const timer = setTimeout(() => {
        this.#waiting.delete(re);
        reject(new LumameshError('timeout', `no reply to ${message.action}`));
      }, this.#env.timing.request);
      this.#waiting.set(re, { resolve, reject, timer });
      if (!this.send({ ...message, re })) this.close(new LumameshError('relay-unavailable', 'cannot send'));
    });
  }

  /** Whether the message could be sent. */
  send(message) {
    if (this.#channel?.readyState !== 'open') return false;
    try {
      this.#channel.send(JSON.stringify(message));
      return true;
    } catch {
      return false;
    }
  }

  close(reason = new LumameshError('closed')) {
    clearTimeout(this.#timer);
    if (this.#channel) this.#channel.onclose = this.#channel.onmessage = null;
    this.#pc?.close();
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new LumameshError('relay-unavailable', 'the session with the relay ended', { cause: reason }));
    }
    this.#waiting.clear();
    this.#end(reason);
  }
}

// ---- Net: one identity and the relay it is reached by -------------------------------------------

/**
 * One identity in the network. Events: `status` (status, error) on every change and on every failed attempt
 * to reconnect; `error` (LumameshError) for complaints of the relay that belong to no call.
 */
class Net extends Emitter {
  #relays;
  #key = randomBytes(32);
  #timer;
  #onPageHide = (event) => event.persisted || this.close();

  constructor(relays, env) {
    super();
    this.#relays = relays;
    this._env = env;
    this._link = null;
    this._rooms = new Map();
    // Counters of signals by `room|peer`, kept as long as the identity: they must never fall back.
    this._sent = new Map(); // the next one
    this._seen = new Map(); // the last one
    /** This page's peer id, 22 characters; the same as long as the net lives. @type {string} */
    this.id = '';
    /** @type {'connecting'|'open'|'reconnecting'|'closed'} */
    this.status = 'connecting';
    /** The config of the relay in use, or last in use. @type {object} */
    this.relay = null;
    /**
     * What was ignored: `undecryptable` boxes, `replayed` (or reordered) and `unknown` (sender) signals,
     * `malformed` messages, `stale` steps of a negotiation that had moved on; `reconnects` to a relay.
     */
    this.stats = env.stats;
  }

  /** Round-trip time to the relay in milliseconds at the last ping, or null. @type {?number} */
  get rtt() {
    return this._link?.rtt ?? null;
  }

  async _start() {
    this.id = await peerIdOf(this.#key);
    this.#adopt(await this.#openAny());
    globalThis.addEventListener?.('pagehide', this.#onPageHide);
  }

  /** The first relay that opens wins. A relay that fails, or keeps us waiting, brings the next one in. */
  #openAny() {
    const running = new Set();
    const failures = [];
    let next = 0;
    return new Promise((resolve, reject) => {
      const start = () => {
        if (next === this.#relays.length) return;
        const link = new Link(this.#relays[next++], this._env);
        running.add(link);
        const stagger = setTimeout(start, this._env.timing.stagger);
        link.open(this.#key, this.id).finally(() => clearTimeout(stagger)).then(() => {
          running.delete(link);
          next = this.#relays.length;
          for (const loser of running) loser.close();
          resolve(link);
        }, (error) => {
          running.delete(link);
          failures.push(error);
          start();
          if (running.size > 0) return;
          const none = new LumameshError('no-relay', 'no relay can be used', { errors: failures });
          reject(failures.length === 1 ? error : none);
        });
      };
      start();
    });
  }

  #adopt(link) {
    if (this.status === 'closed') return link.close();
    this._link = link;
    this.relay = link.config;
    link.onmessage = (message) => this.#message(message);
    link.ended.then((reason) => this.#lost(link, reason));
    this.#setStatus('open');
    for (const room of this._rooms.values()) room._enter();
  }

  async #lost(link, reason) {
    if (this.status === 'closed' || this._link !== link) return;
    this._link = null;
    this.#setStatus('reconnecting', reason);
    for (let pause = this._env.timing.retry; this.status === 'reconnecting'; pause *= 2) {
      const wait = Math.min(pause, this._env.timing.retryMax) * (0.5 + Math.random() / 2);
      await new Promise((resolve) => { this.#timer = setTimeout(resolve, wait); });
      try {
        const found = await this.#openAny();
        this.stats.reconnects += 1;
        return this.#adopt(found);
      } catch (error) {
        if (this.status === 'reconnecting') this.#setStatus('reconnecting', error);
      }
    }
  }

  #setStatus(status, error) {
    this.status = status;
    this._emit('status', status, error);
  }

  #message(message) {
    if (message.action !== 'error') return this._rooms.get(message.room)?._message(message);
    const error = new LumameshError(String(message.code), `the relay says: ${message.message}`);
    // Somebody else with our key: two sessions would throw each other out for ever, so this one yields.
    if (error.code === 'replaced') this.#shut(error);
    // A signal to a peer that has just left is no news: its `peer-left` is on the way.
    else if (error.code !== 'no-such-peer') this._emit('error', error);
    // The relay waits for its pages to go before it ends; a session with another one is a moment away.
    if (error.code === 'shutting-down') this._link?.close(error);
  }

  /**
   * Enters a room. Who knows the name and the secret is in it; a room need not be made. While the relay is
   * out of reach this waits for it. Members that are there already are told by `peer` events: handlers
   * attached in the task in which this promise resolves miss none. After a reconnection the room is entered
   * again by itself.
   * @param {string} name not empty, without U+0000
   * @param {{nick?: string, secret?: string}} [options] nick: shown to the members, at most about 700 bytes
   * @returns {Promise<Room>}
   * @throws {LumameshError} `bad-argument`, `already-joined`, `closed`, `timeout`, or what the relay says:
   *   `room-full`, `too-many-rooms`, `rate-limited`
   */
  async joinRoom(name, { nick = '', secret = '' } = {}) {
    const strings = [name, nick, secret].every((text) => typeof text === 'string');
    if (!strings || name === '' || name.includes('\0')) {
      throw new LumameshError('bad-argument', 'name, nick and secret are strings, the name is not empty');
    }
    const { id, keyBytes } = await deriveRoom(name, secret);
    const key = await crypto.subtle.importKey('raw', keyBytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
    const info = await seal(key, { nick }, `lumamesh-v1|info|${id}|${this.id}`);
    if (info.length > 1024) throw new LumameshError('bad-argument', 'the nick is too long');
    if (this.status === 'closed') throw new LumameshError('closed', 'the net is closed');
    if (this._rooms.has(id)) throw new LumameshError('already-joined', 'this net is in that room already');
    const room = new Room(this, { id, key, info, name, nick });
    this._rooms.set(id, room);
    await room._first();
    return room;
  }

  /** Leaves every room, closes every channel and the session with the relay, for good. */
  close() {
    this.#shut(new LumameshError('closed', 'the net is closed'));
    for (const room of [...this._rooms.values()]) room._end();
  }

  /** Ends what has to do with relays; channels that are open stay. */
  #shut(reason) {
    if (this.status === 'closed') return;
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.('pagehide', this.#onPageHide);
    this.#setStatus('closed', reason);
    this._link?.close(reason);
    this._link = null;
  }
}

/**
 * Connects to the first usable relay of a list. They are tried in order, the next one joining in when one
 * fails or is slow. Later the net finds a relay again by itself, with growing pauses, when it loses its own.
 * @param {object} options
 * @param {Array<object|string>} options.relays configs or blobs
 * @param {Function} [options.RTCPeerConnection] the constructor to use, for pages that wrap it and for tests
 * @param {object} [options.timing] replaces waiting times, in milliseconds, for tests
 * @returns {Promise<Net>}
 * @throws {LumameshError} `bad-argument`, `bad-config`, `unsupported`; with one relay what was wrong with it
 *   (`timeout`, `bad-signature`, …), with several `no-relay`, whose `errors` has the error of each
 */
export async function connect({ relays, RTCPeerConnection = globalThis.RTCPeerConnection, timing } = {}) {
  if (!Array.isArray(relays) || !relays.length) throw new LumameshError('bad-argument', 'relays is a list');
  const toConfig = (relay) => (typeof relay === 'string' ? decodeRelayConfig(relay) : checkConfig(relay));
  const configs = relays.map(toConfig);
  if (!RTCPeerConnection) throw new LumameshError('unsupported', 'there is no WebRTC here');
  if (!globalThis.crypto?.subtle) throw new LumameshError('unsupported', 'no WebCrypto: is the page secure?');
  const stats = { undecryptable: 0, replayed: 0, unknown: 0, malformed: 0, stale: 0, reconnects: 0 };
  const net = new Net(configs, { RTCPeerConnection, stats, timing: { ...TIMING, ...timing } });
  await net._start();
  return net;
}

// ---- Room: members, as the relay lists them, and the peers we have with them --------------------

/**
 * A room. Events: `peer` (peer) when a member was found, before its channel opens; `leave` (peer) when it is
 * gone, exactly once for each `peer`, whether or not the channel ever opened; `error` (LumameshError):
 * `peer-unreachable`, or the relay refused the room after a reconnection (it is tried again).
 *
 * A member is gone when its channel ends, or when the relay says so before there is an open channel. With an
 * open one whose connection lives the relay's word does not count: the end is the channel's own. A member
 * that the relay still lists after its channel broke is sought quietly: it gets a new `peer` event when a new
 * channel is open.
 */
class Room extends Emitter {
  #info;
  #key;
  #members = new Map(); // id → nick, everyone the relay lists and whose info we can read
  #listed = new Set(); // ids heard of since we last entered
  #peers = new Map();
  #entered;
  #open; // lets the queue run
  #queue = new Promise((resolve) => { this.#open = resolve; }); // what the relay says, one after the other
  #outbox = Promise.resolve(); // what we signal, in the order of its counters
  #turn = null;
  #turnUntil = 0;
  #timer;

  constructor(net, { id, key, info, name, nick }) {
    super();
    this._net = net;
    /** 64 hex digits: what the relay knows the room by. @type {string} */
    this.id = id;
    /** As given to joinRoom(). @type {string} */
    this.name = name;
    /** What the other members see. @type {string} */
    this.nick = nick;
    /** Whether the room was left. @type {boolean} */
    this.left = false;
    this.#key = key;
    this.#info = info;
  }

  /** The members found so far, also those whose channel is not open yet. @type {Peer[]} */
  get peers() {
    return [...this.#peers.values()].filter((peer) => peer._announced);
  }

  /**
   * Sends a JSON value to every peer whose channel is open and takes it.
   * @param {*} value
   * @returns {number} how many that were
   * @throws {LumameshError} `bad-argument`, `too-large`
   */
  broadcast(value) {
    const text = toText(value);
    return this.peers.filter((peer) => {
      try {
        peer._write(text);
        return true;
      } catch {
        return false;
      }
    }).length;
  }

  /**
   * Leaves the room: every peer of it closes at once. Resolves when the relay knows, or cannot be told.
   */
  async leave() {
    if (this.left) return;
    this._end();
    await this._net._link?.request({ action: 'leave', room: this.id }).catch(() => {});
  }

  _end(reason = new LumameshError('closed', 'the room was left')) {
    this.left = true;
    clearTimeout(this.#timer);
    this.#entered?.reject(reason);
    this._net._rooms.delete(this.id);
    for (const peer of [...this.#peers.values()]) peer._end();
  }

  /** The first entry. The queue starts a task later, so that the caller has its handlers in place. */
  async _first() {
    const entered = new Promise((resolve, reject) => { this.#entered = { resolve, reject }; });
    const late = () => this._end(new LumameshError('timeout', 'no relay let us in'));
    this.#timer = setTimeout(late, this._net._env.timing.join);
    if (this._net._link) this._enter();
    await entered;
    this.#entered = null;
    clearTimeout(this.#timer);
    setTimeout(this.#open);
  }

  /** Enters on the net's present link. */
  async _enter() {
    const link = this._net._link;
    this.#queue = this.#queue.then(() => this.#listed.clear()); // after all that the last link had to say
    this.#askTurn(link);
    try {
      await link.request({ action: 'join', room: this.id, info: this.#info });
      this.#entered?.resolve();
    } catch (error) {
      // Where the link has gone, the next one enters.
      if (this.left || this._net._link !== link || error.code === 'relay-unavailable') return;
      if (this.#entered) return this._end(error);
      this._emit('error', error);
      this.#timer = setTimeout(() => this._net._link === link && this._enter(), this._net._env.timing.rejoin);
    }
  }

  #askTurn(link) {
    if (!link?.welcome.turn) return;
    const take = ({ urls, username, credential, ttl }) => {
      this.#turnUntil = Date.now() + ttl * 500; // Half of the ttl, which is in seconds.
      return { urls, username, credential };
    };
    this.#turnUntil = Infinity;
    this.#turn = link.request({ action: 'turn', room: this.id }).then(take).catch(() => null);
  }

  /** The relay answers as a STUN server for everybody, and as a TURN server where it says so. */
  async _iceServers() {
    if (Date.now() > this.#turnUntil) this.#askTurn(this._net._link);
    const { host, ip, ip6, port } = this._net.relay;
    return [{ urls: `stun:${ip ?? host ?? `[${ip6}]`}:${port}` }, await this.#turn].filter(Boolean);
  }

  _message(message) {
    this.#queue = this.#queue.then(() => this.left || this.#handle(message)).catch(() => {
      this._net.stats.malformed += 1;
    });
  }

  async #handle({ action, peers, peer, id, more, from, data }) {
    if (action === 'joined') {
      for (const member of peers) await this.#member(member, true);
      if (more) return;
      for (const known of [...this.#members.keys()]) if (!this.#listed.has(known)) this.#gone(known);
    } else if (action === 'peer-joined') {
      await this.#member(peer, false);
    } else if (action === 'peer-left') {
      this.#gone(id);
    } else if (action === 'signal') {
      await this.#signal(from, data);
    }
  }

  /** A member that the relay names. The newcomer makes the offer, so we do if it was here before us. */
  async #member({ id, info }, before) {
    if (typeof id !== 'string' || id === this._net.id) return;
    let nick;
    try {
      ({ nick } = await unseal(this.#key, info, `lumamesh-v1|info|${this.id}|${id}`));
    } catch {
      this._net.stats.undecryptable += 1;
      return;
    }
    if (this.left) return;
    this.#listed.add(id);
    this.#members.set(id, typeof nick === 'string' ? nick : '');
    const known = this.#peers.get(id);
    const peer = known ?? this.#addPeer(id, true);
    if (known) known.nick = this.#members.get(id);
    if (peer.state === 'connecting') peer._begin(before);
  }

  #addPeer(id, announced) {
    const peer = new Peer(this, id, this.#members.get(id), announced);
    this.#peers.set(id, peer);
    if (announced) this._emit('peer', peer);
    return peer;
  }

  #gone(id) {
    this.#members.delete(id);
    this.#listed.delete(id);
    this.#peers.get(id)?._unlisted();
  }

  async #signal(from, data) {
    const { stats, _seen, id } = this._net;
    if (!this.#members.has(from)) {
      stats.unknown += 1;
      return;
    }
    let signal;
    try {
      signal = await unseal(this.#key, data, `lumamesh-v1|signal|${this.id}|${from}|${id}`);
    } catch {
      stats.undecryptable += 1;
      return;
    }
    const pair = `${this.id}|${from}`;
    if (!Number.isSafeInteger(signal.n) || signal.n <= (_seen.get(pair) ?? -1)) {
      stats.replayed += 1;
      return;
    }
    _seen.set(pair, signal.n);
    if (!this.left) (this.#peers.get(from) ?? this.#addPeer(from, false))._signal(signal);
  }

  _send(to, signal) {
    const { _sent, id } = this._net;
    const pair = `${this.id}|${to}`;
    this.#outbox = this.#outbox.then(async () => {
      const n = _sent.get(pair) ?? 0;
      _sent.set(pair, n + 1);
      const data = await seal(this.#key, { ...signal, n }, `lumamesh-v1|signal|${this.id}|${id}|${to}`);
      this._net._link?.send({ action: 'signal', room: this.id, to, data });
    });
  }

  _lists(id) {
    return !this.left && this.#members.has(id);
  }

  /**
   * A peer closed. If the relay still lists it, a successor follows, which the page hears of once it is open.
   */
  _ended(peer) {
    this.#peers.delete(peer.id);
    if (peer._announced) this._emit('leave', peer);
    if (this._lists(peer.id) && !this.#peers.has(peer.id)) this.#addPeer(peer.id, false)._begin(false);
    return this.#peers.get(peer.id);
  }
}

// ---- Peer: one connection with one member -------------------------------------------------------

/**
 * A frame is a JSON text whose first character says what follows: `.` the (last) piece of a message, `+` a
 * piece with more to come, `?` a ping and `!` its echo. The channel is ordered, so pieces need no numbers.
 */
function toText(value) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new LumameshError('bad-argument', 'not a JSON value', { cause });
  }
  if (text === undefined) throw new LumameshError('bad-argument', 'not a JSON value');
  if (text.length > MAX_MESSAGE) throw new LumameshError('too-large', `more than ${MAX_MESSAGE} characters`);
  return text;
}

/** The session id in an SDP's origin line (RFC 8829 section 5.2.1): another one means another connection. */
const originOf = (sdp) => /^o=\S+ (\S+)/m.exec(sdp ?? '')?.[1];

/**
 * Another member of the room. Events: `open` once, when messages can be sent; `data` (value) for each
 * message, in the order of sending; `close` once, at the end, also if it never opened; `path` (path) when the
 * path is known or changed.
 */
class Peer extends Emitter {
  #pc = null;
  #channel = null;
  #work = Promise.resolve(); // steps of the negotiation, one after the other
  #attempts = 0;
  #timer;
  #ignored = false; // perfect negotiation: the last offer was ignored, so its candidates fail
  #pieces = [];
  #size = 0;
  #pings = new Map(); // token → { sent, resolve, reject, timer }
  #token = 0;

  constructor(room, id, nick, announced) {
    super();
    this._room = room;
    this._announced = announced;
    /** 22 characters, the same as long as that page is open. @type {string} */
    this.id = id;
    /** What that page calls itself: text from a stranger. @type {string} */
    this.nick = nick;
    /** @type {'connecting'|'open'|'closed'} */
    this.state = 'connecting';
    /** From page to page or over a TURN relay; null while unknown. @type {?('direct'|'relay')} */
    this.path = null;
  }

  /**
   * Sends any JSON value. Long ones are cut in pieces and arrive whole.
   * @param {*} value
   * @throws {LumameshError} `not-open`, `bad-argument`, `too-large`, or `queue-full`: the peer reads slowly
   */
  send(value) {
    this._write(toText(value));
  }

  /**
   * Measures the time to the peer and back.
   * @returns {Promise<number>} milliseconds
   * @throws {LumameshError} `not-open`, `timeout`
   */
  async ping() {
    this.#checkOpen();
    this.#findPath();
    const token = String(this.#token += 1);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pings.delete(token);
        reject(new LumameshError('timeout', 'no echo'));
      }, this._room._net._env.timing.request);
      this.#pings.set(token, { sent: performance.now(), resolve, reject, timer });
      this.#frame('?', token);
    });
  }

  #checkOpen() {
    if (this.state === 'open' && this.#channel.readyState === 'open') return;
    throw new LumameshError('not-open', `the channel is ${this.state}`);
  }

  _write(text) {
    this.#checkOpen();
    const free = MAX_BUFFERED - this.#channel.bufferedAmount;
    if (text.length * 3 > free) throw new LumameshError('queue-full', 'too much is waiting to be sent');
    let at = 0;
    while (text.length - at > FRAME_UNITS) {
      // Cut between characters: half of a surrogate pair would not survive.
      const end = at + FRAME_UNITS - (text.codePointAt(at + FRAME_UNITS - 1) > 0xffff ? 1 : 0);
      this.#frame('+', text.slice(at, end));
      at = end;
    }
    this.#frame('.', text.slice(at));
  }

  #frame(kind, body) {
    try {
      this.#channel.send(kind + body);
    } catch (cause) {
      this._end(); // A message that breaks off in the middle must not be taken for a whole one.
      throw new LumameshError('not-open', 'the channel broke', { cause });
    }
  }

  #receive(frame) {
    const kind = typeof frame === 'string' ? frame[0] : '';
    const body = kind ? frame.slice(1) : '';
    if (kind === '+' || kind === '.') {
      this.#pieces.push(body);
      this.#size += body.length;
      if (this.#size > MAX_MESSAGE) return this._end(); // It would fill our memory.
      if (kind === '+') return;
      const text = this.#pieces.join('');
      this.#pieces = [];
      this.#size = 0;
      let value;
      try {
        value = JSON.parse(text);
      } catch {
        this.#stats.malformed += 1;
        return;
      }
      this._emit('data', value);
    } else if (kind === '?') {
      // A peer that asks faster than it reads gets no echo.
      const { readyState, bufferedAmount } = this.#channel;
      const willing = body.length < 32 && bufferedAmount < MAX_BUFFERED / 8;
      if (willing && readyState === 'open') this.#frame('!', body);
    } else if (kind === '!') {
      const ping = this.#pings.get(body);
      this.#pings.delete(body);
      clearTimeout(ping?.timer);
      ping?.resolve(performance.now() - ping.sent);
    } else {
      this.#stats.malformed += 1;
    }
  }

  get #stats() {
    return this._room._net.stats;
  }

  /** Perfect negotiation: who has the smaller id gives way when two offers cross. */
  get #polite() {
    return this._room._net.id < this.id;
  }

  /** Starts what shall lead to an open channel, perhaps anew: with our offer, or waiting for theirs. */
  _begin(offer) {
    this.#attempts = 0;
    if (offer) return this.#offer();
    // Two that entered at two nodes of a mesh at once take each other for the newcomer; then nobody offers.
    this.#arm(this._room._net._env.timing.offer * (this.#polite ? 2 : 1));
  }

  #arm(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this._room._net._link) this.#offer();
      else this.#arm(wait); // Nothing can be signalled now; entering the room again begins anew.
    }, wait);
  }

  /** Gives a new attempt its time. The polite one waits longer, so that both do not start anew at once. */
  #armAttempt() {
    const { attempt, attemptMax } = this._room._net._env.timing;
    this.#arm(Math.min(attempt * 2 ** this.#attempts, attemptMax) * (this.#polite ? 1.3 : 1));
    this.#attempts += 1;
    if (this.#attempts !== 2 || !this._announced) return;
    const error = new LumameshError('peer-unreachable', `no connection with ${this.id} yet`, { peer: this });
    this._room._emit('error', error);
  }

  #offer() {
    this.#armAttempt();
    this.#step(async () => {
      await this.#connection();
      await this.#describe();
    });
  }

  /**
   * Runs a step after all before it. What fails was overtaken by events; if it mattered the timer tries anew.
   */
  #step(step) {
    const run = () => this.state !== 'closed' && step();
    this.#work = this.#work.then(run).catch(() => { this.#stats.stale += 1; });
  }

  async #connection() {
    const iceServers = await this._room._iceServers();
    if (this.state === 'closed') throw new LumameshError('closed');
    this.#drop();
    const pc = this.#pc = new this._room._net._env.RTCPeerConnection({ iceServers });
    // Both ends make the same channel by agreement, so it does not matter whose offer wins.
    const channel = this.#channel = pc.createDataChannel('lumamesh', { negotiated: true, id: 0 });
    channel.onopen = () => this.#opened();
    channel.onmessage = ({ data }) => this.#receive(data);
    channel.onclose = () => this.state === 'open' && this._end();
    pc.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) this._room._send(this.id, { candidate: candidate.toJSON() });
    };
    pc.onconnectionstatechange = () => this.#connectionState(pc.connectionState);
  }

  #drop() {
    if (!this.#pc) return;
    this.#pc.onicecandidate = this.#pc.onconnectionstatechange = null;
    this.#channel.onopen = this.#channel.onmessage = this.#channel.onclose = null;
    this.#pc.close();
    this.#pc = this.#channel = null;
  }

  /** Makes the description that is due, offer or answer, and sends it as the browser made it. */
  async #describe() {
    await this.#pc.setLocalDescription();
    this.#sendDescription();
  }

  #sendDescription() {
    const { type, sdp } = this.#pc.localDescription;
    this._room._send(this.id, { description: { type, sdp } });
  }

  _signal(signal) {
    const { description, candidate } = signal;
    const renewed = description?.type === 'offer' && this.#isRenewed(description);
    // The other page gave up the connection that we still hold: ours ends, and its successor takes the offer.
    if (renewed && this.state === 'open') this._end()?._signal(signal);
    else this.#step(() => (description ? this.#described(description) : this.#candidate(candidate)));
  }

  #isRenewed({ sdp }) {
    const known = originOf(this.#pc?.remoteDescription?.sdp);
    return known !== undefined && known !== originOf(sdp);
  }

  async #described({ type, sdp }) {
    if (type === 'answer') {
      this.#ignored = false;
      return this.#pc.setRemoteDescription({ type, sdp });
    }
    if (!this.#pc || this.#isRenewed({ sdp })) {
      this.#armAttempt();
      await this.#connection();
    }
    this.#ignored = this.#pc.signalingState !== 'stable' && !this.#polite;
    // Ours may have been lost while the other page had no relay: to insist means to say it again.
    if (this.#ignored) return this.#sendDescription();
    await this.#pc.setRemoteDescription({ type, sdp });
    await this.#describe();
  }

  async #candidate(candidate) {
    if (!this.#ignored) await this.#pc.addIceCandidate(candidate);
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#attempts = 0;
    this.state = 'open';
    if (!this._announced) {
      this._announced = true;
      this._room._emit('peer', this);
    }
    this._emit('open');
    this.#findPath();
  }

  #connectionState(state) {
    if (this.state !== 'open') return; // The attempt's own timer decides.
    if (state === 'connected') {
      clearTimeout(this.#timer);
      this.#findPath();
    } else if (state === 'failed') {
      if (!this._room._lists(this.id) || !this._room._net._link) return this._end();
      this.#timer = setTimeout(() => this._end(), this._room._net._env.timing.restart);
      if (this.#polite) return;
      this.#step(() => {
        this.#pc.restartIce();
        return this.#describe();
      });
    }
  }

  async #findPath() {
    const stats = await this.#pc?.getStats().catch(() => null);
    if (!stats || this.state !== 'open') return;
    const all = [...stats.values()];
    const transport = all.find(({ type, selectedCandidatePairId: id }) => type === 'transport' && id);
    const pair = stats.get(transport?.selectedCandidatePairId)
      ?? all.find(({ nominated, state }) => nominated && state === 'succeeded');
    if (!pair) return;
    const kinds = [pair.localCandidateId, pair.remoteCandidateId].map((id) => stats.get(id)?.candidateType);
    const path = kinds.includes('relay') ? 'relay' : 'direct';
    if (path === this.path) return;
    this.path = path;
    this._emit('path', path);
  }

  /** The relay lists the member no longer: that ends what is not an open and living channel. */
  _unlisted() {
    if (this.state !== 'open' || this.#pc.connectionState !== 'connected') this._end();
  }

  /** Returns the peer's successor, if there is one. */
  _end() {
    if (this.state === 'closed') return undefined;
    this.state = 'closed';
    clearTimeout(this.#timer);
    this.#drop();
    for (const { reject, timer } of this.#pings.values()) {
      clearTimeout(timer);
      reject(new LumameshError('not-open', 'the channel closed'));
    }
    this.#pings.clear();
    this._emit('close');
    return this._room._ended(this);
  }
}
