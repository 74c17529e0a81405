/**
 * A relay that lies about who says what and who is who. It cannot read what it passes on; what it mixes up does
 * not open, is counted, and does no lasting harm: when it tells the truth everybody meets.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { until } from './fake_relay.mjs';
import { inWorld, settle } from './world.mjs';

const NICKS = ['Ada', 'Bob', 'Cid'];

/** `body` with three members who have entered while the relay did what `lie` does to what it sends. */
const threeWith = (lie, body) =>
  inWorld(async ({ relay, online, join }) => {
    const ids = {};
    const nets = [];
    for (const nick of NICKS) {
      const net = await online();
      nets.push(net);
      ids[nick] = net.id;
    }
    relay.tamper = lie({ relay, ids });
    const members = [];
    for (const [i, nick] of NICKS.entries()) members.push(await join(nets[i], nick));
    const open = () =>
      members.flatMap(({ room }) => room.peers).filter(({ state }) => state === 'open').length;
    await body({ relay, ids, members, open });
    relay.tamper = undefined;
    await until(() => open() === 6, 10_000, 'all have met');
    for (const { room, nick } of members) room.broadcast(`it is ${nick}`);
    const right = ({ data }) => Object.entries(data).every(([nick, values]) => values.at(-1) === `it is ${nick}`);
    await until(() => members.every(right), 5000, 'everybody is who they say');
    for (const { data } of members) {
      for (const [nick, values] of Object.entries(data)) assert.deepEqual(values, [`it is ${nick}`]);
    }
  });

const sumOf = (members, what) => members.reduce((sum, { net }) => sum + net.stats[what], 0);

describe('a relay that mixes up', () => {
  test('whom signals are from: none of them opens', () =>
    threeWith(
      ({ ids }) => (message) => {
        if (message.action !== 'signal') return message;
        const from = Object.values(ids).find((id) => id !== message.from);
        return { ...message, from };
      },
      async ({ members, open, relay }) => {
        const signals = () => relay.log.filter(({ action }) => action === 'signal').length;
        await until(() => signals() > 20);
        assert.equal(open(), 0);
        // What was said to be from Ada herself is from nobody in her room.
        await until(() => sumOf(members, 'undecryptable') > 0 && sumOf(members, 'unknown') > 0);
        assert.deepEqual([sumOf(members, 'malformed'), sumOf(members, 'replayed')], [0, 0]);
      },
    ));

  test('whom signals are for: none of them opens', () =>
    threeWith(
      ({ relay, ids }) => (message, { id }) => {
        if (message.action !== 'signal') return message;
        const other = Object.values(ids).find((each) => each !== id && each !== message.from);
        for (const session of relay.sessions) if (session.id === other) session.send(JSON.stringify(message));
        return undefined;
      },
      async ({ members, open }) => {
        await until(() => sumOf(members, 'undecryptable') > 20);
        assert.equal(open(), 0);
      },
    ));

  test('the SDP of two members: neither box opens under the other’s name', () =>
    threeWith(
      () => {
        const held = new Map(); // receiver → what it shall get, by sender
        return (message, { id }) => {
          if (message.action !== 'signal') return message;
          const waiting = held.get(id) ?? [];
          const other = waiting.findIndex(({ from }) => from !== message.from);
          if (other < 0) {
            held.set(id, [...waiting, message]);
            return undefined;
          }
          const [match] = waiting.splice(other, 1);
          return [{ ...message, data: match.data }, { ...match, data: message.data }];
        };
      },
      async ({ members, open }) => {
        await until(() => sumOf(members, 'undecryptable') > 10);
        assert.equal(open(), 0);
      },
    ));

  test('bits of what it passes on: not one flipped bit passes', () =>
    threeWith(
      () => {
        let count = 0;
        return (message) => {
          if (message.action !== 'signal') return message;
          const bytes = Buffer.from(message.data, 'base64url');
          bytes[(count * 7) % bytes.length] ^= 1 << count % 8;
          count += 1;
          return { ...message, data: bytes.toString('base64url') };
        };
      },
      async ({ members, open }) => {
        await until(() => sumOf(members, 'undecryptable') > 30);
        assert.equal(open(), 0);
      },
    ));

  test('who is who: nobody is taken for somebody else', () =>
    inWorld(async ({ relay, member }) => {
      const swap = (peers) => peers.map(({ id }, i) => ({ id, info: peers[(i + 1) % peers.length].info }));
      relay.tamper = (message) =>
        message.action === 'joined' ? { ...message, peers: swap(message.peers) } : message;
      const ada = await member('Ada');
      const bob = await member('Bob');
      await Promise.all([ada.saw('open Bob'), bob.saw('open Ada')]);
      const cid = await member('Cid');
      await until(() => cid.net.stats.undecryptable === 2);
      await settle();
      assert.deepEqual([cid.events, cid.errors], [[], ['undecryptable', 'undecryptable']]);
      // The others know Cid and call; what they signal is from members that Cid cannot tell from strangers.
      await until(() => cid.net.stats.unknown > 0);
      assert.deepEqual(cid.events, []);
      relay.tamper = undefined;
      relay.shutDown();
      relay.start();
      await Promise.all([cid.saw('open Ada'), cid.saw('open Bob')]);
    }));
});
