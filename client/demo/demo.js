/**
 * The demo page: a chat between everybody in a room. Whatever comes from others is put into the page as text,
 * never as markup.
 */
import { connect } from '/demo/lumamesh.js';

const MAX_TEXT = 4000; // characters of one chat message
const MAX_LOG = 500; // lines that the page keeps
const PING_EVERY = 2000; // milliseconds
const RETRY_AFTER = 3000; // milliseconds, before the first connection is tried again

const $ = (id) => document.getElementById(id);
const rows = new Map(); // peer → its row in the list

let net = null;
let room = null;

/** Storage may be forbidden (a sandboxed frame, a strict browser); the page works without. */
const storage = {
  get(name) {
    try {
      return localStorage.getItem(name) ?? '';
    } catch {
      return '';
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(name, value);
    } catch {
      /* Then the name is asked for again next time. */
    }
  },
};

function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

const nameOf = (peer) => peer.nick.trim() || 'Somebody';
const inMs = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

// ---- The relay
// ----------------------------------------------------------------------------------------------------

const STATUS = {
  connecting: 'Connecting to the relay…',
  open: 'Relay connected',
  reconnecting: 'Relay lost, reconnecting…',
  closed: 'Disconnected from the relay',
};

function showStatus(state, text = STATUS[state]) {
  $('status').dataset.state = state;
  // The element is a live region: it is written only when there is news.
  if ($('status-text').textContent !== text) $('status-text').textContent = text;
  $('join').disabled = state !== 'open' || Boolean(room);
  showRelayTime();
}

/** Hidden from screen readers, which would announce every change. */
function showRelayTime() {
  $('relay-rtt').textContent = net?.status === 'open' && net.rtt !== null ? inMs(net.rtt) : '';
}

async function online() {
  for (;;) {
    try {
      const response = await fetch('/demo/relay.json', { cache: 'no-store' });
      if (!response.ok) throw new Error(`the relay's config: ${response.status}`);
      net = await connect({ relays: [await response.json()] });
      break;
    } catch (error) {
      const hopeless = ['unsupported', 'no-webrtc', 'insecure-context'].includes(error.code);
      showStatus('closed', hopeless ? 'This browser or page cannot do WebRTC' : 'No relay, trying again…');
      if (hopeless) throw error;
      await new Promise((resolve) => {
        setTimeout(resolve, RETRY_AFTER);
      });
    }
  }
  showStatus(net.status);
  net.on('status', (state) => showStatus(state));
}

// ---- The log
// ------------------------------------------------------------------------------------------------------

function addLine(line) {
  const log = $('log');
  // Whoever reads further up is left there.
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(line);
  while (log.children.length > MAX_LOG) log.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

const note = (text) => addLine(element('li', 'note', text));

function addMessage(who, text, mine = false) {
  const time = element('time', '', new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
  const head = element('div', 'who', element('b', '', who), time);
  addLine(element('li', mine ? 'message mine' : 'message', head, element('div', 'body', text)));
}

// ---- Who is here
// --------------------------------------------------------------------------------------------------

function hueOf(id) {
  let hue = 0;
  for (const char of id) hue = (hue * 31 + char.charCodeAt(0)) % 360;
  return hue;
}

function makeRow(id, name, isMe = false) {
  const avatar = element('span', 'avatar', [...name][0].toUpperCase());
  avatar.setAttribute('aria-hidden', 'true');
  avatar.style.setProperty('--hue', hueOf(id));
  const label = element('span', 'name', name);
  label.title = name;
  const path = element('span', 'path');
  const rtt = element('span', 'rtt', isMe ? 'you' : '');
  return Object.assign(element('li', '', avatar, label, element('span', 'link', path, rtt)), { path, rtt });
}

function showPeer(peer, rtt) {
  const row = rows.get(peer);
  if (!row) return;
  const words = { direct: 'direct', relay: 'relayed' };
  row.path.textContent = peer.state === 'open' ? (words[peer.path] ?? 'open') : 'connecting…';
  row.path.dataset.path = peer.path ?? '';
  if (rtt !== undefined) row.rtt.textContent = inMs(rtt);
}

function showCount() {
  $('count').textContent = String(rows.size + 1);
  $('alone').hidden = rows.size > 0;
  document.title = `${room.name} (${rows.size + 1}) – Lumamesh`;
}

async function measure(peer) {
  try {
    showPeer(peer, await peer.ping());
  } catch {
    /* It has gone, or will show the next time. */
  }
}

setInterval(() => {
  showRelayTime();
  for (const peer of rows.keys()) if (peer.state === 'open') measure(peer);
}, PING_EVERY);

function onPeer(peer) {
  const row = makeRow(peer.id, nameOf(peer));
  rows.set(peer, row);
  $('peers').append(row);
  showPeer(peer);
  showCount();
  peer.on('open', () => {
    note(`${nameOf(peer)} is here`);
    showPeer(peer);
    measure(peer);
  });
  peer.on('path', () => showPeer(peer));
  peer.on('data', (value) => {
    if (typeof value?.text === 'string') addMessage(nameOf(peer), value.text.slice(0, MAX_TEXT));
  });
}

function onLeave(peer) {
  rows.get(peer)?.remove();
  rows.delete(peer);
  if (!room || room.left) return;
  note(`${nameOf(peer)} has left`);
  showCount();
}

function onRoomError(error) {
  if (error.code === 'peer-unreachable') note(`No connection with ${nameOf(error.peer)} yet. Still trying…`);
  else note(`The relay does not let us back into the room (${error.code}). Trying again…`);
}

// ---- Entering and leaving
// -----------------------------------------------------------------------------------------

const roomInHash = () => {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return '';
  }
};

const REFUSALS = {
  'room-full': 'This room is full.',
  'bad-argument': 'This name or room cannot be used.',
  timeout: 'The relay does not answer. Try again.',
};

async function enter(event) {
  event.preventDefault();
  const nick = $('nick').value.trim();
  const secret = $('secret').value;
  const name = $('room').value.trim();
  if (!nick || !name || !net) return;
  $('join').disabled = true;
  $('problem').textContent = '';
  try {
    room = await net.joinRoom(name, { nick, secret });
  } catch (error) {
    $('problem').textContent = REFUSALS[error.code] ?? `That did not work: ${error.message}`;
    $('join').disabled = false;
    return;
  }
  room.on('peer', onPeer);
  room.on('leave', onLeave);
  room.on('error', onRoomError);

  storage.set('lumamesh-nick', nick);
  history.replaceState(null, '', `#${encodeURIComponent(name)}`);
  $('link').value = location.href;
  $('share-hint').textContent = secret
    ? 'Who opens this link and knows the secret comes to this room. The secret is not in the link.'
    : 'Who opens this link comes to this room.';
  $('room-title').textContent = name;
  $('log').replaceChildren();
  $('peers').replaceChildren(makeRow(net.id, nick, true));
  $('entry').hidden = true;
  $('room-view').hidden = false;
  showCount();
  note(secret ? 'You are in the room, with a secret.' : 'You are in the room.');
  $('text').focus();
}

function leave() {
  room?.leave();
  room = null;
  $('room-view').hidden = true;
  $('entry').hidden = false;
  $('join').disabled = net.status !== 'open';
  document.title = 'Lumamesh demo';
  $('room').focus();
}

function say(event) {
  event.preventDefault();
  const text = $('text').value.trim();
  if (!text || !room) return;
  const reached = room.broadcast({ text });
  addMessage(room.nick, text, true);
  if (reached === 0) note('Nobody was here to read that.');
  $('text').value = '';
  $('log').scrollTop = $('log').scrollHeight;
}

async function copyLink() {
  const button = $('copy');
  try {
    await navigator.clipboard.writeText($('link').value);
  } catch {
    $('link').select(); // The clipboard is closed to us: at least it is ready to be copied.
    return;
  }
  button.textContent = 'Copied';
  setTimeout(() => {
    button.textContent = 'Copy link';
  }, 1500);
}

$('entry-form').addEventListener('submit', enter);
$('composer').addEventListener('submit', say);
$('leave').addEventListener('click', leave);
$('copy').addEventListener('click', copyLink);
$('link').addEventListener('focus', () => $('link').select());
addEventListener('hashchange', () => {
  if (room) return location.reload();
  $('room').value = roomInHash();
});

$('nick').value = storage.get('lumamesh-nick');
$('room').value = roomInHash() || 'lobby';
$($('nick').value ? 'room' : 'nick').focus();
online();
