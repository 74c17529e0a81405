/** Rooms with more members than a page links with: who is linked, and that broadcasts reach everybody once. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { chooseLinks } from '../../client/lumamesh.js';
import { until } from './fake_relay.mjs';
import { FAST, couple, inWorld, settle } from './world.mjs';

const idOf = (i) => `peer${i}`.padEnd(22, 'x');
const idsOf = (count) => Array.from({ length: count }, (_, i) => idOf(i));

/** id → ids of its links, as each of them chooses them by itself. */
const graphOf = (ids, most) =>
  new Map(ids.map((id) => [id, chooseLinks(id, ids.filter((other) => other !== id), most)]));

function distances(graph, from) {
  const far = new Map([[from, 0]]);
  for (const [id, distance] of far)
    for (const next of graph.get(id)) if (!far.has(next)) far.set(next, distance + 1);
  return far;
}

describe('the links of a large room', () => {
  for (const [count, most] of [
    [2, 2],
    [9, 8],
    [10, 8],
    [60, 8],
    [60, 3],
    [250, 32],
    [250, 2],
    [500, 16],
  ]) {
    test(`${count} members, ${most} links each: agreed on by both ends, everybody connected`, () => {
      const graph = graphOf(idsOf(count), most);
      for (const [id, links] of graph) {
        assert.ok(links.size <= most && links.size > 0 && !links.has(id));
        for (const other of links) assert.ok(graph.get(other).has(id));
      }
      const far = distances(graph, idOf(0));
      assert.equal(far.size, count);
      if (most > 7) assert.ok(Math.max(...far.values()) <= 5, 'few steps');
    });
  }

  test('small rooms are fully meshed', () => {
    assert.deepEqual([...chooseLinks('a', idsOf(32), 32)], idsOf(32));
  });

  test('somebody who comes moves few links', () => {
    const before = graphOf(idsOf(100), 8);
    const after = graphOf(idsOf(101), 8);
    let moved = 0;
    for (const [id, links] of before) for (const other of links) moved += !after.get(id).has(other);
    assert.ok(moved <= 8, `${moved} ends of links`);
  });

  test('everybody stays connected when a third goes at once, before any link is made anew', () => {
    const graph = graphOf(idsOf(60), 8);
    for (let i = 0; i < 20; i += 1) {
      const id = idOf(i * 3);
      for (const other of graph.get(id)) graph.get(other).delete(id);
      graph.delete(id);
    }
    assert.equal(distances(graph, idOf(1)).size, 40);
  });
});

const RELAXED = { ...FAST, ping: 1000, open: 20_000, request: 20_000, offer: 500, attempt: 5000, join: 60_000 };

describe('broadcasts in a large room', { timeout: 180_000 }, () => {
  test('60 peers with 8 links each hear every broadcast once, while others come and go', () =>
    inWorld(async ({ online, world, relay }) => {
      const heard = new Map(); // nick → text → times
      async function enter(nick) {
        const net = await online({ timing: RELAXED });
        const room = await net.joinRoom('large', { nick, maxPeers: 8 });
        const texts = new Map();
        heard.set(nick, texts);
        room.on('data', (text, from) => {
          // Who has just come may be heard of by a broadcast first.
          if (from.nick) assert.ok(text.startsWith(`${from.nick}:`), 'the origin is told');
          texts.set(text, (texts.get(text) ?? 0) + 1);
        });
        return { net, room, nick };
      }
      const members = [];
      for (let i = 0; i < 60; i += 1) members.push(await enter(`m${i}`));
      const settled = () =>
        members.every(({ net, room }) => {
          const want = chooseLinks(net.id, members.map((m) => m.net.id).filter((id) => id !== net.id), 8);
          return room.peers.length === 59
            && room.peers.every(({ id, state }) => (state === 'open') === want.has(id));
        });
      await until(settled, 60_000, 'everybody has the links that they should have');
      assert.ok(members.every(({ room }) => room.peers.filter((p) => p.state === 'open').length <= 8));

      const visitors = [];
      for (let round = 0; round < 5; round += 1) {
        visitors.push(await enter(`visitor${round}`));
        for (const { room, nick } of members) room.broadcast(`${nick}:${round}`);
        if (round % 2) visitors.shift().net.close();
        visitors.at(-1)?.room.broadcast(`visitor${round}:hi`);
        await settle(20);
      }
      const count = ({ nick }) =>
        [...heard.get(nick)].filter(([text]) => text.startsWith('m')).length;
      await until(() => members.every((member) => count(member) === 59 * 5), 30_000, 'all of them')
        .catch((error) => {
          error.message += members.map((m) => ` ${count(m)}`).join('');
          throw error;
        });
      await settle(100);
      for (const { nick } of members)
        for (const [text, times] of heard.get(nick)) assert.equal(times, 1, `${text} at ${nick}`);

      // Twenty go at once, in the middle of it.
      for (const { room, nick } of members) room.broadcast(`${nick}:last`);
      for (const { net } of members.splice(0, 20)) net.close();
      for (const { room, nick } of members) room.broadcast(`${nick}:after`);
      const done = () => members.every(({ nick }) => members.every((from) => (
        from.nick === nick
          || ['last', 'after'].every((what) => heard.get(nick).get(`${from.nick}:${what}`) === 1)
      )));
      await until(done, 30_000, 'those who stay hear each other');
      assert.ok(members.every(({ net }) => net.stats.malformed === 0));
      assert.ok(world.connections.length > 0 && relay.running);
    }));

  for (const batch of [100, 3]) {
    test(`a newcomer calls those alone with whom it shall be linked, told of ${batch} at a time`, () =>
      inWorld(async ({ online, relay }) => {
        relay.batch = batch;
        const timing = { ...RELAXED, offer: 60_000 };
        const ids = [];
        for (let i = 0; i < 20; i += 1) {
          const net = await online({ timing });
          ids.push(net.id);
          await net.joinRoom('large', { nick: `m${i}`, maxPeers: 4 });
        }
        const net = await online({ timing });
        const room = await net.joinRoom('large', { nick: 'newcomer', maxPeers: 4 });
        const wanted = chooseLinks(net.id, ids, 4);
        const open = () => room.peers.filter(({ state }) => state === 'open');
        await until(() => open().length === wanted.size, 10_000, 'the links are open');
        const called = new Set(
          relay.log.filter(({ action, from }) => action === 'signal' && from === net.id).map(({ to }) => to),
        );
        assert.deepEqual(called, wanted);
      }));
  }

  test('a far member is reached by open(), which keeps the link', () =>
    inWorld(async ({ online }) => {
      const members = [];
      for (let i = 0; i < 8; i += 1) {
        const net = await online({ timing: { ...FAST, ping: 500, request: 2000 } });
        members.push({ net, room: await net.joinRoom('large', { nick: `m${i}`, maxPeers: 2 }) });
      }
      const links = () => members.map(({ room }) => room.peers.filter((p) => p.state === 'open').length);
      await until(() => links().every((count) => count === 2), 20_000, () => 'two each');
      const [{ room }] = members;
      const far = room.peers.find(({ state }) => state === 'far');
      assert.throws(() => far.send(1), ({ code }) => code === 'not-open');
      await far.open();
      const got = new Promise((resolve) => {
        members.find(({ net }) => net.id === far.id).room.on('data', resolve);
      });
      far.send('directly');
      assert.equal(await got, 'directly');
      await settle(FAST.unlink * 4);
      assert.equal(far.state, 'open');
    }));

  test('what claims to be a broadcast is heard once, in whatever order', () =>
    inWorld(async ({ member, world }) => {
      const { ada } = await couple(member);
      const [{ channels: [channel] }] = world.pairs()[0];
      const flood = (n, f = 'x'.repeat(22)) => channel.send(JSON.stringify(['m', { f, n }, n]));
      const heard = [];
      ada.room.on('data', (value) => heard.push(value));
      for (const n of [5, 3, 5, 3, 4, 2000, 5, 1500, 1500]) flood(n);
      flood(1, ada.net.id);
      await settle();
      assert.deepEqual(heard, [5, 3, 4, 2000, 1500]);
      for (let i = 0; i < 3000; i += 1) flood(1, `origin${i}`);
      await until(() => heard.length === 3005);
    }));
});
