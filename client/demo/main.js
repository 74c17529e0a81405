/**
 * The demo page: chat, pointers, files and a picture of the room. This file finds the relays, enters and leaves
 * the room, and hands what comes in to the part that it is for. Whatever comes from others is put into the page
 * as text, never as markup.
 */
import { Board } from './board.js';
import { addMessage, clearChat, note } from './chat.js';
import { Files } from './files.js';
import { makeSecret, readInvitation, writeInvitation } from './invitation.js';
import { connect, decodeRelayConfig } from './lumamesh.js';
import { People } from './people.js';
import { $, hueOf, inMs, nameOf, onSubmit, setText, storage } from './ui.js';
import { entryTrouble, HOPELESS, relayTrouble, roomTrouble } from './words.js';

const RETRY_AFTER = 3000; // milliseconds, before the first connection is tried again
const TITLE = document.title;

let net = null;
let room = null;
let own = []; // relays that the page knows without being told
let told = []; // relays that an invitation or the visitor names
let attempt = null; // an AbortController: the present search for a relay
let board;
let people;
let files;

// ---- The relay -------------------------------------------------------------------------------------------

const STATUS = {
  none: 'No relay yet',
  connecting: 'Connecting to the relay…',
  open: 'Relay connected',
  reconnecting: 'Relay lost, reconnecting…',
  closed: 'Disconnected from the relay',
};

function showStatus(state, trouble = '') {
  $('status').dataset.state = state;
  setText($('status-text'), STATUS[state]);
  setText($('trouble'), trouble);
  $('trouble').hidden = !trouble;
  $('join').disabled = state !== 'open' || Boolean(room);
  showRelayTime();
}

/** Hidden from screen readers, which would announce every change. */
function showRelayTime() {
  setText($('relay-rtt'), net?.status === 'open' && net.rtt !== null ? inMs(net.rtt) : '');
}

setInterval(showRelayTime, 2000);

/** What the page was given by whoever put it there: blobs, or an address on its own server. */
async function relaysOfPage() {
  const content = document.querySelector('meta[name="lumamesh-relays"]')?.content.trim() ?? '';
  if (!content.startsWith('/')) return content.split(/\s+/).filter(Boolean);
  const response = await fetch(content, { cache: 'no-store' });
  if (!response.ok) throw new Error(`This page’s server says ${response.status} instead of where the relay is.`);
  return [await response.json()];
}

/** Each relay once, by its node key: the same one twice would be two sessions of one identity. */
function unique(relays) {
  const configs = relays.map((relay) => (typeof relay === 'string' ? decodeRelayConfig(relay) : relay));
  return [...new Map(configs.reverse().map((config) => [config.nk, config])).values()].reverse();
}

/** Connects, and goes on trying; another call takes its place. */
async function online() {
  attempt?.abort();
  const { signal } = (attempt = new AbortController());
  net?.close();
  net = null;
  for (;;) {
    try {
      if (!own.length) own = await relaysOfPage();
      const relays = unique([...told, ...own]);
      if (!relays.length) {
        $('relay-field').hidden = false;
        return showStatus('none');
      }
      // Nobody but the relay is asked for anything, so no DNS server either.
      const connected = await connect({ relays, signal, dns: null });
      if (signal.aborted) return connected.close();
      net = connected;
      break;
    } catch (error) {
      if (signal.aborted) return;
      const lost = error instanceof TypeError; // of fetch()
      showStatus('closed', lost ? 'This page’s server does not answer. Trying again…' : relayTrouble(error));
      if (!own.length) $('relay-field').hidden = false;
      if (HOPELESS.includes(error.code)) return;
      await new Promise((resolve) => {
        setTimeout(resolve, RETRY_AFTER);
      });
      if (signal.aborted) return;
    }
  }
  showStatus(net.status);
  net.on('status', (state, error) => {
    // A first loss is nearly always over in a moment; what goes on failing is explained.
    showStatus(state, error ? relayTrouble(error) : '');
    people?.changed();
  });
  net.on('relays', () => people?.changed());
  net.on('error', (error) => room && note(roomTrouble(error, nameOf)));
}

/** A relay that the visitor names, or is about to. */
function takeRelay(event) {
  const blob = $('relay').value.trim();
  if (!blob || (told.length === 1 && told[0] === blob)) return;
  try {
    decodeRelayConfig(blob);
  } catch (error) {
    if (event?.type !== 'input') setText($('problem'), relayTrouble(error));
    return;
  }
  setText($('problem'), '');
  storage.set('lumamesh-relay', blob);
  told = [blob];
  showStatus('connecting');
  online();
}

// ---- What comes in ---------------------------------------------------------------------------------------

function onData(value, from) {
  if (value instanceof File) files.arrived(from, value);
  else if (typeof value?.text === 'string') {
    addMessage(nameOf(from), hueOf(from.id), value.text);
    if (!isShown('chat')) mark('chat');
  } else if (Array.isArray(value?.pointer)) board.receive(from.id, nameOf(from), value.pointer);
  else if (value?.links) people.receive(from.id, value.links);
  else if (value?.file) files.receive(from, value.file);
}

function onPeer(peer) {
  people.add(peer);
  files.watch(peer);
  peer.on('open', () => note(`${nameOf(peer)} is here.`));
}

function onLeave(peer) {
  people.remove(peer);
  files.gone(peer);
  board.forget(peer.id);
  if (!room.left) note(`${nameOf(peer)} has left.`);
}

/** Pointers go to those whom we are linked with: in a large room sixty a second would be too much to pass on. */
function sendPointer(pointer, options) {
  for (const peer of room?.peers ?? []) {
    if (peer.state !== 'open') continue;
    try {
      peer.send({ pointer }, options);
    } catch {
      /* It is about to leave. */
    }
  }
}

// ---- The parts of the room, one at a time on narrow screens -----------------------------------------------

const tabs = [...document.querySelectorAll('[data-show]')];

function show(part) {
  $('room-view').dataset.view = part;
  for (const tab of tabs) {
    tab.setAttribute('aria-pressed', String(tab.dataset.show === part));
    if (tab.dataset.show === part) tab.classList.remove('news');
  }
  if (part === 'chat') $('log').scrollTop = $('log').scrollHeight;
}

const isShown = (part) => document.querySelector(`[data-part="${part}"]`).offsetParent !== null;
const mark = (part) => tabs.find((tab) => tab.dataset.show === part).classList.add('news');

// ---- Entering and leaving --------------------------------------------------------------------------------

async function enter() {
  const nick = $('nick').value.trim();
  const secret = $('secret').value;
  const name = $('room').value.trim();
  if (!nick || !name || !net || room) return;
  $('join').disabled = true;
  setText($('problem'), '');
  try {
    room = await net.joinRoom(name, { nick, secret });
  } catch (error) {
    setText($('problem'), entryTrouble(error));
    $('join').disabled = false;
    return;
  }
  board.hue = hueOf(net.id);
  people = new People(net, room);
  files = new Files(room, note, (mine) => (mine ? show('files') : isShown('files') || mark('files')));
  room.on('peer', onPeer);
  room.on('leave', onLeave);
  room.on('data', onData);
  room.on('error', (error) => note(roomTrouble(error, nameOf)));

  storage.set('lumamesh-nick', nick);
  invite(writeInvitation({ room: name, secret, relays: told }), secret);
  setText($('room-title'), name);
  $('entry').hidden = true;
  $('room-view').hidden = false;
  show('chat');
  note(secret ? 'You are in the room, with a secret.' : 'You are in the room.');
  $('text').focus();
}

function invite(hash, secret) {
  try {
    history.replaceState(null, '', hash);
  } catch {
    /* A frame without an address of its own. */
  }
  $('link').value = location.href.replace(/#.*|$/, hash);
  const hints = ['Who opens this link comes to this room.'];
  if (secret) hints.push('The secret is in it, so it is for those alone who may come.');
  if (location.protocol === 'file:') hints.push('They need this page’s file, too, at the same place.');
  setText($('share-hint'), hints.join(' '));
  $('link').title = $('copy').title = hints.join(' ');
  $('link').hidden = $('copy').hidden = location.protocol === 'about:'; // A frame has no link to give.
}

function leave() {
  const left = room;
  if (!left) return;
  files.end();
  people.end();
  left.leave();
  room = people = files = null;
  board.clear();
  clearChat();
  $('room-view').hidden = true;
  $('entry').hidden = false;
  $('join').disabled = net.status !== 'open';
  document.title = TITLE;
  $('room').focus();
}

function say() {
  const text = $('text').value.trim();
  if (!text || !room) return;
  try {
    const reached = room.broadcast({ text });
    addMessage(nameOf(room), hueOf(net.id), text, true);
    if (reached === 0) note('Nobody was here to read that.');
    $('text').value = '';
  } catch (error) {
    note(`That was not sent: ${error.message}`);
  }
}

async function copyLink() {
  const copy = $('copy');
  try {
    await navigator.clipboard.writeText($('link').value);
    copy.textContent = 'Copied';
  } catch {
    $('link').classList.add('wanted'); // The clipboard is closed to us: at least it is ready to be copied.
    $('link').select();
    return;
  }
  setTimeout(() => {
    copy.textContent = 'Copy link';
  }, 1500);
}

function readHash() {
  const invitation = readInvitation();
  $('room').value = invitation.room || 'lobby';
  $('secret').value = invitation.secret;
  // A link that was cut on its way must not keep the page from the relays that it knows.
  told = invitation.relays.filter((blob) => {
    try {
      return Boolean(decodeRelayConfig(blob));
    } catch {
      return false;
    }
  });
}

board = new Board(sendPointer);
onSubmit($('entry-form'), enter);
onSubmit($('composer'), say);
$('leave').addEventListener('click', leave);
$('copy').addEventListener('click', copyLink);
$('link').addEventListener('focus', () => $('link').select());
for (const type of ['input', 'change']) $('relay').addEventListener(type, takeRelay);
$('make-secret').addEventListener('click', () => {
  $('secret').value = makeSecret();
});
for (const tab of tabs) tab.addEventListener('click', () => show(tab.dataset.show));
addEventListener('hashchange', () => {
  if (room) return location.reload();
  const before = told.join(' ');
  readHash();
  if (told.join(' ') !== before) online();
});

readHash();
$('nick').value = storage.get('lumamesh-nick');
$('relay').value = told.length ? '' : storage.get('lumamesh-relay');
$($('nick').value ? 'room' : 'nick').focus();
online().then(() => $('status').dataset.state === 'none' && takeRelay());
