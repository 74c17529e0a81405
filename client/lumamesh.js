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
 * relay. Layers, top down: Net (one identity, the relays it is reached by) → Room (members, sealing, who is
 * linked with whom) → Peer (one connection); beside them Link (one session with one relay). Members whose name
 * begins with `_` are for this file alone: the build gives them short names.
 */

const CLIENT = 'lumamesh.js/0.2';

// Whatever a peer, a relay or a web server can fill has its maximum here.
/** Most addresses that a config may have besides `ip` and `ip6`. */
const MAX_ALT = 8;
/** Relays of a list, and node records that are remembered. */
const MAX_RELAYS = 64;
const MAX_NODES = 16;
/** Bytes of a relay list or of an answer of a DNS server; characters of one node record. */
const MAX_FETCH = 65_536;
const MAX_RECORD = 2048;
/** Members of a room that are listened to; pairs whose signals are counted; what waits to be worked off. */
const MAX_MEMBERS = 1024;
const MAX_PAIRS = 4096;
const MAX_WAITING = 4096;
/** Bytes of a frame: 64 kB is what everybody takes. Characters of a value that goes in one frame. */
const FRAME = 65_536;
const SMALL = 16_000;
/** Bytes of a Blob that are read at a time, and that are gathered before they become part of one. */
const BLOCK = 1 << 20;
/** Bytes waiting in the browser's queue: no more are put in, more are put in again. */
const HIGH = 1 << 20;
const LOW = 1 << 18;
/** From here on there is no echo either: more than our own long messages fill it to. */
const ENOUGH = 2e6;
/** Bytes in the queue from which on an unreliable message is old news, and dropped. */
const STALE = 1 << 16;
/** Messages that may come in at once from one peer, requests of one that are being answered. */
const MAX_INCOMING = 16;
const MAX_REQUESTS = 64;
/** Bytes of JSON that may wait for one peer; more throw `queue-full`. */
const MAX_QUEUE = 1 << 26;
/** Broadcasts that are remembered, to hear each of them once. */
const MAX_HEARD = 16_384;

/** All waiting times, in milliseconds. `connect()` takes replacements, for tests. */
const TIMING = {
  stagger: 500, // A relay that is silent this long gets company from the next one in the list.
  open: 8_000, // A relay that has not said `welcome` by then counts as failed.
  request: 10_000, // Longest wait for a reply, from the relay or to a peer's ping.
  ping: 1_000, // Two pings in a row without a sign of life end the session: noticed within 4 s.
  retry: 500, // Pause before the first reconnection; doubles, with jitter, up to retryMax.
  retryMax: 15_000, // Also before a room that a relay refused on reconnection is tried again.
  stable: 10_000, // A session that lived this long lets the pauses begin anew.
  fetch: 1_500, // For the addresses of a relay's name; a relay list has three times as long.
  join: 20_000, // joinRoom() gives up after this long without a relay.
  offer: 1_500, // How long a member waits for a newcomer's offer before it makes one itself.
  attempt: 15_000, // A connection that is not open by then is made anew; doubles up to attemptMax.
  attemptMax: 60_000,
  restart: 10_000, // How long an ICE restart may take before the channel is given up.
  probe: 3_000, // After sleep: a peer that has not echoed by then gets an ICE restart.
  choose: 50, // Changes of a room's members are gathered this long before links are chosen.
  unlink: 10_000, // A link that is no longer of use ends after this long.
};

/** What an error means, or what to do about it. */
const HINTS = {
  'no-webrtc': 'needs RTCPeerConnection',
  'insecure-context': 'needs https',
  unsupported: 'needs Ed25519',
  'relay-unreachable': 'a firewall?',
  undecryptable: 'not the same secret?',
  'peer-unreachable': 'TURN helps',
};

/**
 * Every error that this library throws, rejects with or emits. Its message says what to do about it.
 *
 * `code` is one of: `bad-argument`; `bad-config` (not a relay's config, blob or list); `no-webrtc`;
 * `insecure-context` (no WebCrypto: not https); `unsupported` (no Ed25519); `aborted` (by your AbortSignal);
 * `relay-unreachable` (`tried`: the ways it was tried); `relay-lost` (a session that was open ended);
 * `bad-welcome` and `bad-signature` (the relay is not the one in its config); `no-relay` (several relays, none
 * usable: `errors` has the error of each); `timeout`; `closed`; `replaced` (another session took over this
 * identity); `already-joined`; `undecryptable` (a member whose messages do not open: `id`); `not-open`;
 * `too-large`; `queue-full`; `unreadable` (a Blob that cannot be read); `request-failed` (the peer's answer is
 * an error); `peer-unreachable` (the first attempt to connect with `peer` failed; more follow); or a code of
 * the relay as it is (`room-full`, `too-many-rooms`, `rate-limited`, `version`, …).
 */
export class LumameshError extends Error {
  /**
   * @param {string} code
   * @param {string} [detail]
   * @param {object} [more] further members: `cause`, `errors`, `id`, `peer`, `tried`
   */
  constructor(code, detail = code, more = {}) {
    super(HINTS[code] ? `${detail}: ${HINTS[code]}` : detail);
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
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Takes only the one spelling that toBase64url() makes: no padding, no white space, no stray bits. */
function fromBase64url(text) {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  if (toBase64url(bytes) !== text) throw new Error();
  return bytes;
}

const isString = (value) => typeof value === 'string';
const matches = (pattern) => (value) => isString(value) && pattern.test(value);
const isInteger = Number.isSafeInteger;
const isPort = (value) => isInteger(value) && value > 0 && value < 65536;
const isHost = matches(/^(?=.{1,253}$)((?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!$)|$))+$/);

const isIPv4 = (value) => matches(/^(\d+\.){3}\d+$/)(value)
  && value.split('.').every((byte) => byte < 256 && byte === `${+byte}`);

/** The one spelling of an IP address that is meant (RFC 5952). */
const canonical = (address) => (
  address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address
);

/** Without those that hold an IPv4 address (RFC 4291 section 2.5.5): nobody is reached at them. */
const isIPv6 = (value) => matches(/^[0-9A-Fa-f:.]{2,45}$/)(value) && URL.canParse(`http://[${value}]`)
  && !/^::(ffff:)?[0-9a-f]+:[0-9a-f]+$/.test(canonical(value));

const isAddress = (value) => isIPv4(value) || isIPv6(value);
const isAlt = (value) => Array.isArray(value) && value.length > 0 && value.length <= MAX_ALT
  && value.every(isAddress);

/** 32 bytes in base64url, which leaves the last two bits of the last character unused. */
const isNodeKey = matches(/^[\w-]{42}[AEIMQUYcgkosw048]$/);

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

/** All IP addresses of a config, the best first. */
const addressesOf = ({ ip, ip6, alt = [] }) => [ip, ip6, ...alt].filter(Boolean);

/** The same, or the name where there are none: not every browser looks names up in candidates. */
const placesOf = (config) => {
  const addresses = addressesOf(config);
  return addresses.length ? addresses : [config.host];
};

const inUrl = (address) => (address.includes(':') ? `[${address}]` : address);

/** The first of each family, where there are both: who has one alone learns its address from that one. */
const stunOf = (config) => ({
  urls: [/^[^:]+$/, /:/].flatMap((family) => placesOf(config).find((place) => family.test(place)) ?? [])
    .map((place) => `stun:${inUrl(place)}:${config.port}`),
});

/**
 * Says a candidate of this machine, and before it what a STUN server will most likely say of it: the address that
 * we were seen at before (an IPv4 one if there is any) with the same port, which most routers keep. Where that is
 * right a round trip is gained, where it is wrong nothing is lost.
 */
function foresee(env, found, say = ignore) {
  if (!found?.candidate) return;
  const { type, address, port, candidate } = found;
  if (type === 'srflx') env.seen = /\./.test(address) ? address : env.seen ?? address;
  // Port 9 means that there is none.
  if (type === 'host' && port > 9 && env.seen) {
    say({ ...found.toJSON?.(), candidate: candidate.replace(address, env.seen) });
  }
  say(found);
}

/** The known members of a config, checked, in the blob's order; those of later versions are left out. */
function checkConfig(config) {
  if (Object(config) !== config) throw new LumameshError('bad-config');
  const known = {};
  for (const [name, valid] of Object.entries(CONFIG)) {
    if (config[name] === undefined && /^(alt|host|ip6?|tcp)$/.test(name)) continue;
    if (!valid(config[name])) throw new LumameshError('bad-config', name);
    known[name] = config[name];
  }
  if (known.ip6) known.ip6 = canonical(known.ip6);
  if (known.alt) known.alt = known.alt.map(canonical);
  const addresses = addressesOf(known);
  if (!addresses.length && !known.host) throw new LumameshError('bad-config', 'ip');
  const repeated = new Set(addresses).size < addresses.length;
  if (repeated) throw new LumameshError('bad-config', 'alt');
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
    if (!/^[ -[\]-~]*$/.test(json)) throw new Error();
    config = JSON.parse(json);
  } catch (cause) {
    throw new LumameshError('bad-config', undefined, { cause });
  }
  return checkConfig(config);
}

/** A relay's candidate lines. */
function candidatesOf(config) {
  const places = placesOf(config);
  // Each has a foundation of its own; what counts down in the priority is the local preference (RFC 8445
  // section 5.1.2.1).
  return [
    [config.port, 'udp', 2130706431, ''], [config.tcp, 'tcp', 1015021567, ' tcptype passive'],
  ].flatMap(([port, kind, top, more]) => (port ? places.map((place, i) => (
    `a=candidate:${kind}${i} 1 ${kind} ${top - 256 * i} ${place} ${port} typ host${more}\n`
  )) : []));
}

/**
 * The relay's answer to a page's offer. The relay never sees the offer, so the page writes the answer itself
 * from the config, and the DTLS fingerprint in it makes sure that nobody but this relay can take the call.
 * @param {string} offer the local description's SDP
 * @param {object} config
 * @returns {string} SDP
 */
export function relayAnswer(offer, config) {
  const mid = /^a=mid:(\S*)/m.exec(offer)?.[1] ?? '0';
  return `v=0
o=- 0 0 IN IP4 0.0.0.0
s=-
t=0 0
a=ice-lite
a=group:BUNDLE ${mid}
m=application ${config.port} UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:${mid}
a=ice-ufrag:${config.ufrag}
a=ice-pwd:${config.pwd}
a=fingerprint:sha-256 ${config.fingerprint}
a=setup:passive
a=sctp-port:5000
a=max-message-size:65536
${candidatesOf(config).join('')}a=end-of-candidates
`.replaceAll('\n', '\r\n');
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
  if (Object(value) !== value) throw new Error();
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

/** Whether the node made the signature; `unsupported` where nobody here can tell. */
async function verify(nk, sig, ...signed) {
  try {
    const key = await crypto.subtle.importKey('raw', fromBase64url(nk), 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', key, fromBase64url(sig), concat(...signed));
  } catch (cause) {
    const missing = cause.name === 'NotSupportedError';
    if (missing) throw new LumameshError('unsupported', undefined, { cause });
    return false;
  }
}

/** Whether the node that holds the config's key runs the certificate that this session was made with. */
async function checkWelcome(welcome, config, nonce, id) {
  if (welcome.v !== 1) throw new LumameshError('version');
  if (welcome.node !== config.nk || welcome.id !== id) throw new LumameshError('bad-welcome');
  const fingerprint = Uint8Array.from(config.fingerprint.split(':'), (byte) => parseInt(byte, 16));
  const genuine = await verify(config.nk, welcome.sig, utf8('lumamesh-hello-v1\0'), nonce, fingerprint);
  if (!genuine) throw new LumameshError('bad-signature');
}

/** What a node says of itself (section 5 of the protocol): its config and `seq`. Rejects what is not right. */
async function checkRecord({ record, sig }) {
  if (!isString(record) || record.length > MAX_RECORD) throw new Error();
  const { v, seq, features, ...config } = JSON.parse(record);
  const known = checkConfig(config);
  const timely = v === 1 && isInteger(seq) && seq < Date.now() + 600_000;
  if (!timely || !(await verify(known.nk, sig, utf8(`lumamesh-node-v1\0${record}`)))) throw new Error();
  return { config: known, seq, record, sig, serves: !features || features.includes('signal') };
}

// ---- Lists of relays, their names, and what is remembered of them -------------------------------

/** A text from the web, of bounded length and within bounded time. */
async function fetchText(env, url, ms, headers) {
  const { fetch } = env; // Browsers' own wants to be called without an object.
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(ms) });
  if (!response.ok) throw new Error(response.status);
  const reader = response.body.getReader();
  let bytes = new Uint8Array();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new TextDecoder().decode(bytes);
    bytes = concat(bytes, value);
    if (bytes.length > MAX_FETCH) {
      reader.cancel().catch(ignore);
      throw new Error();
    }
  }
}

const toConfig = (relay) => (isString(relay) ? decodeRelayConfig(relay) : checkConfig(relay));

/** The configs of a relay list: a JSON array of blobs and configs, or one blob a line; the others are passed over. */
async function fetchRelays(env, url) {
  let entries;
  try {
    const text = (await fetchText(env, url, env.timing.fetch * 3)).trim();
    entries = text[0] === '[' ? JSON.parse(text) : text.split(/\s*\n\s*/);
  } catch (cause) {
    throw new LumameshError('bad-config', 'relay list', { cause });
  }
  const configs = [];
  for (const entry of entries.slice(0, MAX_RELAYS)) {
    try {
      configs.push(toConfig(entry));
    } catch { /* Of another version, perhaps. */ }
  }
  if (!configs.length) throw new LumameshError('bad-config', 'relay list');
  return configs;
}

/** The config with the addresses that its name has today before those that it was printed with. */
async function lookUp(env, config) {
  const { host, ip, ip6, alt, ...rest } = config;
  if (!host || !env.dns || !env.fetch) return config;
  const ask = async (type) => {
    const url = `${env.dns}?name=${host}&type=${type}`;
    const { Answer } = JSON.parse(await fetchText(env, url, env.timing.fetch, { accept: 'application/dns-json' }));
    return Answer.map(({ data }) => data).filter(isAddress).map(canonical);
  };
  const answers = await Promise.all(['A', 'AAAA'].map((type) => ask(type).catch(() => [])));
  const all = new Set([...answers.flat(), ...addressesOf(config)]);
  return all.size ? { ...rest, host, alt: [...all].slice(0, MAX_ALT) } : config;
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
    const handlers = this.#handlers.get(type) ?? new Set();
    this.#handlers.set(type, handlers.add(handler));
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

const ignore = () => {};

/** The promise, or `aborted` as soon as the signal says so; `undo` then ends what was under way. */
function abortable(promise, signal, undo = ignore) {
  if (!signal) return promise;
  promise.catch(ignore);
  return new Promise((resolve, reject) => {
    const abort = () => {
      const error = new LumameshError('aborted', undefined, { cause: signal.reason });
      reject(error);
      undo(error);
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Replies that are waited for, by token, each with its deadline. */
class Replies extends Map {
  #token = 0;

  /** @returns {[number, Promise]} the token to send along, and what comes of it */
  _expect(ms, what) {
    const token = (this.#token += 1);
    return [token, new Promise((resolve, reject) => {
      const timer = setTimeout(() => this._settle(token, new LumameshError('timeout', what)), ms);
      this.set(token, (error, value) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve(value);
      });
    })];
  }

  _settle(token, error, value) {
    const settle = this.get(token);
    this.delete(token);
    settle?.(error, value);
  }

  _clear(error) {
    for (const token of this.keys()) this._settle(token, error);
  }
}

/** Makes the description that is due. (Not everybody outside browsers knows by itself which one that is.) */
const describe = async (pc) => pc.setLocalDescription(
  await (/remote/.test(pc.signalingState) ? pc.createAnswer() : pc.createOffer()),
);

/** The candidates of the way that a connection takes, ours and theirs, as getStats() tells of them. */
async function wayOf(pc) {
  const stats = await pc.getStats();
  const all = [...stats.values()];
  const pair = stats.get(all.find((one) => one.selectedCandidatePairId)?.selectedCandidatePairId)
    ?? all.find(({ nominated, state }) => nominated && state === 'succeeded');
  return [stats.get(pair.localCandidateId), stats.get(pair.remoteCandidateId)];
}

/** Closes a connection for good. Chromium may keep it for ever: its handlers must not keep us. */
function discard(pc, ...channels) {
  for (const target of [pc, ...channels]) {
    for (const name in target) if (/^on[a-z]/.test(name)) target[name] = null;
  }
  pc?.close();
}

// ---- Link: one session with one relay -----------------------------------------------------------

class Link {
  #env;
  #channel;
  #replies = new Replies();
  #unanswered = 0; // pings since the last sign of life
  #ticked; // when the timer was last seen
  #timer;
  #end;

  constructor(config, env) {
    this._config = config;
    this.#env = env;
    this._welcome = null;
    this._rtt = Infinity;
    this._listing = new Map(); // room → ids that its `joined` has named
    this._seen = new Map(); // `room|peer` → number of its last signal on this link
    /** What is not the reply to a request. @type {function(object): void} */
    this._onmessage = ignore;
    /** The page slept, or was held up for as long. @type {function(): void} */
    this._onGap = ignore;
    /** Resolves, with the reason, when the session is over; never rejects. */
    this._ended = new Promise((resolve) => { this.#end = resolve; });
  }

  /** Resolves when the relay has said a `welcome` that proves who it is. */
  _open(key, id) {
    const late = () => this.#unreachable();
    this.#timer = setTimeout(late, this.#env.timing.open);
    const opened = this.#open(key, id).catch((error) => {
      this._close(error);
      throw error;
    });
    return Promise.race([opened, this._ended.then((reason) => { throw reason; })]);
  }

  #unreachable() {
    const tried = candidatesOf(this._config).map((line) => {
      const [, , kind, , place, port] = line.split(' ');
      return `${kind} ${inUrl(place)}:${port}`;
    });
    this._close(new LumameshError('relay-unreachable', tried.join(', '), { tried }));
  }

  async #open(key, id) {
    this._config = await lookUp(this.#env, this._config);
    if (this.#end === ignore) throw new LumameshError('closed');
    const pc = this._pc = new this.#env.RTCPeerConnection();
    const channel = this.#channel = pc.createDataChannel('signal');
    const opened = new Promise((resolve) => { channel.onopen = resolve; });
    const lost = () => (this._welcome ? this._close(new LumameshError('relay-lost')) : this.#unreachable());
    channel.onclose = lost;
    channel.onmessage = ({ data }) => this.#message(data);
    pc.onconnectionstatechange = () => pc.connectionState === 'failed' && lost();
    await describe(pc);
    await pc.setRemoteDescription({ type: 'answer', sdp: relayAnswer(pc.localDescription.sdp, this._config) });
    await opened;
    const nonce = randomBytes(32);
    const hello = { action: 'hello', v: 1, nonce: toBase64url(nonce), key: toBase64url(key), client: CLIENT };
    const welcome = await this._request(hello);
    await checkWelcome(welcome, this._config, nonce, id);
    this._welcome = welcome;
    this._since = this.#ticked = performance.now();
    clearTimeout(this.#timer);
    this.#timer = setInterval(() => this.#tick(), this.#env.timing.ping);
  }

  /**
   * The browser alone does not notice a relay that was restarted: the new process answers the old session's
   * ICE checks, and only messages go nowhere. So messages are what is checked. A page that was asleep itself
   * has no right to complain of silence.
   */
  #tick() {
    const now = performance.now();
    const slept = now - this.#ticked > this.#env.timing.ping * 3;
    this.#ticked = now;
    if (slept) this._onGap();
    else if (this.#unanswered === 2) this._close(new LumameshError('relay-lost'));
    else this._ping();
  }

  _ping() {
    this.#unanswered += 1;
    const sent = performance.now();
    const measure = () => { this._rtt = performance.now() - sent; };
    this._request({ action: 'ping', t: Math.round(sent) }).then(measure, ignore);
  }

  /** After sleep or in another network: one ping that is answered at once, or this session is over. */
  _probe() {
    this.#unanswered = 1;
    this._ping();
  }

  #message(text) {
    this.#unanswered = 0;
    try {
      const message = JSON.parse(text);
      const { re, action, more, code } = message;
      if (!isString(action)) throw new Error();
      const asked = this.#replies.has(re);
      const error = action === 'error' && new LumameshError(`${code}`, `${message.message}`);
      if (!asked || !error) this._onmessage(message, error);
      if (asked && !more) this.#replies._settle(re, error, message);
    } catch {
      this.#env.stats.malformed += 1;
    }
  }

  /**
   * Resolves with the reply; where it comes in parts with the last one, and `_onmessage` has seen them all.
   */
  _request(message) {
    const [re, reply] = this.#replies._expect(this.#env.timing.request, message.action);
    if (!this._send({ ...message, re })) this._close(new LumameshError('relay-lost'));
    return reply;
  }

  /** Whether the message could be sent. */
  _send(message) {
    if (this.#channel?.readyState !== 'open') return false;
    try {
      this.#channel.send(JSON.stringify(message));
      return true;
    } catch {
      return false;
    }
  }

  _close(reason = new LumameshError('closed')) {
    clearTimeout(this.#timer);
    discard(this._pc, this.#channel);
    const over = new LumameshError('relay-lost', reason.message, { cause: reason });
    this.#replies._clear(over);
    this.#end(reason);
    this.#end = ignore;
  }
}

// ---- Net: one identity and the relays it is reached by ------------------------------------------

/** Map.set() that forgets the oldest beyond the maximum. */
function remember(map, key, value, most = MAX_PAIRS) {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value);
}

/**
 * One identity in the network. Events: `status` (status, error) on every change and on every failed attempt
 * to reconnect; `relays` (configs) when a session with a relay began or ended; `error` (LumameshError) for
 * complaints of a relay that belong to no call.
 */
class Net extends Emitter {
  #relays; // { config, fails }: those of the page
  #told = new Map(); // nk → the same with record, sig and seq: those that relays told of
  #key = randomBytes(32);
  #dialing = new Set();
  #tries = 0;
  #run; // the present search for relays; a new one takes its place
  #timer;
  #off = new AbortController(); // takes the listeners away

  constructor(configs, env) {
    super();
    this.#relays = configs.map((config) => ({ config, fails: 0 }));
    this._env = env;
    this._links = new Set();
    this._rooms = new Map();
    // Counters of signals by `room|peer`, kept as long as the identity: they must never fall back.
    this._sent = new Map(); // the next one
    this._seen = new Map(); // the last one
    this._floods = 0; // broadcasts, of all rooms
    /** This page's peer id, 22 characters; the same as long as the net lives. @type {string} */
    this.id = '';
    /** @type {'connecting'|'open'|'reconnecting'|'closed'} */
    this.status = 'connecting';
    /** The config of the relay in use, or last in use. @type {object} */
    this.relay = null;
    /**
     * What was ignored: `undecryptable` boxes, `replayed` (or reordered) and `unknown` (sender) signals,
     * `malformed` messages, `forged` node records, `stale` steps of a negotiation that had moved on, `dropped`
     * messages that found no place; `reconnects` to a relay.
     */
    this.stats = env.stats;
  }

  /** The configs of the relays in use. @type {object[]} */
  get relays() {
    return [...this._links].map((link) => link._config);
  }

  /** Round-trip time to the nearest relay in milliseconds at the last ping, or null. @type {?number} */
  get rtt() {
    const rtt = Math.min(...[...this._links].map((link) => link._rtt));
    return rtt < Infinity ? rtt : null;
  }

  /** With what was wrong with a list of relays: those that are remembered may do. */
  async _start(failure) {
    this.id = await peerIdOf(this.#key);
    await this.#recall();
    if (!this.#all.length) throw failure;
    this.#adopt(await this.#openAny());
    this.#listen();
    this.#fill();
  }

  /** Whatever tells that the page may have been away or elsewhere. */
  #listen() {
    const { document, navigator } = globalThis;
    const handler = ({ type, persisted }) => {
      if (type === 'pagehide') return persisted || this.close();
      if (!document?.hidden) this._wake(/^on|^change/.test(type));
    };
    const until = { signal: this.#off.signal };
    for (const type of ['pagehide', 'pageshow', 'online', 'visibilitychange']) {
      globalThis.addEventListener?.(type, handler, until);
    }
    navigator?.connection?.addEventListener?.('change', handler, until);
  }

  /** Looks at every session and channel at once, instead of when their timers next do. */
  _wake(moved) {
    if (this.status === 'closed') return;
    for (const link of this._links) link._probe();
    this.#tries = 0;
    this.#fill(0);
    for (const room of this._rooms.values()) room._wake(moved);
  }

  get #all() {
    return [...this.#relays, ...this.#told.values()];
  }

  /** Relays that could be called now, those that failed last. One that told us of itself anew counts twice. */
  #candidates() {
    const busy = [...this._links, ...this.#dialing].map((link) => link._config.nk);
    return this.#all.filter(({ config }) => !busy.includes(config.nk)).sort((a, b) => a.fails - b.fails);
  }

  /** The first relay that opens wins. A relay that fails, or keeps us waiting, brings the next one in. */
  #openAny() {
    const list = this.#candidates();
    const running = new Set();
    const failures = [];
    return new Promise((resolve, reject) => {
      const start = () => {
        const relay = list.shift();
        if (!relay || this.status === 'closed') return;
        const link = new Link(relay.config, this._env);
        running.add(link);
        this.#dialing.add(link);
        const stagger = setTimeout(start, this._env.timing.stagger);
        link._open(this.#key, this.id).finally(() => {
          clearTimeout(stagger);
          running.delete(link);
          this.#dialing.delete(link);
        }).then(() => {
          relay.fails = 0;
          list.length = 0;
          for (const loser of running) loser._close();
          resolve(link);
        }, (error) => {
          relay.fails += 1;
          failures.push(error);
          start();
          if (running.size > 0) return;
          const each = failures.map(({ message }) => message).join('; ');
          const none = new LumameshError('no-relay', each, { errors: failures });
          reject(failures.length === 1 ? error : none);
        });
      };
      start();
    });
  }

  #adopt(link) {
    if (this.status === 'closed') return link._close();
    this._links.add(link);
    link._seen = new Map(this._seen); // Whatever was heard before it began is a replay.
    this.relay = this.relays[0];
    link._onmessage = (message, error) => this.#message(message, link, error);
    link._onGap = () => this._wake();
    link._ended.then((reason) => this.#lost(link, reason));
    if (this.status !== 'open') this.#setStatus('open');
    this._emit('relays', this.relays);
    for (const room of this._rooms.values()) room._enter(link);
    this.#look(link);
    link._request({ action: 'nodes' }).catch(ignore); // What comes is taken in by #message().
  }

  /**
   * Looks where this page is seen, before somebody comes. The session itself cannot be asked: what comes from a
   * STUN server Chromium takes for nothing else.
   */
  #look({ _config }) {
    const pc = new this._env.RTCPeerConnection({ iceServers: [stunOf(_config)] });
    pc.createDataChannel('');
    pc.onicecandidate = ({ candidate }) => (candidate ? foresee(this._env, candidate) : discard(pc));
    describe(pc).catch(ignore);
  }

  #lost(link, reason) {
    if (!this._links.delete(link) || this.status === 'closed') return;
    for (const relay of this.#all) if (relay.config.nk === link._config.nk) relay.fails += 1;
    for (const room of this._rooms.values()) room._lost(link);
    if (performance.now() - link._since > this._env.timing.stable) this.#tries = 0;
    if (this._links.size) this.relay = this.relays[0];
    else this.#setStatus('reconnecting', reason);
    this._emit('relays', this.relays);
    this.#fill();
  }

  /** Calls relays until there are as many as we want, with growing pauses, each of a length by chance. */
  async #fill(first) {
    const run = this.#run = {};
    const { retry, retryMax } = this._env.timing;
    for (let wait = first; ; wait = undefined) {
      const most = retryMax * (this._links.size ? 4 : 1); // A spare one is less urgent.
      wait ??= Math.min(retry * 2 ** this.#tries, most) * (0.5 + Math.random() / 2);
      clearTimeout(this.#timer);
      await new Promise((resolve) => { this.#timer = setTimeout(resolve, wait); });
      const full = this._links.size >= this._env.links;
      if (this.#run !== run || this.status === 'closed' || full || !this.#candidates().length) return;
      this.#tries += 1;
      try {
        const link = await this.#openAny();
        if (this._links.size >= this._env.links) return link._close();
        if (this.status === 'reconnecting') this.stats.reconnects += 1;
        this.#adopt(link);
      } catch (error) {
        if (this.status === 'reconnecting' && this.#run === run) this.#setStatus('reconnecting', error);
      }
    }
  }

  #setStatus(status, error) {
    this.status = status;
    this._emit('status', status, error);
  }

  #message(message, link, error) {
    if (message.action === 'nodes') return this.#learn(message.nodes, true);
    const room = this._rooms.get(message.room);
    if (!error) return room?._message(message, link);
    // Somebody else with our key: two sessions would throw each other out for ever, so this one yields.
    if (error.code === 'replaced') this.#shut(error);
    // Members came in at other nodes of a mesh at the same time and it is full after all: asked again, it says so.
    else if (room) room._enter(link);
    // A signal to a peer that has just left is no news: its `peer-left` is on the way.
    else if (error.code !== 'no-such-peer') this._emit('error', error);
    // The relay waits for its pages to go before it ends; a session with another one is a moment away.
    if (error.code === 'shutting-down') link._close(error);
  }

  /** Takes node records in, each as its node signed it: a newer one takes the place of an older. */
  async #learn(nodes, save) {
    for (const node of [nodes ?? []].flat().slice(0, MAX_RELAYS)) {
      try {
        const found = await checkRecord(node);
        const { nk } = found.config;
        const { seq = -1, fails = 0 } = this.#told.get(nk) ?? {};
        if (found.serves && found.seq > seq) remember(this.#told, nk, { ...found, fails }, MAX_NODES);
      } catch {
        this.stats.forged += 1;
      }
    }
    if (!save) return;
    try {
      const told = [...this.#told.values()].map(({ record, sig }) => ({ record, sig }));
      this._env.storage()?.setItem('lumamesh-nodes', JSON.stringify(told));
    } catch { /* No place, or a frame that may not: then they are learnt again. */ }
    if (this._links.size && this._links.size < this._env.links) this.#fill();
  }

  async #recall() {
    let nodes;
    try {
      nodes = JSON.parse(this._env.storage()?.getItem('lumamesh-nodes'));
    } catch { /* as above */ }
    await this.#learn(nodes);
  }

  /**
   * Enters a room. Who knows the name and the secret is in it; a room need not be made. While no relay is in
   * reach this waits for one. Members that are there already are told by `peer` events: handlers attached in
   * the task in which this promise resolves miss none. After a reconnection, or sleep, the room is entered
   * again by itself.
   * @param {string} name not empty, without U+0000
   * @param {object} [options]
   * @param {string} [options.nick] shown to the members
   * @param {string} [options.secret] who does not know it is in another room
   * @param {*} [options.info] a JSON value shown to the members; nick and info together at most about 700 bytes
   * @param {number} [options.maxPeers] links to other pages, at least 2; 32 unless told. In a room with more
   *   members broadcasts are passed on, so that they reach everybody
   * @param {number} [options.maxMessage] bytes in memory of messages that a peer may be sending at a time,
   *   268,435,456 unless told; Blobs, which browsers keep elsewhere, may have sixteen times as many
   * @param {AbortSignal} [options.signal] gives up
   * @returns {Promise<Room>}
   * @throws {LumameshError} `bad-argument`, `already-joined`, `closed`, `timeout`, `aborted`, or what the relay
   *   says: `room-full`, `too-many-rooms`, `rate-limited`
   */
  async joinRoom(name, options = {}) {
    const { nick = '', secret = '', info: about, maxPeers = 32, maxMessage = 1 << 28, signal } = options;
    const strings = [name, nick, secret].every(isString);
    if (!strings || name === '' || name.includes('\0')) {
      throw new LumameshError('bad-argument', 'name');
    }
    if (!(maxPeers >= 2)) throw new LumameshError('bad-argument', 'maxPeers');
    const { id, keyBytes } = await deriveRoom(name, secret);
    const key = await crypto.subtle.importKey('raw', keyBytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
    const info = await seal(key, { nick, info: about }, `lumamesh-v1|info|${id}|${this.id}`);
    if (info.length > 1024) throw new LumameshError('bad-argument', 'info');
    if (this.status === 'closed') throw new LumameshError('closed');
    if (this._rooms.has(id)) throw new LumameshError('already-joined');
    const room = new Room(this, id, key, info, name, nick, maxPeers, maxMessage);
    this._rooms.set(id, room);
    await room._first(signal);
    return room;
  }

  /** Leaves every room, closes every channel and the sessions with relays, for good. */
  close() {
    this.#shut(new LumameshError('closed'));
    for (const room of this._rooms.values()) room._end();
  }

  /** Ends what has to do with relays; channels that are open stay. */
  #shut(reason) {
    if (this.status === 'closed') return;
    clearTimeout(this.#timer);
    this.#off.abort();
    this.#setStatus('closed', reason);
    for (const link of [...this._links, ...this.#dialing]) link._close(reason);
    this._links.clear();
  }
}

/**
 * Connects to relays. They are tried in order, the next one joining in when one fails or is slow, until two
 * are found (or as many as there are); this resolves with the first. Later the net finds relays again by
 * itself, with growing pauses, when it loses one, also those that relays told it of.
 * @param {object} options
 * @param {string|object|Array<string|object>} options.relays blobs, configs, or addresses of relay lists: a
 *   JSON array or one blob a line, at most 64 kB
 * @param {AbortSignal} [options.signal] gives up connecting
 * @param {number} [options.links] sessions with relays to keep, 2 unless told
 * @param {RTCConfiguration} [options.rtc] for connections with peers; its iceServers are used besides the
 *   relays' own
 * @param {Function} [options.RTCPeerConnection] the constructor to use, for pages that wrap it and outside
 *   browsers
 * @param {Function} [options.fetch] used for relay lists and DNS
 * @param {?Storage} [options.storage] remembers relays, localStorage unless told; null: nothing is kept
 * @param {?string} [options.dns] DNS over HTTPS (JSON) that looks up names of relays; null: none
 * @param {object} [options.timing] replaces waiting times, in milliseconds, for tests
 * @returns {Promise<Net>}
 * @throws {LumameshError} `bad-argument`, `bad-config`, `no-webrtc`, `insecure-context`, `unsupported`,
 *   `aborted`; with one relay what was wrong with it (`relay-unreachable`, `bad-signature`, …), with several
 *   `no-relay`, whose `errors` has the error of each
 */
export function connect({ signal, ...options } = {}) {
  let net;
  const connected = (async () => {
    const {
      relays, RTCPeerConnection = globalThis.RTCPeerConnection, fetch = globalThis.fetch,
      links = 2, rtc = {}, timing, dns = 'https://cloudflare-dns.com/dns-query',
    } = options;
    const list = [relays ?? []].flat();
    if (!list.length) throw new LumameshError('bad-argument', 'relays');
    const stats = {
      undecryptable: 0, replayed: 0, unknown: 0, malformed: 0, forged: 0, stale: 0, dropped: 0, reconnects: 0,
    };
    const storage = () => ('storage' in options ? options.storage : globalThis.localStorage);
    const env = { RTCPeerConnection, fetch, links, rtc, dns, storage, stats, timing: { ...TIMING, ...timing } };
    let failure;
    const configs = list.map((relay) => (
      !isString(relay) || relay.startsWith('lm1.') ? toConfig(relay)
        : fetchRelays(env, relay).catch((error) => {
          failure = error;
          return [];
        })
    ));
    if (!RTCPeerConnection) throw new LumameshError('no-webrtc');
    if (!globalThis.crypto?.subtle) throw new LumameshError('insecure-context');
    net = new Net((await Promise.all(configs)).flat(), env);
    if (!signal?.aborted) await net._start(failure);
    return net;
  })();
  return abortable(connected, signal, () => net?.close());
}

// ---- Room: members, as the relays list them, and the peers we have with them --------------------

/** What a room waits for, as indices of its timers. */
const JOIN = 0;
const REJOIN = 1;
const CHOOSE = 2;
const TURN = 3;

/** Where a member stands on one of the rings on which neighbours are linked (FNV-1a, stirred). */
function placeOf(ring, id) {
  let hash = 2166136261;
  for (const char of ring + id) hash = Math.imul(hash ^ char.charCodeAt(0), 16777619);
  return Math.imul(hash ^ (hash >>> 15), 2246822519) >>> 0;
}

/**
 * With whom a member is linked: with everybody if that is not too many, otherwise with both neighbours on each
 * of `most / 2` rings, on which all stand in orders that have nothing to do with each other. So both ends of a
 * link agree on it, one ring alone would connect all, any two members are a few steps apart, and somebody who
 * comes or goes moves two links a ring.
 * @param {string} self
 * @param {Iterable<string>} others
 * @param {number} most
 * @returns {Set<string>} at most `most` of the others
 */
export function chooseLinks(self, others, most) {
  const all = [...others];
  if (all.length <= most) return new Set(all);
  const chosen = new Set();
  for (let ring = 0; ring < (most >> 1); ring += 1) {
    const own = placeOf(ring, self);
    // How far it is up the ring to each of them; down it is the rest of the way.
    const steps = all.map((id) => [(placeOf(ring, id) - own) >>> 0, id]).sort(([a], [b]) => a - b);
    chosen.add(steps[0][1]).add(steps.at(-1)[1]);
  }
  return chosen;
}

/**
 * A room. Events: `peer` (peer) when a member was found, before its channel opens; `leave` (peer) when it is
 * gone, exactly once for each `peer`, whether or not the channel ever opened; `data` (value, peer) for each
 * message of any of them; `error` (LumameshError): `peer-unreachable`, `undecryptable`, or the relay refused
 * the room after a reconnection (it is tried again).
 *
 * A member is gone when its channel ends, or when no relay lists it before there is an open channel. With an
 * open one whose connection lives a relay's word does not count: the end is the channel's own. A member that
 * is still listed after its channel broke is sought quietly: it gets a new `peer` event when a new channel is
 * open.
 */
class Room extends Emitter {
  #info;
  #key;
  _members = new Map(); // id → { nick, info, before, _ways }: everyone that a relay lists and we can read
  #unreadable = new Set();
  #peers = new Map();
  #entered;
  #refused = new Map(); // link → what it said to our first entry
  #open; // lets the queue run
  #queue = new Promise((resolve) => { this.#open = resolve; }); // what relays say, one after the other
  #waiting = 0; // in the queue
  #outbox = Promise.resolve(); // what we signal, in the order of its counters
  #turn = new Map(); // link → promise of a server
  #heard = new Map(); // broadcasts that came to us
  _wanted = new Set();
  #timers = [];
  /** Whether the room was left. @type {boolean} */
  left = false;
  /** Answers requests of peers that have no `onrequest` of their own. @type {?function(*, Peer): *} */
  onrequest = () => { throw 'nobody answers'; };

  constructor(net, id, key, info, name, nick, maxPeers, maxMessage) {
    super();
    this._net = net;
    this._maxMessage = maxMessage;
    /** 64 hex digits: what relays know the room by. @type {string} */
    this.id = id;
    /** As given to joinRoom(). @type {string} */
    this.name = name;
    /** What the other members see. @type {string} */
    this.nick = nick;
    /** Links to other pages at most, as far as they are ours to choose. @type {number} */
    this.maxPeers = maxPeers;
    this.#key = key;
    this.#info = info;
  }

  /** The members found so far, also those without an open channel. @type {Peer[]} */
  get peers() {
    return [...this.#peers.values()].filter((peer) => peer._announced);
  }

  /**
   * Sends a value to everybody: over the channels that are open, and in a room of more than `maxPeers` from
   * there on to all others, each of whom hears it once.
   * @param {*} value as for peer.send()
   * @param {{reliable?: boolean}} [options]
   * @returns {number} to how many peers it went directly
   * @throws {LumameshError} `bad-argument`, `too-large`
   */
  broadcast(value, options) {
    const packed = pack(value);
    const { _net } = this;
    return this.#spread(packed, this.#large && { f: _net.id, n: (_net._floods += 1) }, options);
  }

  /** Some members are reached over others only. */
  get #large() {
    return this._members.size > this.maxPeers;
  }

  #spread(packed, meta, options, except) {
    return [...this.#peers.values()].filter((peer) => {
      if (peer === except || peer.state !== 'open') return false;
      try {
        peer._post(packed, meta || 0, options);
        return true;
      } catch (error) {
        if (error.code === 'too-large') throw error;
        return false;
      }
    }).length;
  }

  /** A broadcast that a peer made or passes on: heard and passed on the first time it comes. */
  _flood(from, { f: origin, n }, value, options) {
    if (!isString(origin) || !isInteger(n) || n < 0) throw new Error(); // counted as malformed
    if (origin === this._net.id) return;
    const key = `${origin} ${n}`;
    if (this.#heard.has(key)) return;
    remember(this.#heard, key, true, MAX_HEARD);
    this.#spread(pack(value), { f: origin, n }, options, from);
    const peer = this.#peers.get(origin);
    if (peer?._announced) peer._data(value);
    else this._emit('data', value, { id: origin, nick: this._members.get(origin)?.nick ?? '' });
  }

  /**
   * Leaves the room: every peer of it closes at once. Resolves when the relays know, or cannot be told.
   */
  async leave() {
    if (this.left) return;
    this._end();
    await Promise.all([...this._net._links].map((link) => (
      link._request({ action: 'leave', room: this.id }).catch(ignore)
    )));
  }

  _end(reason = new LumameshError('closed')) {
    if (this.left) return;
    this.left = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#entered?.reject(reason);
    this._net._rooms.delete(this.id);
    this._members.clear();
    for (const peer of this.#peers.values()) peer._end();
  }

  #after(what, ms, step) {
    clearTimeout(this.#timers[what]);
    this.#timers[what] = this.left ? 0 : setTimeout(step, ms);
  }

  /** The first entry. The queue starts a task later, so that the caller has its handlers in place. */
  async _first(signal) {
    const { _links, _env } = this._net;
    const entered = new Promise((resolve, reject) => { this.#entered = { resolve, reject }; });
    this.#after(JOIN, _env.timing.join, () => (
      this._end(new LumameshError('timeout', 'join'))
    ));
    for (const link of _links) this._enter(link);
    await abortable(entered, signal, (error) => this._end(error));
    this.#entered = null;
    clearTimeout(this.#timers[JOIN]);
    setTimeout(this.#open);
  }

  /** Enters on a link, for the first time or again. */
  async _enter(link) {
    const { _links, _env } = this._net;
    link._listing.set(this.id, new Set());
    this.#askTurn(link);
    try {
      await link._request({ action: 'join', room: this.id, info: this.#info });
      if (this.left) return void link._send({ action: 'leave', room: this.id });
      this.#entered?.resolve();
      for (const peer of this.#peers.values()) peer._reachable();
    } catch (error) {
      // Where the link has gone, others enter.
      if (this.left || !_links.has(link) || error.code === 'relay-lost') return;
      this.#refused.set(link, error);
      if (this.#entered && [..._links].every((each) => this.#refused.has(each))) return this._end(error);
      if (!this.#entered) this._emit('error', error);
      this.#after(REJOIN, _env.timing.retryMax, () => {
        for (const each of _links) if (this.#refused.delete(each)) this._enter(each);
      });
    }
  }

  /** A link has gone. Whom it listed stays a member until another link, or its successor, says who is there. */
  _lost(link) {
    this.#turn.delete(link);
    this.#refused.delete(link);
    for (const member of this._members.values()) member._ways.delete(link);
  }

  #askTurn(link) {
    if (!link._welcome.turn) return;
    const take = async ({ ttl, action, re, ...server }) => {
      // Each of its URLs is an allocation for each peer: TCP is for pages that UDP does not bring to the relay.
      const way = await wayOf(link._pc).catch(ignore);
      if (way?.[0]?.protocol === 'udp') server.urls = server.urls.filter((url) => !/tcp/.test(url));
      // One that the browser does not take must not keep us from all the others: that is found out here.
      new this._net._env.RTCPeerConnection({ iceServers: [server] }).close();
      // Half of the ttl, which is in seconds.
      this.#after(TURN, Math.min(Math.max(ttl | 0, 60), 86_400) * 500, () => this.#renewTurn());
      return server;
    };
    this.#turn.set(link, link._request({ action: 'turn', room: this.id }).then(take).catch(ignore));
  }

  /** New credentials for all: those who talk over the relay have to move to an allocation made with them. */
  async #renewTurn() {
    for (const link of this._net._links) this.#askTurn(link);
    const iceServers = await this._iceServers();
    for (const peer of this.#peers.values()) peer._renew(iceServers);
  }

  /** Relays answer as STUN servers for everybody, and as TURN servers where they say so. */
  async _iceServers() {
    const { relay, relays, _env } = this._net;
    const stun = (relays.length ? relays : [relay]).map(stunOf);
    const turn = await Promise.all(this.#turn.values());
    return [...stun, ...turn.filter(Boolean), ...(_env.rtc.iceServers ?? [])];
  }

  _wake(moved) {
    for (const peer of this.#peers.values()) peer._wake(moved);
  }

  _message(message, link) {
    if (this.#waiting >= MAX_WAITING) {
      this._net.stats.dropped += 1;
      return;
    }
    this.#waiting += 1;
    const handle = () => this.left || this.#handle(message, link);
    this.#queue = this.#queue.then(handle).catch(() => {
      this._net.stats.malformed += 1;
    }).then(() => { this.#waiting -= 1; });
  }

  async #handle({ action, peers, peer, before, id, more, from, data }, link) {
    const listing = link._listing.get(this.id);
    if (action === 'joined') {
      for (const member of peers) await this.#member(member, true, link);
      if (more) return;
      for (const [known, { _ways }] of this._members) {
        if (listing && !listing.has(known)) _ways.delete(link);
        if (!_ways.size) this.#gone(known, true);
      }
      link._listing.delete(this.id);
      for (const [known, { _ways }] of this._members) if (_ways.has(link)) this.#meet(known);
    } else if (action === 'peer-joined') {
      // One at another node of a mesh may have been there before us, and be heard of only now.
      await this.#member(peer, before, link);
      this.#meet(peer.id);
    } else if (action === 'peer-left') {
      listing?.delete(id);
      const member = this._members.get(id);
      member?._ways.delete(link);
      if (member && !member._ways.size) this.#gone(id);
    } else if (action === 'signal') {
      await this.#signal(from, data, link);
    }
  }

  /** A member that a relay names. */
  async #member({ id, info }, before, link) {
    if (!isString(id) || id === this._net.id) return;
    const { stats } = this._net;
    const _ways = this._members.get(id)?._ways ?? new Set();
    let about;
    try {
      about = await unseal(this.#key, info, `lumamesh-v1|info|${this.id}|${id}`);
    } catch {
      stats.undecryptable += 1;
      if (this.#unreadable.has(id) || this.#unreadable.size >= MAX_INCOMING) return;
      this.#unreadable.add(id);
      this._emit('error', new LumameshError('undecryptable', id, { id }));
      return;
    }
    // A link that has ended meanwhile vouches for nobody.
    if (this.left || !this._net._links.has(link)) return;
    if (this._members.size >= MAX_MEMBERS && !this._members.has(id)) {
      stats.dropped += 1;
      return;
    }
    link._listing.get(this.id)?.add(id);
    _ways.add(link);
    const nick = isString(about.nick) ? about.nick : '';
    this._members.set(id, { nick, info: about.info, before, _ways });
    const known = this.#peers.get(id);
    const peer = known ?? this.#addPeer(id, true);
    Object.assign(peer, { nick, info: about.info });
    peer._reachable();
  }

  /** Makes the link with a member, if all have one. The newcomer makes the offer, so we do if it was here before us. */
  #meet(id) {
    if (this.#large) return this.#chooseSoon();
    const { _ways, before } = this._members.get(id) ?? {};
    if (!_ways) return; // not one that we can read
    const peer = this.#peers.get(id);
    this._wanted.add(id);
    // Another relay that lists it too is no news; one that lists it again after none did begins anew.
    const anew = peer.state === 'connecting' && _ways.size === 1;
    if (peer.state === 'far' || anew) peer._begin(before);
  }

  #chooseSoon(wait = this._net._env.timing.choose) {
    this.#after(CHOOSE, wait, () => this.#choose());
  }

  /** Makes the links that we want and, when all those are open, ends those that nobody wants. */
  #choose() {
    this._wanted = chooseLinks(this._net.id, this._members.keys(), this.maxPeers);
    let settled = true;
    for (const peer of this.#peers.values()) {
      if (this._wanted.has(peer.id)) {
        if (peer.state === 'far') peer._begin(this._members.get(peer.id)?.before);
        settled &&= peer.state === 'open';
      }
    }
    this._settled = settled;
    if (settled) for (const peer of this.#peers.values()) if (!this._wanted.has(peer.id)) peer._unlink();
    if (this.#large || !settled) {
      this.#chooseSoon(this._net._env.timing.unlink);
    }
  }

  /** Whether one more connection may be made at the wish of another page. */
  _hasRoom() {
    return [...this.#peers.values()].filter(({ state }) => state !== 'far').length < this.maxPeers * 2 + 8;
  }

  #addPeer(id, announced) {
    const peer = new Peer(this, id, this._members.get(id), announced);
    this.#peers.set(id, peer);
    if (announced) this._emit('peer', peer);
    return peer;
  }

  #gone(id, later) {
    this._members.delete(id);
    this.#unreadable.delete(id);
    this.#peers.get(id)?._unlisted(later);
    this.#chooseSoon();
  }

  async #signal(from, data, link) {
    const { stats, _seen, id } = this._net;
    if (!this._members.has(from)) {
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
    const { n } = signal;
    const last = _seen.get(pair) ?? -1;
    // Each relay that both have in common brings every signal: the first copy counts, the others are no replays.
    const fresh = isInteger(n) && n > (link._seen.get(pair) ?? -1);
    if (fresh) remember(link._seen, pair, n);
    if (!fresh || n < 0) stats.replayed += 1;
    else if (n > last) {
      remember(_seen, pair, n);
      if (!this.left) (this.#peers.get(from) ?? this.#addPeer(from, false))._signal(signal);
    }
  }

  /** Whether a signal to that member has a way to go. */
  _reaches(id) {
    return this._members.get(id)?._ways.size > 0;
  }

  _send(to, signal) {
    const { _sent, id } = this._net;
    const pair = `${this.id}|${to}`;
    this.#outbox = this.#outbox.then(async () => {
      const n = _sent.get(pair) ?? 0;
      remember(_sent, pair, n + 1);
      const data = await seal(this.#key, { ...signal, n }, `lumamesh-v1|signal|${this.id}|${id}|${to}`);
      for (const link of this._members.get(to)?._ways ?? []) {
        link._send({ action: 'signal', room: this.id, to, data });
      }
    });
  }

  /**
   * A peer closed. If a relay still lists it, a successor follows, which the page hears of once it is open.
   */
  _ended(peer) {
    this.#peers.delete(peer.id);
    if (peer._announced) this._emit('leave', peer);
    if (this._members.has(peer.id) && !this.#peers.has(peer.id)) {
      const next = this.#addPeer(peer.id, this.#large);
      if (this._wanted.has(peer.id)) next._begin(false);
    }
    return this.#peers.get(peer.id);
  }
}

// ---- Peer: one connection with one member -------------------------------------------------------

/**
 * Two channels that both ends make by agreement: 0 is reliable and ordered, 1 unreliable and unordered. A text
 * frame is a JSON array whose first element says what it is:
 *
 *     m, meta, value                        a value that fits one frame
 *     h, id, size, type, meta, mime, name   one that does not: what follows in binary frames
 *     x, id / n, id                         its sender gives it up / its receiver does not want it
 *     p, token / o, token                   ping / its echo
 *     s, signal                             a description or candidate, for changes of an open connection
 *     u                                     this link is of no more use to me; end it if it is of none to you
 *
 * meta is 0 for a message; {q: token} makes it a request, {a: token} its answer ({e: text}: an error), and
 * {f: origin, n: number} a broadcast to be passed on. A binary frame of channel 0 is the id (4 bytes) and a
 * piece, one of channel 1 the JSON of [type, meta], a line feed and a whole value.
 */
const isType = matches(/^(Blob|File|ArrayBuffer|DataView|((Big)?(Int|Uint)\d\d?|Uint8Clamped|Float\d\d)Array)$/);

const isBlob = (type) => type === 'Blob' || type === 'File';

/** The binary value of a type that the page is given. */
const fromBytes = (type, { buffer }) => (
  type === 'ArrayBuffer' ? buffer : new globalThis[type](buffer)
);

/**
 * A value as it is sent: its JSON text, or type and bytes (or Blob).
 * @throws {LumameshError} `bad-argument`
 */
function pack(value) {
  // Subclasses, such as Buffer in Node.js, go as what they are made of.
  const type = value?.[Symbol.toStringTag];
  if (isType(type)) {
    const { buffer = value, byteOffset = 0, byteLength } = value;
    return { type, source: value.arrayBuffer ? value : new Uint8Array(buffer, byteOffset, byteLength) };
  }
  let text;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new LumameshError('bad-argument', 'value', { cause });
  }
  if (text === undefined) throw new LumameshError('bad-argument', 'value');
  return { type: '', text };
}

/** The frames of a long value. */
async function* cut(id, head, source, progress) {
  yield head;
  const size = source.size ?? source.length;
  const piece = FRAME - 4;
  const frame = new Uint8Array(FRAME); // One for all: a channel copies what it is given.
  new DataView(frame.buffer).setUint32(0, id);
  for (let at = 0; at < size; at += BLOCK) {
    const block = source.size === undefined
      ? source.subarray(at, at + BLOCK) : new Uint8Array(await source.slice(at, at + BLOCK).arrayBuffer());
    for (let from = 0; from < block.length; from += piece) {
      const part = block.subarray(from, from + piece);
      frame.set(part, 4);
      yield frame.subarray(0, 4 + part.length);
      progress?.(at + from + part.length, size);
    }
    if (source.size) block.buffer.transfer?.(0); // Gives the memory back now, not when it is next tidied up.
  }
}

/** The certificate and session in an SDP (RFC 8829 section 5.2.1): others mean another connection. */
const originOf = (sdp) => /^o=\S+ (\S+)/m.exec(sdp)?.[1] + /^a=fingerprint:(.*)/m.exec(sdp)?.[1];

/**
 * Another member of the room. Events: `open` when messages can be sent (once, or in a room of more than
 * `maxPeers` each time a link is made); `data` (value) for each message: JSON values in the order of sending,
 * binary ones when they are complete; `progress` ({received, total, name}) while a binary one comes in;
 * `stream` (MediaStream, track); `close` once, at the end, also if it never opened; `path` (path) when the path
 * is known or changed; `state` (state).
 */
class Peer extends Emitter {
  #pc = null;
  #channel = null;
  #fast = null; // the unreliable channel
  #work = Promise.resolve(); // steps of the negotiation, one after the other
  #steps = 0; // of them that wait
  #attempts = 0;
  #timer;
  #ignored = false; // perfect negotiation: the last offer was ignored, so its candidates fail
  #inBand = false; // signals go over the channel
  #lastOffer; // of theirs that we took
  #theirs; // the origin of their descriptions, as they wrote it: browsers spell it anew
  #role; // theirs in DTLS, or what it shall be
  #due = false; // an ICE restart that waits for a relay
  #lanes = [[], []]; // what waits to be sent: JSON values in their order, and binary ones
  #queued = 0; // characters of JSON among that
  #pumping = false;
  #wake = ignore; // the pump, when the channel has taken enough
  #messages = 0; // the id of the last long message
  #incoming = new Map(); // id → what has come of it
  #replies = new Replies();
  #answering = 0;
  #streams = new Set();
  #pinned = false; // the page asked for this link
  #leaving = false;

  constructor(room, id, { nick, info }, announced) {
    super();
    this._room = room;
    this._env = room._net._env;
    this._announced = announced;
    /** Perfect negotiation: who has the smaller id gives way when two offers cross. */
    this._polite = room._net.id < id;
    /** 22 characters, the same as long as that page is open. @type {string} */
    this.id = id;
    /** What that page calls itself: text from a stranger. @type {string} */
    this.nick = nick;
    /** What that page gave joinRoom() as `info`: a value from a stranger. @type {*} */
    this.info = info;
    /**
     * `far`: in a large room, reached by broadcasts only (see open()).
     * @type {'far'|'connecting'|'open'|'closed'}
     */
    this.state = 'far';
    /** From page to page or over a TURN relay; null while unknown. @type {?('direct'|'relay')} */
    this.path = null;
    /** Answers requests: what it returns (or its promise brings) is the answer. @type {?function(*, Peer): *} */
    this.onrequest = null;
  }

  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this._emit('state', state);
  }

  /**
   * Sends a value: JSON, ArrayBuffer, typed array, DataView or Blob, of any size. Bytes must not be changed
   * until the promise resolves.
   * @param {*} value
   * @param {object} [options]
   * @param {boolean} [options.reliable] false: may be lost or overtaken, at most 16,000 characters or bytes; for
   *   what is sent anew many times a second
   * @param {function(number, number): void} [options.progress] bytes sent, bytes in all
   * @param {AbortSignal} [options.signal] gives up, also in the middle
   * @returns {Promise<boolean>} when the value is on its way; false: an unreliable one that found no place. May
   *   be left alone. Rejects with `closed`, `aborted`, `unreadable`, or `too-large`: the peer does not want it
   * @throws {LumameshError} at once: `not-open`, `bad-argument`, `too-large`, or `queue-full`: the peer reads
   *   slowly
   */
  send(value, options) {
    return this._post(pack(value), 0, options);
  }

  /**
   * Asks the peer, whose `onrequest` (or whose room's) answers.
   * @param {*} value as for send()
   * @param {{timeout?: number, signal?: AbortSignal}} [options] timeout: milliseconds, 10,000 unless told
   * @returns {Promise<*>}
   * @throws {LumameshError} as send(), `timeout`, `request-failed`: what the peer says went wrong
   */
  async request(value, { timeout = this._env.timing.request, signal } = {}) {
    const packed = pack(value);
    this.#checkOpen();
    const [q, answer] = this.#replies._expect(timeout, 'request');
    answer.catch(ignore);
    this._post(packed, { q }, { signal }).catch((error) => this.#replies._settle(q, error));
    return abortable(answer, signal, (error) => this.#replies._settle(q, error));
  }

  /**
   * Measures the time to the peer and back.
   * @returns {Promise<number>} milliseconds
   * @throws {LumameshError} `not-open`, `timeout`
   */
  ping() {
    return this.#ping(this._env.timing.request);
  }

  async #ping(ms) {
    this.#checkOpen();
    this.#findPath();
    const sent = performance.now();
    const [token, echo] = this.#replies._expect(ms, 'ping');
    this.#frame('p', token);
    await echo;
    return performance.now() - sent;
  }

  /**
   * Makes a direct link with a member that is `far`, and keeps it. Attempts go on as long as the member is there.
   * @returns {Promise<void>}
   * @throws {LumameshError} `closed`: the member has gone
   */
  async open() {
    this.#pinned = true;
    if (this.state === 'far') this._begin(true);
    while (this.state !== 'open') {
      if (this.state === 'closed') throw new LumameshError('closed');
      await new Promise((resolve) => {
        const off = this.on('state', () => {
          off();
          resolve();
        });
      });
    }
  }

  /**
   * Sends a stream's tracks, now and over every new connection with this peer, which gets `stream` events.
   * @param {MediaStream} stream
   */
  addStream(stream) {
    this.#streams.add(stream);
    this.#addTracks();
  }

  /** Ends the sending of a stream. @param {MediaStream} stream */
  removeStream(stream) {
    this.#streams.delete(stream);
    const tracks = stream.getTracks();
    for (const sender of this.#pc?.getSenders() ?? []) {
      if (sender.track && tracks.includes(sender.track)) this.#pc.removeTrack(sender);
    }
  }

  #addTracks() {
    const sent = this.#pc?.getSenders?.().map(({ track }) => track);
    for (const stream of this.#streams) {
      for (const track of stream.getTracks()) if (sent && !sent.includes(track)) this.#pc.addTrack(track, stream);
    }
  }

  // -- Sending --

  #checkOpen() {
    if (this.state === 'open' && this.#channel.readyState === 'open') return;
    throw new LumameshError('not-open', this.state);
  }

  _post(packed, meta, { reliable = true, progress, signal } = {}) {
    this.#checkOpen();
    const { type, text, source } = packed;
    const size = text?.length ?? source.size ?? source.length;
    if (!reliable) return Promise.resolve(this.#postFast(packed, size, meta));
    const lane = this.#lanes[type ? 1 : 0];
    if (!type && size <= SMALL) {
      const frame = `["m",${JSON.stringify(meta)},${text}]`;
      if (!lane.length && this.#channel.bufferedAmount < HIGH) {
        this.#put(frame);
        return Promise.resolve(true);
      }
      return this.#enqueue({ frames: [frame].values(), weight: size }, lane, signal);
    }
    const id = this.#messages = (this.#messages + 1) % 2 ** 32;
    const body = source ?? utf8(text);
    const total = body.size ?? body.length;
    const head = JSON.stringify(['h', id, total, type, meta, body.type, body.name]);
    return this.#enqueue({ id, frames: cut(id, head, body, progress), weight: type ? 0 : size }, lane, signal);
  }

  #postFast({ type, text, source }, size, meta) {
    if (size > SMALL || source?.arrayBuffer) throw new LumameshError('too-large');
    const channel = this.#fast;
    if (channel.readyState !== 'open' || channel.bufferedAmount > STALE) {
      this._env.stats.dropped += 1;
      return false;
    }
    // What is passed on needs its meta; the few bytes of it are no loss there.
    const frame = type ? concat(utf8(`${JSON.stringify([type, meta])}\n`), source)
      : `["m",${JSON.stringify(meta)},${text}]`;
    return this.#put(frame, channel);
  }

  /** Does not throw: where the channel cannot take it this peer has ended, and what waits for a reply knows. */
  #frame(...parts) {
    try {
      this.#put(JSON.stringify(parts));
    } catch { /* as above */ }
  }

  #put(frame, channel = this.#channel) {
    try {
      channel.send(frame);
      return true;
    } catch (cause) {
      this._end(); // A message that breaks off in the middle must not be taken for a whole one.
      throw new LumameshError('not-open', undefined, { cause });
    }
  }

  #enqueue(job, lane, signal) {
    if (this.#queued + job.weight > MAX_QUEUE) {
      throw new LumameshError('queue-full');
    }
    this.#queued += job.weight;
    const sent = new Promise((resolve, reject) => Object.assign(job, { resolve, reject }));
    lane.push(job);
    this.#pump();
    const done = abortable(sent, signal, (error) => this.#giveUp(job, error, true));
    done.catch(ignore); // The page may leave it alone.
    return done;
  }

  /** Takes a job out, whether or not its sending has begun. */
  #giveUp(job, error, tell) {
    for (const lane of this.#lanes) {
      const at = lane.indexOf(job);
      if (at < 0) continue;
      lane.splice(at, 1);
      this.#queued -= job.weight;
      if (tell && job.begun && this.state === 'open') this.#frame('x', job.id);
    }
    job.reject(error);
  }

  /** Feeds the channel as fast as it takes, JSON values first. */
  async #pump() {
    if (this.#pumping) return;
    this.#pumping = true;
    const channel = this.#channel;
    for (;;) {
      const lane = this.#lanes.find((jobs) => jobs.length);
      if (!lane || channel !== this.#channel) break;
      const [job] = lane;
      try {
        const { value, done } = await job.frames.next();
        while (channel === this.#channel && channel.bufferedAmount >= HIGH) await this.#drained(channel);
        if (channel !== this.#channel) break;
        if (lane[0] !== job) continue; // given up meanwhile
        if (done) {
          lane.shift();
          this.#queued -= job.weight;
          job.resolve(true);
          continue;
        }
        this.#put(value);
        job.begun = job.id;
      } catch (cause) {
        this.#giveUp(job, new LumameshError('unreadable', undefined, { cause }), true);
      }
    }
    this.#pumping = false;
  }

  /** Resolves when the channel has sent most of what it was given. Not everybody tells; so it looks, too. */
  #drained(channel) {
    return new Promise((resolve) => {
      this.#wake = channel.onbufferedamountlow = resolve;
      setTimeout(resolve, 100);
      if (channel.bufferedAmount <= LOW) resolve();
    });
  }

  // -- Receiving --

  #receive(data, fast) {
    if (this.state === 'connecting' && !fast) this.#opened(); // Some tell of the first message before `open`.
    try {
      if (isString(data)) this.#text(JSON.parse(data), fast);
      else this.#binary(new Uint8Array(data.buffer ?? data, data.byteOffset, data.byteLength), fast);
    } catch {
      this._env.stats.malformed += 1;
    }
  }

  #text([kind, ...rest], fast) {
    const [id, value] = rest;
    if (kind === 'm' && rest.length === 2) this.#deliver(id, value, !fast);
    else if (kind === 's') this._signal(id, true);
    else if (kind === 'h') this.#begin(rest);
    else if (kind === 'x') this.#incoming.delete(id);
    else if (kind === 'n') {
      for (const job of this.#lanes.flat()) {
        if (id && job.id === id) this.#giveUp(job, new LumameshError('too-large'));
      }
    } else if (kind === 'u') this.#unlinked();
    else if (kind === 'o') this.#replies._settle(id);
    else if (kind === 'p' && isInteger(id)) {
      // A peer that asks faster than it reads gets no echo.
      if (this.#channel.bufferedAmount < ENOUGH) this.#frame('o', id);
    } else throw new Error();
  }

  #begin([id, size, type, meta, mime, name]) {
    const good = isInteger(id) && isInteger(size) && id >= 0 && size >= 0
      && (!type || isType(type)) && !this.#incoming.has(id);
    if (!good) throw new Error();
    const most = this._room._maxMessage;
    const blob = isBlob(type);
    let held = blob ? 0 : size;
    for (const other of this.#incoming.values()) held += other.blob ? 0 : other.size;
    const fits = held <= most && size <= most * 16 && this.#incoming.size < MAX_INCOMING;
    if (!fits) {
      this._env.stats.dropped += 1;
      this.#frame('n', id);
      return;
    }
    const message = { size, type, blob, meta, mime, name, got: 0, parts: [], loose: 0 };
    this.#incoming.set(id, message);
    if (!size) this.#whole(id, message);
  }

  #binary(frame, fast) {
    if (fast) {
      const end = frame.indexOf(10);
      const [type, meta] = JSON.parse(new TextDecoder().decode(frame.subarray(0, end)));
      if (!isType(type) || isBlob(type)) throw new Error();
      return this.#deliver(meta, fromBytes(type, frame.slice(end + 1)), false);
    }
    const id = new DataView(frame.buffer, frame.byteOffset).getUint32(0);
    const message = this.#incoming.get(id);
    if (!message) return; // Given up, or not wanted: the rest of it was on its way.
    const { type, size, meta, name, blob } = message;
    const piece = frame.subarray(4);
    message.got += piece.length;
    if (message.got > size || !piece.length) {
      this.#incoming.delete(id);
      throw new Error();
    }
    message.parts.push(piece);
    message.loose += piece.length;
    // Browsers keep Blobs out of the page's memory.
    if (blob && message.loose >= BLOCK) {
      message.parts = [new Blob(message.parts)];
      message.loose = 0;
    }
    if (type && !meta) this._emit('progress', { received: message.got, total: size, name });
    if (message.got === size) this.#whole(id, message);
  }

  #whole(id, { type, blob, parts, meta, mime, name }) {
    this.#incoming.delete(id);
    let value;
    if (blob) {
        const about = { type: mime };
      value = isString(name) ? new File(parts, name, about) : new Blob(parts, about);
    } else {
      const bytes = concat(...parts);
      value = type ? fromBytes(type, bytes) : JSON.parse(new TextDecoder().decode(bytes));
    }
    this.#deliver(meta, value, true);
  }

  #deliver(meta, value, reliable) {
    if (!meta) this._data(value);
    else if (meta.f) this._room._flood(this, meta, value, { reliable });
    else if (meta.q) this.#answer(meta.q, value);
    else if (meta.e) this.#replies._settle(meta.a, new LumameshError('request-failed', String(meta.e)));
    else this.#replies._settle(meta.a, null, value);
  }

  _data(value) {
    this._emit('data', value);
    this._room._emit('data', value, this);
  }

  async #answer(token, value) {
    const meta = { a: token };
    let packed = pack(null);
    this.#answering += 1;
    try {
      if (this.#answering > MAX_REQUESTS) throw 'busy';
      packed = pack((await (this.onrequest ?? this._room.onrequest)(value, this)) ?? null);
    } catch (error) {
      meta.e = `${error?.message ?? error}`.slice(0, 500) || 'failed';
    }
    this.#answering -= 1;
    try {
      this._post(packed, meta);
    } catch { /* Whoever asked has gone. */ }
  }

  // -- Connecting --

  /** Starts what shall lead to an open channel, perhaps anew: with our offer, or waiting for theirs. */
  _begin(offer) {
    this.#setState('connecting');
    this.#attempts = 0;
    if (offer) return this.#offer();
    // Two that entered at two nodes of a mesh at once take each other for the newcomer; then nobody offers.
    this.#arm(this._env.timing.offer * (this._polite ? 2 : 1));
  }

  #arm(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (!this.#useful) this.#toFar();
      else if (this._room._reaches(this.id)) this.#offer();
      else this.#arm(wait); // Nothing can be signalled now; entering the room again begins anew.
    }, wait);
  }

  /** Gives a new attempt its time. The polite one waits longer, so that both do not start anew at once. */
  #armAttempt() {
    const { attempt, attemptMax } = this._env.timing;
    this.#arm(Math.min(attempt * 2 ** this.#attempts, attemptMax) * (this._polite ? 1.3 : 1));
    this.#attempts += 1;
    if (this.#attempts !== 2 || !this._announced) return;
    const error = new LumameshError('peer-unreachable', this.id, { peer: this });
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
    if (this.#steps >= MAX_WAITING) {
      this._env.stats.dropped += 1;
      return;
    }
    this.#steps += 1;
    const run = () => this.state !== 'closed' && step();
    this.#work = this.#work.then(run).catch(() => { this._env.stats.stale += 1; }).then(() => { this.#steps -= 1; });
  }

  async #connection() {
    const iceServers = await this._room._iceServers();
    if (this.state === 'closed') throw new LumameshError('closed');
    this.#drop();
    this.#inBand = false;
    this.#theirs = undefined;
    this.#role = 'active';
    const pc = this.#pc = new this._env.RTCPeerConnection({ ...this._env.rtc, iceServers });
    // Both ends make the same channels by agreement, so it does not matter whose offer wins.
    const channel = this.#channel = pc.createDataChannel('lumamesh', { negotiated: true, id: 0 });
    const unreliable = { negotiated: true, id: 1, ordered: false, maxRetransmits: 0 };
    const fast = this.#fast = pc.createDataChannel('lumamesh-fast', unreliable);
    channel.binaryType = fast.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = LOW;
    channel.onopen = () => this.#opened();
    channel.onmessage = ({ data }) => this.#receive(data);
    fast.onmessage = ({ data }) => this.#receive(data, true);
    channel.onclose = () => this.state === 'open' && (this.#leaving ? this.#toFar() : this._end());
    const say = (candidate) => pc === this.#pc && this.#say({ candidate });
    pc.onicecandidate = ({ candidate }) => foresee(this._env, candidate, say);
    pc.onconnectionstatechange = () => pc === this.#pc && this.#connectionState(pc.connectionState);
    pc.onnegotiationneeded = () => this.state === 'open' && this.#renegotiate();
    pc.ontrack = ({ streams: [stream], track }) => this._emit('stream', stream, track);
    this.#addTracks();
  }

  #drop() {
    if (!this.#pc) return;
    discard(this.#pc, this.#channel, this.#fast);
    this.#pc = this.#channel = this.#fast = null;
    this.#wake();
    this.#incoming.clear();
    const gone = new LumameshError('closed');
    for (const job of this.#lanes.flat()) this.#giveUp(job, gone);
    this.#replies._clear(new LumameshError('not-open'));
  }

  #renegotiate() {
    this.#step(() => {
      // What is needed is part of the offer that is under way, or the browser says so again.
      if (this.#pc.signalingState !== 'stable') return;
      this.#inBand = this.#pc.connectionState === 'connected';
      return this.#describe();
    });
  }

  /** Makes the description that is due, offer or answer, and sends it as the browser made it. */
  async #describe() {
    await describe(this.#pc);
    this.#sendDescription();
  }

  #sendDescription() {
    const { type, sdp } = this.#pc.localDescription;
    this.#say({ description: { type, sdp } });
  }

  #say(signal) {
    if (this.#inBand && this.state === 'open') this.#frame('s', signal);
    else this._room._send(this.id, signal);
  }

  _signal(signal, inBand = false) {
    const { description, candidate } = signal;
    const offer = description?.type === 'offer';
    if (this.state === 'far') {
      if (!offer || !this._room._hasRoom()) {
        this._env.stats.dropped += offer;
        return;
      }
      this.#setState('connecting');
    }
    const renewed = offer && this.#isRenewed(description);
    // The other page gave up the connection that we still hold: ours ends, and its successor takes the offer.
    if (renewed && this.state === 'open' && !inBand) this._end()?._signal(signal);
    else if (!description) this.#step(() => this.#ignored || this.#pc.addIceCandidate(candidate));
    else {
      this.#step(() => {
        if (offer) this.#inBand = inBand; // The answer goes the way that the offer came.
        return this.#described(description);
      });
    }
  }

  #isRenewed({ sdp }) {
    return this.#theirs && this.#theirs !== originOf(sdp);
  }

  async #described({ type, sdp }) {
    if (type === 'answer') {
      this.#ignored = false;
      this.#theirs = originOf(sdp);
      this.#role = /setup:(\w+)/.exec(sdp)[1];
      return this.#pc.setRemoteDescription({ type, sdp });
    }
    if (!this.#pc || this.#isRenewed({ sdp })) {
      this.#armAttempt();
      await this.#connection();
    }
    this.#due = false;
    // An offer said twice has been answered.
    if (sdp === this.#lastOffer && this.#pc.localDescription?.type === 'answer') return this.#sendDescription();
    this.#ignored = this.#pc.signalingState !== 'stable' && !this._polite;
    // Ours may have been lost while the other page had no relay: to insist means to say it again.
    if (this.#ignored) return this.#sendDescription();
    // Not everybody outside browsers does this by itself.
    if (/local/.test(this.#pc.signalingState)) await this.#pc.setLocalDescription({ type: 'rollback' });
    // Who offers is the first to have a way: it begins DTLS and SCTP, too, so that we can send the sooner. Later
    // the roles stay what they are, which Firefox does not see to by itself.
    await this.#pc.setRemoteDescription({ type, sdp: sdp.replaceAll('actpass', this.#role) });
    this.#lastOffer = sdp;
    this.#theirs = originOf(sdp);
    await this.#describe();
  }

  #opened() {
    if (this.state === 'open') return;
    clearTimeout(this.#timer);
    this.#attempts = 0;
    this.#leaving = false;
    this.#setState('open');
    if (!this._announced) {
      this._announced = true;
      this._room._emit('peer', this);
    }
    this._emit('open');
    this.#findPath();
    if (this.#streams.size) this.#renegotiate();
  }

  #connectionState(state) {
    if (this.state !== 'open') return; // The attempt's own timer decides.
    if (state === 'connected') {
      clearTimeout(this.#timer);
      this.#findPath();
    } else if (state === 'failed') {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this._end(), this._env.timing.restart);
      if (!this._room._members.has(this.id) && this._room._net._links.size) this._end();
      else if (!this._polite || !this._room._reaches(this.id)) this.#restart();
    }
  }

  /** New ICE candidates and checks for the connection that we have: over a relay, since the channel may be dead. */
  #restart() {
    if (this.state !== 'open') return;
    this.#due = !this._room._reaches(this.id);
    if (this.#due) return;
    this.#step(() => {
      this.#inBand = false;
      this.#pc.restartIce();
      return this.#describe();
    });
  }

  /** A relay that the member may be reached by is there again. */
  _reachable() {
    if (!this.#due) return;
    // The other one may be as far: so that offers do not cross, the polite one waits for it.
    const restart = () => this.#due && this.#restart();
    setTimeout(restart, this._polite ? this._env.timing.offer : 0);
  }

  /** The page slept (the peer then has to show that it is alive), or is in another network. */
  _wake(moved) {
    if (moved) this.#restart();
    else this.#ping(this._env.timing.probe).catch(() => this.#restart());
  }

  /** New TURN credentials. */
  _renew(iceServers) {
    try {
      this.#pc?.setConfiguration({ ...this._env.rtc, iceServers });
      if (this.path === 'relay') this.#restart();
    } catch { /* What cannot change its servers keeps them. */ }
  }

  async #findPath() {
    const way = await wayOf(this.#pc).catch(ignore);
    if (!way || this.state !== 'open') return;
    const path = way.some((end) => end?.candidateType === 'relay') ? 'relay' : 'direct';
    if (path === this.path) return;
    this.path = path;
    this._emit('path', path);
  }

  // -- Ending --

  /** Whether this link is one of those that connect the room, or the page wants it. */
  get #useful() {
    return this.#pinned || this._room._wanted.has(this.id);
  }

  get #idle() {
    return !this.#lanes.flat().length && !this.#incoming.size && !this.#replies.size && !this.#streams.size;
  }

  /** Nobody needs this link: the peer is asked to end it, which it does when that is so for it, too. */
  _unlink() {
    if (this.state === 'connecting' && !this.#pinned) return this.#toFar();
    if (this.state !== 'open' || this.#useful || !this.#idle) return;
    this.#leaving = true;
    this.#frame('u');
  }

  #unlinked() {
    if (!this.#useful && this.#idle && this._room._settled) this.#toFar();
  }

  #toFar() {
    clearTimeout(this.#timer);
    this.#drop();
    this.path = null;
    this.#leaving = false;
    this.#setState('far');
    if (!this._room._members.has(this.id)) this._end();
  }

  /**
   * No relay lists the member any more: that ends what is not an open and living channel, which it has to
   * show. Later, where the member may just be slower than we to come back to the relay.
   */
  _unlisted(later) {
    const end = () => this._room._members.has(this.id) || this._end();
    if (this.state !== 'open') return this._end();
    const { restart, probe } = this._env.timing;
    const alive = () => this.#pc?.connectionState === 'connected';
    if (alive()) this.#ping(probe).catch(end);
    else if (later) setTimeout(() => alive() || end(), restart);
    else end();
  }

  /** Returns the peer's successor, if there is one. */
  _end() {
    if (this.state === 'closed') return undefined;
    this.#setState('closed');
    clearTimeout(this.#timer);
    this.#drop();
    this._emit('close');
    return this._room._ended(this);
  }
}
