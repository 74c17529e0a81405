/** The parts of the demo page that need no page: names, links to rooms, the bookkeeping of files. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { readInvitation, writeInvitation } from '../../client/demo/invitation.js';
import { safeName, Transfers } from '../../client/demo/transfers.js';
import { clean, inBytes } from '../../client/demo/ui.js';

describe('names of strangers', () => {
  test('have no characters that hide or turn others', () => {
    assert.equal(clean('  a\u0000b\u202ec\u2066d\n\t e\u200b ', 40), 'a b c d e');
    assert.equal(clean('x'.repeat(50), 40).length, 40);
    assert.equal(clean('👩\u200d🚀 می\u200cخواهم', 40), '👩\u200d🚀 می\u200cخواهم');
    assert.equal(clean('🚀🚀🚀', 2), '🚀🚀', 'cut between characters, not within one');
    assert.equal(clean({ toString: () => 'object' }, 3), 'obj');
  });

  test('of files are no paths, and keep their ending', () => {
    for (const [name, safe] of [
      ['plain.txt', 'plain.txt'],
      ['../../etc/passwd', '_.._etc_passwd'],
      ['C:\\x\\y.exe', 'C__x_y.exe'],
      ['.hidden', 'hidden'],
      ['photo\u202egnp.exe', 'photo gnp.exe'],
      ['<b>"?*|', '_b_____'],
      ['', 'file'],
      ['...', 'file'],
      ['Ünï çødé — 文件.pdf', 'Ünï çødé — 文件.pdf'],
    ]) {
      assert.equal(safeName(name), safe);
    }
    const long = safeName(`${'x'.repeat(300)}.tar.gz`);
    assert.equal(long.length, 120);
    assert.ok(long.endsWith('xx.gz'));
  });

  test('and sizes are short', () => {
    assert.deepEqual([0, 999, 1000, 5_000_000, 999_960, 2 ** 40].map(inBytes), [
      '0 B', '999 B', '1.0 kB', '5.0 MB', '1.0 MB', '1.1 TB',
    ]);
  });
});

describe('links to rooms', () => {
  test('come back as they went', () => {
    for (const invitation of [
      { room: 'tea', secret: '', relays: [] },
      { room: 'a & b = c # d %', secret: '& = # % + ü', relays: [] },
      { room: 'tea', secret: 'x', relays: ['lm1.ab-_', 'lm1.cd'] },
    ]) {
      assert.deepEqual(readInvitation(writeInvitation(invitation)), invitation);
    }
    assert.equal(writeInvitation({ room: 'a & b' }), '#a%20%26%20b');
  });

  test('may hold anything', () => {
    assert.deepEqual(readInvitation(''), { room: '', secret: '', relays: [] });
    assert.deepEqual(readInvitation('#%E0%A4%A'), { room: '', secret: '', relays: [] });
    const { relays } = readInvitation(`#x&relay=javascript:1&relay=lm1.&${'relay=lm1.a&'.repeat(20)}`);
    assert.deepEqual(relays, Array(8).fill('lm1.a'));
  });
});

/** A member as this page sees it, which keeps what it was sent. */
class FakePeer {
  #handlers = {};

  constructor(id) {
    Object.assign(this, { id, nick: `nick of ${id}`, state: 'open', sent: [] });
  }

  on(type, handler) {
    (this.#handlers[type] ??= []).push(handler);
  }

  emit(type, value) {
    for (const handler of this.#handlers[type] ?? []) handler(value);
  }

  async send(value, { signal, progress } = {}) {
    this.sent.push(value.file ?? value);
    if (!(value instanceof File)) return true;
    progress(value.size / 2, value.size);
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(Object.assign(new Error(), { code: 'aborted' })));
      this.arrive = () => resolve(true);
      this.break = (code) => reject(Object.assign(new Error(), { code }));
    });
  }
}

const ID = '0123456789abcdef';
const settle = () => new Promise(setImmediate);

function world(...ids) {
  const peers = ids.map((id) => new FakePeer(id));
  const items = new Set();
  const said = [];
  const room = { peers, broadcast: ({ file }) => said.push(file) };
  const transfers = new Transfers(room, (item) => items.add(item));
  for (const peer of peers) transfers.watch(peer);
  return { peers, transfers, said, item: () => [...items].at(-1), count: () => items.size };
}

describe('files that come', () => {
  const offered = (size = 10) => {
    const all = world('a');
    const [peer] = all.peers;
    all.transfers.receive(peer, ['offer', ID, 'x/<y>.txt', size]);
    return { ...all, peer, arrival: all.item() };
  };

  test('come when they are taken, without the type that their sender gives them', async () => {
    const { peer, transfers, arrival } = offered();
    assert.deepEqual([arrival.name, arrival.state], ['x__y_.txt', 'offered']);
    transfers.take(arrival);
    assert.deepEqual(peer.sent, [['want', ID]]);
    peer.emit('progress', { received: 4, total: 10, name: ID });
    assert.deepEqual([arrival.state, arrival.got], ['coming', 4]);
    transfers.arrived(peer, new File(['0123456789'], ID, { type: 'text/html' }));
    assert.equal(arrival.state, 'here');
    const { type, size } = await fetch(arrival.url).then((response) => response.blob());
    assert.deepEqual([type, size], ['application/octet-stream', 10]);
    assert.deepEqual(peer.sent[1], ['got', ID]);
    const { url } = arrival;
    transfers.forget(arrival);
    await assert.rejects(fetch(url), 'revoked');
  });

  test('are nothing when nobody asked for them, or when they are others than was said', () => {
    const { peer, transfers, arrival } = offered();
    transfers.arrived(peer, new File(['0123456789'], ID));
    peer.emit('progress', { received: 4, total: 10, name: ID });
    assert.deepEqual([arrival.state, arrival.got, arrival.url], ['offered', 0, '']);
    transfers.take(arrival);
    transfers.arrived(new FakePeer('b'), new File(['0123456789'], ID));
    assert.equal(arrival.state, 'waiting');
    transfers.arrived(peer, new File(['short'], ID));
    assert.deepEqual([arrival.state, arrival.code, arrival.url], ['failed', 'size', '']);
  });

  test('are offered with sense, and not without end', () => {
    const { peers: [a, b], transfers, count } = world('a', 'b');
    for (const said of [
      null, 'offer', ['offer'], ['offer', 'id', 'x', 1], ['offer', ID, 7, 1], ['offer', ID, 'x', -1],
      ['offer', ID, 'x', 1e300], ['offer', ID, 'x', '1'], ['got', ID], ['failed', ID, {}], ['what', ID],
    ]) {
      transfers.receive(a, said);
    }
    transfers.receive({ id: 'stranger', nick: '' }, ['offer', ID, 'x', 1]);
    assert.equal(count(), 0);
    const id = (i) => i.toString(16).padStart(16, '0');
    for (let i = 0; i < 50; i += 1) transfers.receive(a, ['offer', id(i), 'x', 1]);
    transfers.receive(a, ['offer', id(0), 'again', 1]);
    assert.equal(count(), 30);
    transfers.receive(b, ['offer', id(0), 'x', 1]);
    assert.equal(count(), 31, 'another may still');
  });

  test('end when their sender goes, takes them back or fails', () => {
    const gone = offered();
    gone.transfers.take(gone.arrival);
    gone.transfers.gone(gone.peer);
    assert.deepEqual([gone.arrival.state, gone.arrival.code], ['failed', 'left']);
    const back = offered();
    back.transfers.receive(back.peer, ['gone', ID]);
    assert.equal(back.arrival.state, 'withdrawn');
    const failed = offered();
    failed.transfers.take(failed.arrival);
    failed.transfers.receive(failed.peer, ['failed', ID, 'unreadable']);
    assert.deepEqual([failed.arrival.state, failed.arrival.code], ['failed', 'unreadable']);
  });
});

describe('files that go', () => {
  const file = new File(['0123456789'], 'mine.txt');

  test('go to those who want them and were offered them', async () => {
    const { peers: [a, b], transfers, item } = world('a', 'b');
    transfers.offer(file, [a], false);
    const offer = item();
    await settle();
    assert.deepEqual([a.sent, b.sent], [[['offer', offer.id, 'mine.txt', 10]], []]);
    transfers.receive(b, ['want', offer.id]);
    await settle();
    assert.deepEqual(b.sent, [['gone', offer.id]]);
    transfers.receive(a, ['want', offer.id]);
    transfers.receive(a, ['want', offer.id]);
    await settle();
    assert.equal(a.sent.length, 2, 'once');
    assert.equal(a.sent[1].name, offer.id);
    const receiver = offer.receivers.get('a');
    assert.deepEqual([receiver.state, receiver.sent], ['sending', 5]);
    a.arrive();
    await settle();
    assert.equal(receiver.state, 'sent');
    assert.equal(offer.settled, false);
    transfers.receive(a, ['got', offer.id]);
    assert.equal(offer.settled, true);
  });

  test('to everybody are told once, and end at either end', async () => {
    const { peers, transfers, said, item } = world('a', 'b', 'c');
    const [a, b, c] = peers;
    transfers.offer(file, peers, true);
    const offer = item();
    assert.deepEqual(said, [['offer', offer.id, 'mine.txt', 10]]);
    const states = () => [...offer.receivers.values()].map(({ state }) => state);
    for (const peer of [a, b]) transfers.receive(peer, ['want', offer.id]);
    transfers.receive(a, ['stop', offer.id]);
    await settle();
    assert.deepEqual(states(), ['declined', 'sending', 'waiting']);
    b.break('unreadable');
    await settle();
    assert.deepEqual(states(), ['declined', 'failed', 'waiting']);
    assert.deepEqual(b.sent.at(-1), ['failed', offer.id, 'unreadable']);
    transfers.gone(c);
    assert.equal(offer.settled, true);
    c.emit('open'); // back again
    await settle();
    assert.deepEqual(c.sent, [['offer', offer.id, 'mine.txt', 10]]);
    transfers.receive(c, ['want', offer.id]);
    transfers.withdraw(offer);
    await settle();
    assert.deepEqual(said.at(-1), ['gone', offer.id]);
    assert.equal(offer.settled, true);
  });
});
