/** The list of files that go and come, and the ways to choose one: a button, and dropping. */
import { Transfers } from './transfers.js';
import { $, button, count, element, inBytes, nameOf, onceAFrame, setText } from './ui.js';
import { fileTrouble } from './words.js';

const NAMED = 3; // receivers that are told of by name

const percent = (part, whole) => `${whole ? Math.floor((100 * part) / whole) : 100} %`;

function speed(bytes, began) {
  const seconds = (performance.now() - began) / 1000;
  return seconds > 0.3 ? `, ${inBytes(bytes / seconds)}/s` : '';
}

function names(receivers) {
  if (receivers.length > NAMED) return count(receivers.length, 'person', 'people');
  return receivers.map(({ name }) => name).join(', ');
}

/** What has come of an offer, in words. */
function offerText({ receivers, size, withdrawn }) {
  const all = [...receivers.values()];
  const those = (state) => all.filter((receiver) => receiver.state === state);
  const parts = [];
  const say = (state, words) => {
    const found = those(state);
    if (found.length) parts.push(words(names(found), found.length > 1));
  };
  const [sending] = those('sending');
  if (those('sending').length === 1) {
    const { name, sent, began } = sending;
    parts.push(`to ${name}: ${percent(sent, size)}${speed(sent, began)}`);
  } else say('sending', (who) => `on its way to ${who}`);
  say('sent', (who) => `${who}: arriving`);
  say('got', (who, many) => `${who} ${many ? 'have' : 'has'} it`);
  if (!withdrawn) say('waiting', (who, many) => `offered to ${who}, who ${many ? 'have' : 'has'} not taken it yet`);
  say('declined', (who, many) => `${who} ${many ? 'do' : 'does'} not want it`);
  say('left', (who) => `${who} left before`);
  for (const { name, code } of those('failed')) parts.push(`not to ${name}: ${fileTrouble(code)}`);
  if (withdrawn) parts.push('taken back');
  return parts.join('; ');
}

/** The same of a file of somebody else's. */
function arrivalText({ state, from, got, size, began, code }) {
  const texts = {
    offered: `from ${from}`,
    waiting: `from ${from}: waiting for its turn`,
    coming: `from ${from}: ${percent(got, size)}${speed(got, began)}`,
    here: `from ${from}: complete`,
    declined: `from ${from}: not wanted`,
    withdrawn: `${from} has taken it back`,
  };
  const failures = { left: `${from} left before it was complete`, size: 'it is not what was offered' };
  return texts[state] ?? `from ${from}: ${failures[code] ?? fileTrouble(code)}`;
}

export class Files {
  #transfers;
  #room;
  #rows = new Map(); // offer or arrival → its row
  #dirty = new Set();
  #note;
  #onNews;
  #off = new AbortController(); // takes the listeners away
  #dragged = 0;
  #render = onceAFrame(() => this.#renderDirty());

  /**
   * @param {Room} room
   * @param {function(string): void} note writes into the log
   * @param {function(): void} onNews called when somebody offers something
   */
  constructor(room, note, onNews) {
    this.#room = room;
    this.#note = note;
    this.#onNews = onNews;
    this.#transfers = new Transfers(room, (item) => this.#changed(item));
    const { signal } = this.#off;
    $('choose').addEventListener('click', () => $('file-input').click(), { signal });
    $('file-input').addEventListener('change', () => {
      this.#offer([...$('file-input').files]);
      $('file-input').value = '';
    }, { signal });
    $('file-to').addEventListener('focus', () => this.#listReceivers(), { signal });
    addEventListener('dragenter', (event) => this.#drag(event, 1), { signal });
    addEventListener('dragleave', (event) => this.#drag(event, -1), { signal });
    addEventListener('dragover', (event) => this.#drag(event, 0), { signal });
    addEventListener('drop', (event) => this.#drop(event), { signal });
    this.#listReceivers();
  }

  watch(peer) {
    this.#transfers.watch(peer);
    peer.on('state', () => this.#listReceivers());
    this.#listReceivers();
  }

  gone(peer) {
    this.#transfers.gone(peer);
    this.#listReceivers();
  }

  receive(peer, said) {
    this.#transfers.receive(peer, said);
  }

  arrived(peer, file) {
    this.#transfers.arrived(peer, file);
  }

  end() {
    this.#off.abort();
    this.#transfers.end();
    this.#rows.clear();
    this.#dirty.clear();
    $('files').replaceChildren();
    $('no-files').hidden = false;
    $('drop').hidden = true;
    setText($('file-problem'), '');
  }

  // -- Choosing --

  #listReceivers() {
    if (this.#room.left) return;
    const select = $('file-to');
    const chosen = select.value;
    const peers = this.#reachable();
    const options = peers.map((peer) => Object.assign(element('option', '', nameOf(peer)), { value: peer.id }));
    select.replaceChildren(Object.assign(element('option', '', 'everybody'), { value: '' }), ...options);
    select.value = peers.some(({ id }) => id === chosen) ? chosen : '';
  }

  #reachable() {
    return this.#room.peers.filter(({ state }) => state === 'open' || state === 'far');
  }

  #drag(event, change) {
    if (![...(event.dataTransfer?.types ?? [])].includes('Files')) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    this.#dragged = Math.max(0, this.#dragged + change);
    if (change) $('drop').hidden = this.#dragged === 0;
    if (change) setText($('drop-text'), `Drop to offer to ${$('file-to').selectedOptions[0].textContent}`);
  }

  #drop(event) {
    this.#dragged = 0;
    $('drop').hidden = true;
    const { files, items } = event.dataTransfer ?? {};
    if (!files?.length) return;
    event.preventDefault();
    const folders = [...items].filter((item) => item.webkitGetAsEntry?.()?.isDirectory).length;
    if (folders) return this.#problem('Folders cannot be sent. Pack it into one file first, such as a .zip.');
    this.#offer([...files]);
  }

  #problem(text) {
    setText($('file-problem'), text);
  }

  #offer(files) {
    const chosen = $('file-to').value;
    const receivers = this.#reachable().filter(({ id }) => !chosen || id === chosen);
    this.#problem('');
    if (!receivers.length) return this.#problem('Nobody is here who could take it. Send someone the link first.');
    for (const file of files) {
      if (!this.#transfers.offer(file, receivers, !chosen)) {
        return this.#problem('The list is full. Remove what is done, then try again.');
      }
    }
    this.#onNews(true);
  }

  // -- The list --

  #changed(item) {
    this.#dirty.add(item);
    this.#render();
  }

  #renderDirty() {
    for (const item of this.#dirty) {
      if (this.#room.left) break;
      let row = this.#rows.get(item);
      if (!row) {
        row = this.#makeRow(item);
        this.#rows.set(item, row);
        $('files').prepend(row);
        if (!item.mine) {
          this.#note(`${item.from} offers the file ${item.name} (${inBytes(item.size)}).`);
          this.#onNews(false);
        }
      }
      (item.mine ? this.#showOffer : this.#showArrival).call(this, item, row);
    }
    this.#dirty.clear();
    $('no-files').hidden = this.#rows.size > 0;
  }

  #makeRow(item) {
    const name = element('b', 'file-name', item.name);
    name.title = item.name;
    name.dir = 'auto';
    const size = element('span', 'size', inBytes(item.size));
    const state = element('span', 'state');
    const bar = Object.assign(element('progress'), { max: Math.max(item.size, 1), value: 0 });
    bar.setAttribute('aria-label', `${item.name}: ${item.mine ? 'sent' : 'received'}`);
    const actions = element('span', 'actions');
    const icon = element('span', `way ${item.mine ? 'out' : 'in'}`, item.mine ? '↑' : '↓');
    icon.setAttribute('aria-hidden', 'true');
    const row = element('li', 'file', icon, element('span', 'about', name, size, state), actions, bar);
    return Object.assign(row, { bar, state, actions, shown: '' });
  }

  /** Buttons stay the same ones while nothing changes, so that the focus stays, too. */
  #setActions(row, key, make) {
    if (row.shown === key) return;
    const focused = row.actions.contains(document.activeElement);
    row.shown = key;
    row.dataset.state = key;
    row.actions.replaceChildren(...make());
    if (focused) row.actions.firstElementChild?.focus();
  }

  #remove(item) {
    this.#transfers.forget(item);
    this.#rows.get(item)?.remove();
    this.#rows.delete(item);
    $('no-files').hidden = this.#rows.size > 0;
  }

  #showOffer(offer, row) {
    const taking = [...offer.receivers.values()].filter(({ state }) => ['sending', 'sent', 'got'].includes(state));
    const sentTo = (receiver) => (receiver.state === 'sending' ? receiver.sent : offer.size);
    const sent = taking.reduce((sum, receiver) => sum + sentTo(receiver), 0);
    row.bar.hidden = !taking.some(({ state }) => state !== 'got');
    row.bar.max = Math.max(1, taking.length * offer.size);
    row.bar.value = offer.size ? sent : 1;
    setText(row.state, offerText(offer));
    if (offer.settled) {
      this.#setActions(row, 'settled', () => [this.#removeButton(offer)]);
    } else {
      this.#setActions(row, 'offered', () => [
        this.#button('Cancel', 'plain small', offer, () => this.#transfers.withdraw(offer)),
      ]);
    }
  }

  #showArrival(arrival, row) {
    const { state, got, size, url, name } = arrival;
    row.bar.hidden = !['waiting', 'coming'].includes(state);
    row.bar.value = size ? got : 1;
    setText(row.state, arrivalText(arrival));
    this.#setActions(row, state === 'coming' ? 'waiting' : state, () => {
      if (state === 'offered') {
        return [
          this.#button('Download', 'small', arrival, () => this.#transfers.take(arrival)),
          this.#button('No, thanks', 'plain small', arrival, () => this.#transfers.stop(arrival)),
        ];
      }
      if (state === 'waiting' || state === 'coming') {
        return [this.#button('Cancel', 'plain small', arrival, () => this.#transfers.stop(arrival))];
      }
      if (state === 'here') {
        const link = Object.assign(element('a', 'button small', 'Save'), { href: url, download: name });
        link.setAttribute('aria-label', `Save ${name}`);
        return [link, this.#removeButton(arrival)];
      }
      // Who is gone, or has taken it back, has nothing to give.
      const again = ['declined', 'failed'].includes(state) && arrival.peer.state !== 'closed';
      const retry = this.#button('Download', 'plain small', arrival, () => this.#transfers.take(arrival));
      return again ? [retry, this.#removeButton(arrival)] : [this.#removeButton(arrival)];
    });
  }

  #button(text, className, item, onClick) {
    const made = button(text, className, onClick);
    made.setAttribute('aria-label', `${text}: ${item.name}`);
    return made;
  }

  #removeButton(item) {
    return this.#button('Remove', 'plain small', item, () => this.#remove(item));
  }
}
