/**
 * Lumamesh, the browser library. What the functions do, and the errors they throw, is told in lumamesh.js and
 * README.md; times are in milliseconds and sizes in bytes unless a comment says otherwise.
 */

/** A relay as `lumamesh-relay --print-config` prints it. */
export interface RelayConfig {
  fingerprint: string;
  nk: string;
  port: number;
  pwd: string;
  ufrag: string;
  alt?: string[];
  host?: string;
  ip?: string;
  ip6?: string;
  tcp?: number;
}

export type ErrorCode =
  | 'aborted'
  | 'already-joined'
  | 'bad-argument'
  | 'bad-config'
  | 'bad-signature'
  | 'bad-welcome'
  | 'closed'
  | 'insecure-context'
  | 'no-relay'
  | 'no-webrtc'
  | 'not-open'
  | 'peer-unreachable'
  | 'queue-full'
  | 'rate-limited'
  | 'relay-lost'
  | 'relay-unreachable'
  | 'replaced'
  | 'request-failed'
  | 'room-full'
  | 'shutting-down'
  | 'timeout'
  | 'too-large'
  | 'too-many-rooms'
  | 'undecryptable'
  | 'unreadable'
  | 'unsupported'
  | 'version'
  | (string & {});

export class LumameshError extends Error {
  constructor(code: ErrorCode, detail?: string, more?: object);
  readonly code: ErrorCode;
  /** `no-relay`: what was wrong with each. */
  readonly errors?: LumameshError[];
  /** `relay-unreachable`: such as `udp 203.0.113.10:3478`. */
  readonly tried?: string[];
  /** `undecryptable`: the member. */
  readonly id?: string;
  /** `peer-unreachable`. */
  readonly peer?: Peer;
}

/** Events and what their handlers are given. */
interface Emitter<Events extends Record<string, unknown[]>> {
  /** Returns a function that takes the handler away again. */
  on<Type extends keyof Events>(type: Type, handler: (...details: Events[Type]) => void): () => void;
  off<Type extends keyof Events>(type: Type, handler: (...details: Events[Type]) => void): void;
}

export interface ConnectOptions {
  /** Blobs, configs, or addresses of relay lists (a JSON array, or one blob a line). */
  relays: string | RelayConfig | ReadonlyArray<string | RelayConfig>;
  signal?: AbortSignal;
  /** Sessions with relays to keep; 2 unless told. */
  links?: number;
  /** For connections with peers. */
  rtc?: RTCConfiguration;
  /** Outside browsers, or wrapped. */
  RTCPeerConnection?: new (configuration?: RTCConfiguration) => RTCPeerConnection;
  fetch?: typeof fetch;
  /** Remembers relays; null: nothing is kept. */
  storage?: Pick<Storage, 'getItem' | 'setItem'> | null;
  /** DNS over HTTPS (JSON) for names of relays; null: none. */
  dns?: string | null;
}

export interface RoomOptions {
  nick?: string;
  secret?: string;
  /** A JSON value that the members see. */
  info?: unknown;
  /** Links to other pages, at least 2; 32 unless told. */
  maxPeers?: number;
  /** Bytes in memory of messages that a peer may be sending at a time; 268,435,456 unless told. */
  maxMessage?: number;
  signal?: AbortSignal;
}

export interface SendOptions {
  /** false: may be lost or overtaken, at most 16,000 characters or bytes. */
  reliable?: boolean;
  progress?: (sent: number, total: number) => void;
  signal?: AbortSignal;
}

export type Status = 'connecting' | 'open' | 'reconnecting' | 'closed';

export interface Stats {
  undecryptable: number;
  replayed: number;
  unknown: number;
  malformed: number;
  forged: number;
  stale: number;
  dropped: number;
  reconnects: number;
}

export interface Net
  extends Emitter<{
    status: [status: Status, error?: LumameshError];
    relays: [configs: RelayConfig[]];
    error: [error: LumameshError];
  }> {
  /** This page's peer id, 22 characters. */
  readonly id: string;
  readonly status: Status;
  /** The relay in use, or last in use. */
  readonly relay: RelayConfig | null;
  readonly relays: RelayConfig[];
  /** Round-trip time to the nearest relay. */
  readonly rtt: number | null;
  readonly stats: Readonly<Stats>;
  joinRoom(name: string, options?: RoomOptions): Promise<Room>;
  close(): void;
}

/** Who made a broadcast that came over others, when it is not known to the room yet. */
export interface Stranger {
  readonly id: string;
  readonly nick: string;
}

export interface Room
  extends Emitter<{
    peer: [peer: Peer];
    leave: [peer: Peer];
    data: [value: any, from: Peer | Stranger];
    error: [error: LumameshError];
  }> {
  readonly id: string;
  readonly name: string;
  readonly nick: string;
  readonly maxPeers: number;
  readonly left: boolean;
  readonly peers: Peer[];
  /** Answers requests of peers that have no `onrequest` of their own. */
  onrequest: (value: any, peer: Peer) => unknown;
  /** Returns to how many peers it went directly. */
  broadcast(value: unknown, options?: Pick<SendOptions, 'reliable'>): number;
  leave(): Promise<void>;
}

export type PeerState = 'far' | 'connecting' | 'open' | 'closed';
export type Path = 'direct' | 'relay';

export interface Peer
  extends Emitter<{
    open: [];
    data: [value: any];
    progress: [progress: { received: number; total: number; name?: string }];
    stream: [stream: MediaStream, track: MediaStreamTrack];
    path: [path: Path];
    state: [state: PeerState];
    close: [];
  }> {
  readonly id: string;
  readonly nick: string;
  readonly info: any;
  readonly state: PeerState;
  readonly path: Path | null;
  onrequest: ((value: any, peer: Peer) => unknown) | null;
  /** Resolves when the value is on its way; with false for an unreliable one that found no place. */
  send(value: unknown, options?: SendOptions): Promise<boolean>;
  request<Answer = any>(value: unknown, options?: { timeout?: number; signal?: AbortSignal }): Promise<Answer>;
  /** The time to the peer and back. */
  ping(): Promise<number>;
  /** Makes a link with a member that is `far`. */
  open(): Promise<void>;
  addStream(stream: MediaStream): void;
  removeStream(stream: MediaStream): void;
}

export function connect(options: ConnectOptions): Promise<Net>;

/** In one word, `lm1.…`. */
export function encodeRelayConfig(config: RelayConfig): string;
export function decodeRelayConfig(blob: string): RelayConfig;

// For those who build on the protocol, and for tests.
export function relayAnswer(offer: string, config: RelayConfig): string;
export function deriveRoom(name: string, secret?: string): Promise<{ id: string; keyBytes: Uint8Array }>;
export function seal(key: CryptoKey, value: unknown, aad: string, iv?: Uint8Array): Promise<string>;
export function unseal(key: CryptoKey, box: string, aad: string): Promise<any>;
export function peerIdOf(key: Uint8Array): Promise<string>;
export function chooseLinks(self: string, others: Iterable<string>, most: number): Set<string>;
