/** Rooms: who is in them, what is sealed, what is ignored. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { LumameshError, deriveRoom, seal } from '../../client/lumamesh.js';
import { until } from './fake_relay.mjs';
import { FAST, couple, inWorld, settle } from './world.mjs';

const bad = (code) => (error) => error instanceof LumameshError && error.code === code;
const ignored = ({ net: { stats } }) =>
  Object.fromEntries(Object.entries(stats).filter(([, count]) => count > 0));

const both = (ada, bob) => Promise.all([ada.saw('open Bob'), bob.saw('open Ada')]);

describe('members', () => {
  test('of one room meet, and the newcomer offers', () =>
    inWorld(async ({ member, relay }) => {
      const { ada, bob } = await couple(member);
      assert.equal(relay.log.find(({ action }) => action === 'signal').from, bob.net.id);
      assert.equal(ada.peer('Bob').id, bob.net.id);
      await until(() => ada.peer('Bob').path && bob.peer('Ada').path);
      assert.equal(ada.peer('Bob').path, 'direct');
      ada.peer('Bob').send({ text: 'Grüße', list: [1, null, true] });
      bob.room.broadcast('hi');
      await until(() => bob.data.Ada.length === 1 && ada.data.Bob.length === 1);
      assert.deepEqual(bob.data.Ada, [{ text: 'Grüße', list: [1, null, true] }]);
      assert.deepEqual([ignored(ada), ignored(bob)], [{}, {}]);
    }));

  test('who is already there is told after joinRoom() resolved, in as many parts as it takes', () =>
    inWorld(
      async ({ member, online, join }) => {
        const others = await Promise.all(['A', 'B', 'C', 'D', 'E'].map((nick) => member(nick)));
        const net = await online();
        const late = await join(net, 'Late');
        assert.deepEqual(late.room.peers, []);
        await Promise.all(others.map(({ nick }) => late.saw(`open ${nick}`)));
        assert.equal(late.room.broadcast(1), 5);
        await until(() => others.every(({ data }) => data.Late?.length === 1));
        assert.deepEqual(late.room.peers.map(({ nick }) => nick).sort(), ['A', 'B', 'C', 'D', 'E']);
      },
      { batch: 2 },
    ));

  test('of another room, or with another secret, do not meet', () =>
    inWorld(async ({ member }) => {
      const { ada, bob } = await couple(member);
      const others = [
        await member('Elsewhere', { room: 'other' }),
        await member('Stranger', { secret: 'x' }),
      ];
      ada.room.broadcast('private');
      await until(() => bob.data.Ada.length === 1);
      for (const other of others)
        assert.deepEqual([other.events, other.room.peers, ignored(other)], [[], [], {}]);
      assert.deepEqual(ada.events, ['peer Bob', 'open Bob']);
    }));

  test('whose info cannot be opened are not there', () =>
    inWorld(async ({ member, relay }) => {
      relay.tamper = (message) => {
        if (message.action === 'peer-joined') message.peer.info = `${message.peer.info.slice(0, -4)}AAAA`;
        return message;
      };
      const ada = await member('Ada');
      const bob = await member('Bob');
      await until(() => ada.net.stats.undecryptable === 1 && ada.net.stats.unknown > 0);
      await settle();
      assert.deepEqual(ada.events, []);
      assert.deepEqual(bob.events, ['peer Ada']);
    }));

  for (const nick of [{ toString: 1 }, { toString: null, valueOf: [] }, ['Ada'], 7, null]) {
    test(`whose nick is ${JSON.stringify(nick)} have none`, () =>
      inWorld(async ({ member, relay }) => {
        const ada = await member('Ada');
        const bob = await member('Bob');
        await both(ada, bob);
        // Who knows the room may say what he likes.
        const { id, keyBytes } = await deriveRoom('room');
        const key = await crypto.subtle.importKey('raw', keyBytes, 'AES-GCM', false, ['encrypt']);
        const stranger = 'A'.repeat(22);
        const info = await seal(key, { nick, info: nick }, `lumamesh-v1|info|${id}|${stranger}`);
        for (const session of relay.sessions) {
          session.send(JSON.stringify({ action: 'peer-joined', room: id, peer: { id: stranger, info } }));
        }
        await until(() => ada.room.peers.length === 2);
        const peer = ada.room.peers.find((each) => each.id === stranger);
        assert.deepEqual([peer.nick, peer.info], ['', nick]);
        assert.equal(ada.net.stats.malformed, 0);
      }));
  }

  test('that leave before there is a channel: leave follows peer', () =>
    inWorld(async ({ member, world }) => {
      world.severed = true;
      const ada = await member('Ada');
      const bob = await member('Bob');
      await Promise.all([ada.saw('peer Bob'), bob.saw('peer Ada')]);
      assert.throws(() => ada.peer('Bob').send(1), bad('not-open'));
      assert.equal(ada.room.broadcast(1), 0);
      await bob.room.leave();
      await ada.saw('leave Bob');
      assert.deepEqual(ada.events, ['peer Bob', 'close Bob', 'leave Bob']);
      assert.deepEqual(bob.events, ['peer Ada', 'close Ada', 'leave Ada']);
      assert.deepEqual(ada.room.peers, []);
    }));

  test('that leave with an open channel are gone at once, once', () =>
    inWorld(async ({ member }) => {
      const { ada, bob } = await couple(member);
      const peer = ada.peer('Bob');
      await bob.room.leave();
      await ada.saw('leave Bob');
      await settle();
      assert.deepEqual(ada.events, ['peer Bob', 'open Bob', 'close Bob', 'leave Bob']);
      assert.equal(peer.state, 'closed');
      assert.throws(() => peer.send(1), bad('not-open'));
      await assert.rejects(peer.ping(), bad('not-open'));
    }));

  test('that leave and come again are peers again', () =>
    inWorld(async ({ member, join }) => {
      const { ada, bob } = await couple(member);
      await bob.room.leave();
      const again = await join(bob.net, 'Bob');
      await until(() => ada.peer('Bob')?.state === 'open' && again.peer('Ada')?.state === 'open');
      ada.room.broadcast('again');
      await until(() => again.data.Ada.at(-1) === 'again');
      const changes = ada.events.filter((event) => /^(peer|leave)/.test(event));
      assert.deepEqual(changes, ['peer Bob', 'leave Bob', 'peer Bob']);
    }));
});

describe("the relay's word against an open channel", () => {
  test('a peer-left does not close it', () =>
    inWorld(async ({ member, relay }) => {
      const { ada, bob } = await couple(member);
      relay.pretendLeft(bob.net.id);
      await settle();
      ada.peer('Bob').send('still there?');
      await until(() => bob.data.Ada.length === 1);
      assert.deepEqual(ada.events, ['peer Bob', 'open Bob']);
      bob.net.close();
      await ada.saw('leave Bob');
      assert.deepEqual(ada.events, ['peer Bob', 'open Bob', 'close Bob', 'leave Bob']);
    }));

  test('a relay that dies closes nothing, and one that returns finds everybody', () =>
    inWorld(async ({ member, relay }) => {
      const { ada, bob } = await couple(member);
      relay.kill();
      for (let i = 0; i < 100; i += 1) ada.room.broadcast(i);
      await until(() => bob.data.Ada.length === 100);
      assert.deepEqual(
        bob.data.Ada,
        Array.from({ length: 100 }, (_, i) => i),
      );
      await until(() => ada.net.status === 'reconnecting' && bob.net.status === 'reconnecting');
      relay.start();
      await until(() => relay.rooms.get(ada.room.id)?.size === 2);
      const cid = await member('Cid');
      await Promise.all([cid.saw('open Ada'), cid.saw('open Bob'), ada.saw('open Cid'), bob.saw('open Cid')]);
      assert.deepEqual(
        ada.events.filter((event) => event.endsWith('Bob')),
        ['peer Bob', 'open Bob'],
      );
      assert.deepEqual(
        bob.events.filter((event) => event.endsWith('Ada')),
        ['peer Ada', 'open Ada'],
      );
    }));

  test('who was gone when the relay returns has left', () =>
    inWorld(async ({ member, relay, world }) => {
      world.severed = true;
      const ada = await member('Ada');
      const bob = await member('Bob');
      await ada.saw('peer Bob');
      relay.kill();
      bob.net.close();
      relay.start();
      await ada.saw('leave Bob');
    }));
});

describe('signals', () => {
  test('are sealed: the relay sees neither names, nicks nor addresses', () =>
    inWorld(async ({ member, relay }) => {
      const names = ['Augusta Lovelace', 'Robert Oppenheimer']; // three letters turn up in any ciphertext
      const [one, other] = [await member(names[0]), await member(names[1])];
      await Promise.all([one.saw(`open ${names[1]}`), other.saw(`open ${names[0]}`)]);
      const seen = JSON.stringify(relay.log);
      for (const word of ['Augusta', 'Robert', '"room":"room"', 'candidate', 'nick":'])
        assert.ok(!seen.includes(word), word);
    }));

  test('said twice are heard once', () =>
    inWorld(async ({ member, relay }) => {
      relay.tamper = (message) => (message.action === 'signal' ? [message, message] : message);
      const { ada, bob } = await couple(member);
      const signals = relay.log.filter(({ action }) => action === 'signal');
      await until(() => ada.net.stats.replayed + bob.net.stats.replayed === signals.length);
      for (const { net } of [ada, bob]) assert.deepEqual([net.stats.stale, net.stats.undecryptable], [0, 0]);
    }));

  test('of long ago are not heard again, even after leaving and coming back', () =>
    inWorld(async ({ member, relay, join }) => {
      const { ada, bob } = await couple(member);
      const old = relay.log.filter(({ action, from }) => action === 'signal' && from === bob.net.id);
      await ada.room.leave();
      const again = await join(ada.net, 'Ada');
      await until(() => again.peer('Bob')?.state === 'open');
      const before = ada.net.stats.replayed;
      const [session] = [...relay.sessions].filter(({ id }) => id === ada.net.id);
      for (const { room, data } of old)
        session.send(JSON.stringify({ action: 'signal', room, from: bob.net.id, data }));
      await until(() => ada.net.stats.replayed === before + old.length);
      assert.equal(again.peer('Bob').state, 'open');
    }));

  test('out of order: the late one is dropped', () =>
    inWorld(async ({ member, relay }) => {
      const held = [];
      relay.tamper = (message) => {
        if (message.action !== 'signal' || held.length === 2) return message;
        return held.push(message) === 2 ? held.slice().reverse() : undefined;
      };
      const ada = await member('Ada');
      await member('Bob');
      await until(() => ada.net.stats.replayed === 1);
    }));

  test('of others than the sender, to others, of other rooms or kinds do not open', () =>
    inWorld(async ({ member, relay }) => {
      const { ada, bob } = await couple(member);
      const { keyBytes, id: room } = await deriveRoom('room');
      const key = await crypto.subtle.importKey('raw', keyBytes, 'AES-GCM', false, ['encrypt']);
      const offer = { description: { type: 'offer', sdp: 'x' }, n: 1000 };
      const a = ada.net.id;
      const b = bob.net.id;
      const [session] = [...relay.sessions].filter(({ id }) => id === a);
      const bindings = [
        `lumamesh-v1|signal|${room}|${a}|${b}`,
        `lumamesh-v1|signal|${room}|${b}|${b}`,
        `lumamesh-v1|info|${room}|${b}`,
        `lumamesh-v1|signal|${'0'.repeat(64)}|${b}|${a}`,
        '',
      ];
      for (const aad of bindings) {
        session.send(JSON.stringify({ action: 'signal', room, from: b, data: await seal(key, offer, aad) }));
      }
      await until(() => ada.net.stats.undecryptable === bindings.length);
      const genuine = `lumamesh-v1|signal|${room}|${b}|${a}`;
      for (const n of [undefined, -1, 1.5, '7', null]) {
        const data = await seal(key, { ...offer, n }, genuine);
        session.send(JSON.stringify({ action: 'signal', room, from: b, data }));
      }
      await until(() => ada.net.stats.replayed === 5);
      session.send(JSON.stringify({ action: 'signal', room, from: 'A'.repeat(22), data: 'AAAA' }));
      await until(() => ada.net.stats.unknown === 1);
      assert.deepEqual(ada.events, ['peer Bob', 'open Bob']);
    }));

  test('go on counting where they were when the net rejoins', () =>
    inWorld(async ({ member, relay }) => {
      const { ada, bob } = await couple(member);
      relay.shutDown();
      relay.start();
      await until(() => relay.rooms.get(ada.room.id)?.size === 2);
      bob.net.close();
      await ada.saw('leave Bob');
      assert.equal(ada.net.stats.replayed, 0);
    }));
});

describe('joinRoom()', () => {
  test('refuses what is no name, nick or secret', () =>
    inWorld(async ({ online }) => {
      const net = await online();
      for (const name of ['', 7, undefined, 'a\0b'])
        await assert.rejects(net.joinRoom(name), bad('bad-argument'));
      await assert.rejects(net.joinRoom('a', { nick: 7 }), bad('bad-argument'));
      await assert.rejects(net.joinRoom('a', { secret: null }), bad('bad-argument'));
      await assert.rejects(net.joinRoom('a', { nick: '😀'.repeat(200) }), bad('bad-argument'));
      await net.joinRoom('a', { nick: '😀'.repeat(150) });
    }));

  test('of one room twice at once: one of them', () =>
    inWorld(async ({ online }) => {
      const net = await online();
      const results = await Promise.allSettled([net.joinRoom('a'), net.joinRoom('a'), net.joinRoom('b')]);
      assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'fulfilled', 'rejected']);
      assert.ok(bad('already-joined')(results.find(({ reason }) => reason).reason));
    }));

  test('rejects with what the relay says, and can be tried again', () =>
    inWorld(async ({ online, relay }) => {
      const net = await online();
      relay.refuse.join = 'room-full';
      await assert.rejects(net.joinRoom('a'), bad('room-full'));
      delete relay.refuse.join;
      await net.joinRoom('a');
    }));

  test('waits for a relay, but not for ever', () =>
    inWorld(async ({ online, relay }) => {
      const net = await online({ timing: { ...FAST, open: 300, join: 1500 } });
      relay.shutDown();
      await until(() => net.status === 'reconnecting');
      await assert.rejects(net.joinRoom('a'), bad('timeout'));
      const joined = net.joinRoom('a');
      relay.start();
      assert.equal((await joined).left, false);
    }));

  test('is given up when the net closes', () =>
    inWorld(async ({ online, relay }) => {
      const net = await online();
      relay.tamper = (message) => (message.action === 'joined' ? undefined : message);
      const joined = net.joinRoom('a');
      await until(() => relay.log.some(({ action }) => action === 'join'));
      net.close();
      await assert.rejects(joined, bad('closed'));
    }));

  test('a room refused on the way back is tried again', () =>
    inWorld(async ({ member, relay }) => {
      const ada = await member('Ada');
      relay.refuse.join = 'room-full';
      relay.shutDown();
      relay.start();
      await until(() => ada.errors.length > 0);
      delete relay.refuse.join;
      await until(() => relay.rooms.get(ada.room.id)?.has(ada.net.id));
      assert.deepEqual([...new Set(ada.errors)], ['room-full']);
    }));
});
