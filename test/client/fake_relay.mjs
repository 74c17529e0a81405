/**
 * A world in memory for the browser library: relays that keep the protocol's rules for rooms, and peer
 * connections that keep the rules of JSEP as far as the library depends on them (signalling states, rollback,
 * candidates that belong to one description). Nothing here opens a socket. Every step between two ends takes
 * a turn of the event loop, as it would in life, so that things can overtake each other.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

const later = (step) => setImmediate(step);
const fail = (name, message) => {
  throw Object.assign(new Error(message), { name });
};
const line = (sdp, name) => new RegExp(`^a=${name}:(.*?)\r?$`, 'm').exec(sdp)?.[1];

/** Waits until `condition()` is true, looking again whenever the loop has turned. Throws after `ms`. */
export async function until(condition, ms = 5000, what = condition) {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
  }
}

/**
 * Knows all connections and relays of one test. `RTCPeerConnection` is the constructor to give to the
 * library.
 */
export class FakeWorld {
  constructor() {
    const world = this;
    this.connections = [];
    this.relays = [];
    /** What each connection finds: RTCIceCandidate's members. */
    this.candidates = [{ candidate: 'candidate:1 1 udp 1 192.0.2.1 9 typ host' }];
    /** By what connections reach each other and relays, as getStats() says it. */
    this.protocol = undefined;
    this.RTCPeerConnection = class extends FakePeerConnection {
      constructor(config) {
        super(world, config);
      }
    };
  }

  relay(options) {
    const relay = new FakeRelay(options);
    this.relays.push(relay);
    return relay;
  }

  find(sdp) {
    const ufrag = line(sdp, 'ice-ufrag');
    return this.connections.find(
      (pc) => pc.signalingState !== 'closed' && line(pc.localDescription?.sdp, 'ice-ufrag') === ufrag,
    );
  }

  /** The connected pairs between pages, each once. */
  pairs() {
    return this.connections
      .filter((pc) => pc.other && pc.connectionState === 'connected')
      .map((pc) => [pc, pc.other])
      .filter(([a, b]) => this.connections.indexOf(a) < this.connections.indexOf(b));
  }
}

class FakeChannel {
  constructor(pc, label, options) {
    Object.assign(this, { pc, label, id: options?.id ?? null, negotiated: options?.negotiated ?? false });
    this.readyState = 'connecting';
    this.bufferedAmount = 0;
    this.frames = [];
    this.onopen = this.onmessage = this.onclose = null;
  }

  send(data) {
    if (this.readyState !== 'open') fail('InvalidStateError', 'the channel is not open');
    if ((data.byteLength ?? Buffer.byteLength(data)) > 65536) fail('TypeError', 'larger than the other side takes');
    if (typeof data !== 'string') data = data.slice().buffer;
    this.frames.push(data);
    const { receiver } = this;
    later(() => receiver(data));
  }

  opened(receiver) {
    if (this.readyState !== 'connecting') return;
    this.receiver = receiver;
    this.readyState = 'open';
    this.onopen?.();
  }

  closed() {
    if (this.readyState === 'closed') return;
    this.readyState = 'closed';
    this.onclose?.();
  }
}

class FakePeerConnection {
  constructor(world, config) {
    Object.assign(this, { world, config });
    this.signalingState = 'stable';
    this.connectionState = 'new';
    this.localDescription = this.remoteDescription = null;
    this.channels = [];
    this.origin = randomBytes(7).readUIntBE(0, 6);
    this.version = 0;
    this.candidates = 0; // of the present remote description
    this.heard = []; // those of all
    this.onicecandidate = this.onconnectionstatechange = null;
    world.connections.push(this);
  }

  createDataChannel(label, options) {
    const channel = new FakeChannel(this, label, options);
    this.channels.push(channel);
    return channel;
  }

  #describe(type) {
    this.ufrag =
      type === 'answer' || !this.ufrag || this.restart ? randomBytes(4).toString('hex') : this.ufrag;
    this.restart = false;
    this.version += 1;
    const theirs = line(this.remoteDescription?.sdp, 'setup');
    const setup = type === 'offer' ? 'actpass' : theirs === 'active' ? 'passive' : 'active';
    const sdp =
      `v=0\r\no=- ${this.origin} ${this.version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n` +
      'm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n' +
      `a=fingerprint:sha-256 ${this.origin}\r\na=ice-ufrag:${this.ufrag}\r\n` +
      `a=setup:${setup}\r\na=mid:0\r\na=sctp-port:5000\r\n`;
    return { type, sdp };
  }

  async createOffer() {
    return (this.created = { type: 'offer' });
  }

  async createAnswer() {
    return (this.created = { type: 'answer' });
  }

  async setLocalDescription(description) {
    const rollback = description?.type === 'rollback';
    if (!rollback && description !== this.created) fail('TypeError', 'the library is not to change descriptions');
    await new Promise(later);
    if (this.signalingState === 'closed') fail('InvalidStateError', 'closed');
    if (rollback) {
      if (this.signalingState !== 'have-local-offer') fail('InvalidStateError', 'nothing to roll back');
      this.localDescription = this.stableLocal;
      this.signalingState = 'stable';
      return;
    }
    const answer = this.signalingState === 'have-remote-offer';
    if (!answer) this.stableLocal = this.localDescription;
    this.localDescription = this.#describe(answer ? 'answer' : 'offer');
    this.signalingState = answer ? 'stable' : 'have-local-offer';
    const { ufrag } = this;
    later(() => {
      for (const { candidate, ...parts } of this.world.candidates) {
        const init = { candidate, sdpMid: '0', usernameFragment: ufrag };
        this.onicecandidate?.({ candidate: { ...init, ...parts, toJSON: () => init } });
      }
      this.onicecandidate?.({ candidate: null });
    });
    this.#check();
  }

  async setRemoteDescription({ type, sdp }) {
    await new Promise(later);
    if (this.signalingState === 'closed') fail('InvalidStateError', 'closed');
    // As outside browsers, where nothing rolls back by itself.
    const state = type === 'offer' ? 'stable' : 'have-local-offer';
    if (this.signalingState !== state) fail('InvalidStateError', `${type} in ${this.signalingState}`);
    if (line(sdp, 'ice-ufrag') !== line(this.remoteDescription?.sdp, 'ice-ufrag')) this.candidates = 0;
    this.remoteDescription = { type, sdp };
    this.signalingState = type === 'offer' ? 'have-remote-offer' : 'stable';
    if (/^a=ice-lite/m.test(sdp)) this.#dial(sdp);
    else this.#check();
  }

  async addIceCandidate(candidate) {
    await new Promise(later);
    if (!this.remoteDescription) fail('InvalidStateError', 'no remote description');
    const ufrag = line(this.remoteDescription.sdp, 'ice-ufrag');
    if (candidate.usernameFragment !== ufrag) fail('OperationError', 'a candidate of another description');
    this.candidates += 1;
    this.heard.push(candidate.candidate);
    this.#check();
  }

  restartIce() {
    this.restart = true;
  }

  #check() {
    const other = this.remoteDescription && this.world.find(this.remoteDescription.sdp);
    if (!other || this.signalingState !== 'stable' || other.signalingState !== 'stable') return;
    if (this.world.find(other.remoteDescription?.sdp) !== this || !this.candidates || !other.candidates)
      return;
    if (this.world.severed) return;
    for (const [a, b] of [
      [this, other],
      [other, this],
    ]) {
      a.other = b;
      later(() => a.changed('connected'));
      for (const channel of a.channels.filter(({ negotiated }) => negotiated)) {
        const mirror = b.channels.find(({ negotiated, id }) => negotiated && id === channel.id);
        if (mirror) later(() => channel.opened((data) => mirror.onmessage?.({ data })));
      }
    }
  }

  #dial(sdp) {
    const relay = this.world.relays.find(
      ({ config }) => sdp.includes(config.fingerprint) && sdp.includes(config.ufrag),
    );
    const [channel] = this.channels;
    later(() => {
      if (this.signalingState === 'closed' || !relay?.running) return;
      const session = relay.attach({
        send: (text) => later(() => channel.onmessage?.({ data: text })),
        close: () => later(() => channel.closed()),
      });
      this.session = session;
      this.changed('connected');
      channel.opened((data) => relay.receive(session, data));
    });
  }

  changed(state) {
    if (this.signalingState === 'closed' || this.connectionState === state) return;
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  async getStats() {
    return new Map(
      Object.entries({
        T: { type: 'transport', selectedCandidatePairId: 'P' },
        P: { type: 'candidate-pair', localCandidateId: 'L', remoteCandidateId: 'R' },
        L: { type: 'local-candidate', candidateType: 'host', protocol: this.world.protocol },
        R: { type: 'remote-candidate', candidateType: this.world.relayed ? 'relay' : 'prflx' },
      }),
    );
  }

  /** As the browsers: the closing side hears nothing, the other one does; the relay sees the session end. */
  close() {
    if (this.signalingState === 'closed') return;
    this.signalingState = this.connectionState = 'closed';
    for (const channel of this.channels) channel.readyState = 'closed';
    this.session?.relay.ended(this.session);
    const { other } = this;
    if (other && !this.world.severed) later(() => other.channels.forEach((channel) => channel.closed()));
  }
}

/**
 * The protocol of section 3. `tamper(message, session)` may change, drop (undefined) or multiply (array) what
 * is sent; `batch`: how many peers fit in one `joined`; `refuse`: action → error code.
 */
export class FakeRelay {
  constructor({ tamper, batch = 100, turn = false, refuse = {} } = {}) {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    Object.assign(this, { tamper, batch, turn, refuse, privateKey });
    this.digest = randomBytes(32);
    this.config = {
      fingerprint: this.digest.toString('hex').toUpperCase().match(/../g).join(':'),
      ip: '192.0.2.1',
      nk: publicKey.export({ format: 'jwk' }).x,
      port: 3478,
      pwd: randomBytes(16).toString('hex'),
      ufrag: 'luma',
    };
    this.running = true;
    this.log = [];
    this.#reset();
  }

  #reset() {
    this.sessions = new Set();
    this.rooms = new Map(); // id → Map(peer id → { info, session })
  }

  /** Gone without a word, as by SIGKILL: who is connected does not notice. */
  kill() {
    this.running = false;
    for (const session of this.sessions) session.dead = true;
    this.#reset();
  }

  start() {
    this.running = true;
  }

  /** Is about to go: everybody is told, newcomers find nobody, those who stay are served. */
  drain() {
    this.running = false;
    for (const session of this.sessions) {
      this.#send(session, { action: 'error', code: 'shutting-down', message: 'bye' });
    }
  }

  /** Goes in good order: everybody is told. */
  shutDown() {
    for (const session of this.sessions) {
      this.#send(session, { action: 'error', code: 'shutting-down', message: 'bye' });
      session.close();
    }
    this.running = false;
    this.#reset();
  }

  attach(transport) {
    const session = { ...transport, relay: this, id: null, dead: false };
    this.sessions.add(session);
    return session;
  }

  ended(session) {
    if (session.dead) return;
    session.dead = true;
    this.sessions.delete(session);
    for (const [room, members] of this.rooms)
      if (members.get(session.id)?.session === session) this.#leave(room, session.id);
  }

  /** Says that a peer left whose page is still there. */
  pretendLeft(id) {
    for (const [room, members] of this.rooms) if (members.has(id)) this.#leave(room, id);
  }

  #leave(room, id) {
    const members = this.rooms.get(room);
    members?.delete(id);
    for (const { session } of members?.values() ?? []) this.#send(session, { action: 'peer-left', room, id });
  }

  #send(session, message) {
    if (session.dead) return;
    const sent = this.tamper ? this.tamper(message, session) : message;
    for (const one of [sent ?? []].flat()) session.send(typeof one === 'string' ? one : JSON.stringify(one));
  }

  receive(session, text) {
    if (session.dead) return;
    const message = JSON.parse(text);
    const { action, re, room } = message;
    this.log.push({ from: session.id, ...message });
    const reply = (answer) => this.#send(session, re === undefined ? answer : { ...answer, re });
    const error = (code) => reply({ action: 'error', code, message: code });
    const members = this.rooms.get(room);
    if (this.refuse[action]) return error(this.refuse[action]);
    if (action === 'hello') return reply(this.#welcome(session, message));
    if (!session.id) return error('hello-first');
    if (action === 'ping') return reply({ action: 'pong', t: message.t });
    if (action === 'join') return this.#join(session, message, reply);
    if (action === 'turn' && this.turn) return reply({ action: 'turn', ...this.turn });
    if (action === 'leave') {
      if (!members?.has(session.id)) return error('not-in-room');
      this.#leave(room, session.id);
      return reply({ action: 'left', room });
    }
    if (action === 'signal') {
      if (!members?.has(session.id)) return error('not-in-room');
      const target = members.get(message.to)?.session;
      if (!target) return error('no-such-peer');
      return this.#send(target, { action: 'signal', room, from: session.id, data: message.data });
    }
    return error('unknown-action');
  }

  #welcome(session, { nonce, key }) {
    const bytes = Buffer.from(key, 'base64url');
    session.id = createHash('sha256')
      .update('lumamesh-peer-v1\0')
      .update(bytes)
      .digest()
      .subarray(0, 16)
      .toString('base64url');
    for (const old of this.sessions) {
      if (old === session || old.id !== session.id) continue;
      this.#send(old, { action: 'error', code: 'replaced', message: 'the same key came again' });
      for (const members of this.rooms.values())
        if (members.has(old.id)) members.get(old.id).session = session;
      old.dead = true;
      this.sessions.delete(old);
      old.close();
    }
    const signed = Buffer.concat([
      Buffer.from('lumamesh-hello-v1\0'),
      Buffer.from(nonce, 'base64url'),
      this.digest,
    ]);
    const sig = sign(null, signed, this.privateKey).toString('base64url');
    const limits = { rooms: 64, room: 250, message: 65536 };
    return {
      action: 'welcome',
      v: 1,
      id: session.id,
      node: this.config.nk,
      sig,
      limits,
      turn: Boolean(this.turn),
    };
  }

  #join(session, { room, info }, reply) {
    if (!this.rooms.has(room)) this.rooms.set(room, new Map());
    const members = this.rooms.get(room);
    const known = members.has(session.id);
    const others = [...members]
      .filter(([id]) => id !== session.id)
      .map(([id, member]) => ({ id, info: member.info }));
    members.set(session.id, { info, session });
    do {
      const peers = others.splice(0, this.batch);
      reply({ action: 'joined', room, peers, ...(others.length > 0 && { more: true }) });
    } while (others.length > 0);
    if (known) return;
    for (const [id, member] of members) {
      if (id !== session.id)
        this.#send(member.session, { action: 'peer-joined', room, peer: { id: session.id, info } });
    }
  }
}
