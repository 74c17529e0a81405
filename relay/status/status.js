/** The relay's status page: asks /statsz every two seconds, and keeps what it has heard for the plots. */
import { showMesh } from '/mesh.js';
import { Columns, Curves, shortNumber } from '/plots.js';

const EVERY = 2000; // milliseconds between questions
const MINUTE = 60_000;
const TIMEOUT = 10_000;

const $ = (id) => document.getElementById(id);

const short = (value) => shortNumber(value);
const bytesASecond = (value) => `${shortNumber(value, ' ')}B/s`;
const aSecond = (value) => (value < 10 ? value.toFixed(1) : shortNumber(value));
const plots = {
  sessions: new Curves('sessions', [undefined]),
  rooms: new Curves('rooms', ['rooms', 'members'], { one: ['room', 'member'] }),
  traffic: new Curves('traffic', ['in', 'out'], { format: bytesASecond, axis: short, least: 100 }),
  messages: new Curves('messages', ['in', 'out'], { format: aSecond, axis: short }),
  allocations: new Curves('allocations', [undefined]),
  relayed: new Curves('relayed', ['in', 'out'], { format: bytesASecond, axis: short, least: 100 }),
  connections: new Curves('connections', ['TCP', 'TLS']),
};
const columns = { connect: new Columns('connect'), signal: new Columns('signal') };

/** What each reason means; one that is missing here is shown by its name. */
const REASONS = {
  empty: 'Datagrams without a byte',
  not_ours: 'Datagrams of no protocol spoken here',
  stun_malformed: 'Malformed STUN messages',
  stun_class: 'STUN messages that were not asked for',
  stun_integrity: 'Checks with another password',
  stun_ufrag: 'Checks for another relay',
  stun_attribute: 'Checks with attributes unknown here',
  session_limit: 'Newcomers while all sessions were taken',
  session_rate: 'Newcomers over their address’s rate',
  path_taken: 'Checks from another session’s address',
  dtls_no_path: 'DTLS from addresses without a check',
  dtls_malformed: 'DTLS records that do not belong',
  dtls_cookie: 'Hellos that had to bring a cookie first',
  dtls_hello: 'ClientHellos that contradict themselves',
  sctp_malformed: 'Malformed SCTP packets',
  dcep: 'Channel openings that are malformed',
  channel: 'Channels of another kind',
  message: 'Messages outside the channel',
  message_too_big: 'Messages over the size limit',
  srtp: 'Media datagrams',
  turn: 'TURN datagrams of no allocation',
  output_full: 'Answers that found the queue full',
  closing: 'Messages of sessions being closed',
  queue_full: 'Messages to readers that are too slow',
  gone: 'Messages to sessions that have just ended',
  malformed: 'Malformed TURN messages',
  unauthenticated: 'TURN requests without good credentials',
  request_rate: 'TURN strangers over their address’s rate',
  amplification: 'TURN requests shorter than their answer',
  unknown_attribute: 'TURN requests with attributes unknown here',
  mismatch: 'TURN requests for no allocation, or a second',
  wrong_credentials: 'TURN requests for another user’s allocation',
  unsupported: 'TURN requests for what is not served',
  user_quota: 'Allocations over their user’s quota',
  capacity: 'TURN requests while nothing was free',
  forbidden: 'TURN peers that may not be reached',
  no_allocation: 'TURN data without an allocation',
  no_channel: 'TURN data on channels that are not bound',
  no_permission: 'TURN data without a permission',
  no_peer: 'TURN data to addresses that nobody has',
  rate: 'TURN data over its allocation’s rate',
  blocked: 'TURN answers that found the way out full',
  no_listener: 'Messages of another node for members who have gone',
  too_large: 'Messages of another node that fit none of ours',
  salt: 'Links of nodes with another MESH_SALT, as it seems',
  handshake: 'Links whose handshake failed',
  link_limit: 'Links while all were taken',
  silent: 'Links that fell silent',
  duplicate: 'Second links to the same node',
  'mesh malformed': 'Links closed for malformed messages',
  'mesh memory': 'What a mesh had no memory for',
  memory: 'Messages for which there was no memory',
};

const STATES = {
  ready: 'Ready',
  draining: 'Draining: no newcomers are let in',
  closed: 'Not ready',
  lost: 'The relay does not answer',
};

let last = null; // the report before
let minute = []; // reports of the last minute, the oldest first

function showState(state) {
  $('status').dataset.state = state;
  $('main').classList.toggle('lost', state === 'lost');
  // It is a live region: it is written only when there is news.
  if ($('status-text').textContent !== STATES[state]) $('status-text').textContent = STATES[state];
}

function duration(ms) {
  const minutes = Math.floor(ms / MINUTE);
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`;
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor(minutes / 60) % 24} h`;
}

const byReason = ({ drops }) =>
  new Map(
    Object.entries(drops).flatMap(([layer, reasons]) =>
      Object.entries(reasons).map(([reason, count]) => [`${layer} ${reason}`, count]),
    ),
  );

function row(key, count, recent) {
  const [layer, reason] = key.split(' ');
  const head = document.createElement('th');
  head.scope = 'row';
  const name = document.createElement('small');
  name.textContent = `${layer}: ${reason}`;
  head.append(REASONS[key] ?? REASONS[reason] ?? reason.replaceAll('_', ' '), name);
  const made = document.createElement('tr');
  made.append(head);
  for (const value of [recent, count]) {
    const cell = document.createElement('td');
    cell.className = 'number';
    cell.textContent = value.toLocaleString('en');
    made.append(cell);
  }
  return made;
}

function showDrops(report) {
  const before = byReason(minute[0]);
  const rows = [...byReason(report)]
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([key, count]) => row(key, count, count - (before.get(key) ?? 0)));
  $('drops').hidden = rows.length === 0;
  $('no-drops').hidden = rows.length > 0;
  $('drops').tBodies[0].replaceChildren(...rows);
}

function showRates(report) {
  const seconds = (report.uptimeMs - last.uptimeMs) / 1000;
  if (seconds <= 0) return;
  const rate = (of) => Math.max(0, of(report) - of(last)) / seconds;
  plots.traffic.add(report.uptimeMs, [rate((r) => r.webrtc.bytes_in), rate((r) => r.webrtc.bytes_out)]);
  plots.messages.add(report.uptimeMs, [rate((r) => r.messages.in), rate((r) => r.messages.out)]);
  plots.relayed.add(report.uptimeMs, [
    rate((r) => r.turn.bytes_from_clients),
    rate((r) => r.turn.bytes_to_clients),
  ]);
}

function show(report) {
  if (last && last.startedAt !== report.startedAt) {
    // It was started anew: its counters are, too.
    last = null;
    minute = [];
    for (const plot of Object.values(plots)) plot.clear();
  }
  minute.push(report);
  while (report.uptimeMs - minute[0].uptimeMs > MINUTE) minute.shift();
  showState(report.ready ? 'ready' : report.draining ? 'draining' : 'closed');
  $('uptime').textContent = `up ${duration(report.uptimeMs)}`;
  $('version').textContent = `version ${report.version}`;
  $('node').textContent = report.nodeId;
  plots.sessions.figures[0].name.textContent = `of at most ${report.maxSessions.toLocaleString('en')}`;
  plots.sessions.add(report.uptimeMs, [report.sessions]);
  plots.rooms.add(report.uptimeMs, [report.rooms, report.members]);
  const { allocations, maxAllocations } = report.turn;
  plots.allocations.figures[0].name.textContent =
    maxAllocations > 0 ? `of at most ${maxAllocations.toLocaleString('en')}` : 'TURN is off';
  plots.allocations.add(report.uptimeMs, [allocations]);
  plots.connections.add(report.uptimeMs, [report.tcp.connections, report.tls.connections]);
  if (last) showRates(report);
  columns.connect.set(report.connectTime);
  columns.signal.set(report.signalTime);
  const { done, failed } = report.handshakes;
  $('handshakes').textContent = `${done.toLocaleString('en')} done, ${failed.toLocaleString('en')} failed`;
  const { residentBytes, cpuMs, openFds } = report.process;
  const memory = `${shortNumber(residentBytes, ' ')}B of memory`;
  $('process').textContent = `${memory}, ${(cpuMs / 1000).toFixed(1)} s of CPU, ${openFds} open files`;
  showMesh(report);
  showDrops(report);
  last = report;
}

async function get(path) {
  const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT) });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response;
}

async function watch() {
  try {
    show(await (await get('/statsz')).json());
  } catch {
    showState('lost');
    $('uptime').textContent = '';
  }
  setTimeout(watch, EVERY);
}

/** "lm1." and base64url of JSON. */
const decode = (blob) => JSON.parse(atob(blob.slice(4).replaceAll('-', '+').replaceAll('_', '/')));

async function showConfig() {
  const blob = (await (await get('/blob')).text()).trim();
  const { alt = [], ip, ip6, host, port, tcp, fingerprint } = decode(blob);
  const places = [host, ip, ip6, ...alt]
    .filter(Boolean)
    .map((place) => (place.includes(':') ? `[${place}]:${port}` : `${place}:${port}`));
  const ways = tcp === undefined ? 'UDP' : tcp === port ? 'UDP and TCP' : `UDP; TCP port ${tcp}`;
  $('address').textContent = `${places.join(', ')} (${ways})`;
  $('fingerprint').textContent = fingerprint;
  $('blob').value = blob;
  $('copy').disabled = false;
}

async function copyBlob() {
  try {
    await navigator.clipboard.writeText($('blob').value);
  } catch {
    // The clipboard is closed to us, as to any page that came over plain HTTP from another machine.
    $('blob').select();
    if (!document.execCommand('copy')) return;
  }
  $('copy').textContent = 'Copied';
  setTimeout(() => {
    $('copy').textContent = 'Copy config';
  }, 1500);
}

$('copy').addEventListener('click', copyBlob);
$('blob').addEventListener('focus', () => $('blob').select());
watch();
showConfig().catch(() => {
  $('address').textContent = 'not known: reload the page';
});
