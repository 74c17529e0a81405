/** Values of all kinds and sizes over a channel: bytes, Blobs, requests, unreliable messages, streams. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { LumameshError } from '../../client/lumamesh.js';
import { until } from './fake_relay.mjs';
import { couple, inWorld, settle } from './world.mjs';

const bad = (code) => (error) => error instanceof LumameshError && error.code === code;
const channelsOf = (world) => world.connections.flatMap(({ channels }) => channels);
const filled = (size) => Uint8Array.from({ length: size }, (_, i) => (i * 31) % 251);

/** Makes channels slow: what is sent waits until it is let go, as in a browser. */
function slow(world) {
  const lets = [];
  for (const channel of channelsOf(world).filter(({ label }) => label === 'lumamesh')) {
    const send = channel.send.bind(channel);
    channel.bufferedAmount = 0;
    channel.most = 0;
    channel.send = (data) => {
      const size = data.byteLength ?? data.length;
      if (typeof data !== 'string') data = data.slice(); // as browsers do
      channel.bufferedAmount += size;
      channel.most = Math.max(channel.most, channel.bufferedAmount);
      lets.push(() => {
        channel.bufferedAmount -= size;
        send(data);
        if (channel.bufferedAmount <= channel.bufferedAmountLowThreshold) channel.onbufferedamountlow?.();
      });
    };
  }
  return lets;
}

describe('binary values', () => {
  const buffer = filled(64).buffer;
  const values = {
    ArrayBuffer: buffer,
    'Uint8Array of a part': new Uint8Array(buffer, 3, 50),
    Uint8ClampedArray: new Uint8ClampedArray(buffer),
    Int16Array: new Int16Array(buffer, 2, 5),
    Float64Array: new Float64Array(buffer),
    BigInt64Array: new BigInt64Array(buffer),
    DataView: new DataView(buffer, 1, 7),
    'an empty one': new Uint8Array(),
    'a long one': filled(3_000_001),
  };
  for (const [what, value] of Object.entries(values)) {
    for (const reliable of [true, false]) {
      if (!reliable && value.byteLength > 16_000) continue;
      test(`${what}, ${reliable ? 'reliable' : 'unreliable'}`, () =>
        inWorld(async ({ member }) => {
          const { ada, bob } = await couple(member);
          assert.equal(await ada.peer('Bob').send(value, { reliable }), true);
          await until(() => bob.data.Ada.length === 1);
          assert.deepEqual(bob.data.Ada[0], value);
        }));
    }
  }

  test('Blob and File, with type, name and progress at both ends', () =>
    inWorld(async ({ member }) => {
      const { ada, bob } = await couple(member);
      const bytes = filled(2_500_000);
      const progress = { sent: [], received: [] };
      bob.peer('Ada').on('progress', (event) => progress.received.push(event));
      const peer = ada.peer('Bob');
      await peer.send(new Blob([bytes], { type: 'image/png' }), {
        progress: (...args) => progress.sent.push(args),
      });
      await peer.send(new File(['x'], 'x.txt', { type: 'text/plain' }));
      await peer.send(new Blob([]));
      await until(() => bob.data.Ada.length === 3);
      const [blob, file, empty] = bob.data.Ada;
      assert.deepEqual(new Uint8Array(await blob.arrayBuffer()), bytes);
      assert.deepEqual([blob.type, file.type, file.name, await file.text()], ['image/png', 'text/plain', 'x.txt', 'x']);
      assert.equal(empty.size, 0);
      assert.deepEqual(progress.sent.at(-1), [bytes.length, bytes.length]);
      const last = progress.received.findLast(({ total }) => total === bytes.length);
      assert.equal(last.received, bytes.length);
      assert.ok(progress.sent.every(([sent], i, all) => i === 0 || sent > all[i - 1][0]));
    }));

  test('a Blob that cannot be read: `unreadable`, and the channel goes on', () =>
    inWorld(async ({ member }) => {
      const { ada, bob } = await couple(member);
      const blob = new Blob(['x'.repeat(100)]);
      blob.slice = () => ({ arrayBuffer: () => Promise.reject(new Error('gone')) });
      await assert.rejects(ada.peer('Bob').send(blob), bad('unreadable'));
      await ada.peer('Bob').send(filled(10));
      await until(() => bob.data.Ada.length === 1);
    }));

  test('more than the other one takes: `too-large`, and the channel goes on', () =>
    inWorld(async ({ member, world }) => {
      const { ada, bob } = await couple(member, { maxMessage: 100_000 });
      const lets = slow(world);
      const sent = ada.peer('Bob').send(filled(5_000_000));
      const refused = assert.rejects(sent, bad('too-large'));
      const pumping = setInterval(() => lets.splice(0, 2).forEach((let_) => let_()), 1);
      await refused;
      assert.equal(bob.net.stats.dropped, 1);
      await ada.peer('Bob').send(filled(90_000));
      await until(() => bob.data.Ada.length === 1);
      clearInterval(pumping);
    }));
});

describe('backpressure', () => {
  test('a long value waits for the channel; short ones pass it, in their order; so do long texts', () =>
    inWorld(async ({ member, world }) => {
      const { ada, bob } = await couple(member);
      const lets = slow(world);
      const peer = ada.peer('Bob');
      let done = false;
      peer.send(filled(8_000_000)).then(() => { done = true; });
      await settle();
      peer.send('x'.repeat(3_000_000));
      peer.send('last');
      await settle();
      assert.equal(done, false);
      const most = () => Math.max(...channelsOf(world).map((channel) => channel.most ?? 0));
      assert.ok(most() <= 2 ** 20 + 65_536, `${most()} bytes in the queue`);
      while (bob.data.Ada.length < 3) {
        lets.splice(0, 3).forEach((let_) => let_());
        await settle(1);
      }
      assert.deepEqual(bob.data.Ada.map((value) => value.length), [3_000_000, 4, 8_000_000]);
      assert.ok(most() <= 2 ** 20 + 65_536 + 4, `${most()} bytes in the queue`);
      await until(() => done);
    }));

  test('is given up by an AbortSignal, before it began and in the middle; and when the channel ends', () =>
    inWorld(async ({ member, world }) => {
      const { ada, bob } = await couple(member);
      const lets = slow(world);
      const peer = ada.peer('Bob');
      const controllers = [new AbortController(), new AbortController()];
      const sends = controllers.map(({ signal }) => peer.send(filled(5_000_000), { signal }));
      const third = peer.send(filled(70_000));
      await settle();
      controllers[1].abort();
      await assert.rejects(sends[1], bad('aborted'));
      controllers[0].abort();
      await assert.rejects(sends[0], bad('aborted'));
      const pumping = setInterval(() => lets.splice(0, 5).forEach((let_) => let_()), 1);
      await third;
      await until(() => bob.data.Ada.length === 1);
      assert.equal(bob.data.Ada[0].length, 70_000);
      clearInterval(pumping);
      const cut = peer.send(filled(5_000_000));
      await settle();
      bob.net.close();
      await assert.rejects(cut, bad('closed'));
      assert.throws(() => peer.send(1), bad('not-open'));
    }));

  test('unreliable messages are dropped where they would be late', () =>
    inWorld(async ({ member, world }) => {
      const { ada, bob } = await couple(member);
      const fast = channelsOf(world).filter(({ label }) => label === 'lumamesh-fast');
      assert.ok(fast.length === 2);
      for (const channel of fast) channel.bufferedAmount = 70_000;
      assert.equal(await ada.peer('Bob').send({ x: 1 }, { reliable: false }), false);
      assert.equal(ada.net.stats.dropped, 1);
      for (const channel of fast) channel.bufferedAmount = 0;
      assert.equal(await ada.peer('Bob').send({ x: 2 }, { reliable: false }), true);
      ada.room.broadcast({ x: 3 }, { reliable: false });
      await until(() => bob.data.Ada.length === 2);
      assert.deepEqual(bob.data.Ada, [{ x: 2 }, { x: 3 }]);
    }));
});

describe('requests', () => {
  test('are answered by the peer’s handler, or the room’s, with values of any kind', () =>
    inWorld(async ({ member }) => {
      const { ada, bob } = await couple(member);
      bob.room.onrequest = async (value, peer) => ({ value, from: peer.nick });
      assert.deepEqual(await ada.peer('Bob').request('x'), { value: 'x', from: 'Ada' });
      bob.peer('Ada').onrequest = (value) => new Uint8Array(value);
      assert.deepEqual(await ada.peer('Bob').request(filled(100_000)), filled(100_000));
      bob.peer('Ada').onrequest = () => undefined;
      assert.equal(await ada.peer('Bob').request(1), null);
    }));

  test('fail with what went wrong there, by silence, by an AbortSignal, or with the channel', () =>
    inWorld(async ({ member }) => {
      const { ada, bob } = await couple(member);
      const peer = ada.peer('Bob');
      await assert.rejects(peer.request(1), (error) => /nobody/.test(error.message) && bad('request-failed')(error));
      bob.room.onrequest = () => { throw new Error('not today'); };
      await assert.rejects(peer.request(1), (error) => error.message === 'not today');
      bob.room.onrequest = () => () => {};
      await assert.rejects(peer.request(1), bad('request-failed'));
      bob.room.onrequest = () => new Promise(() => {});
      await assert.rejects(peer.request(1, { timeout: 20 }), bad('timeout'));
      await assert.rejects(peer.request(1, { signal: AbortSignal.abort() }), bad('aborted'));
      await assert.rejects(peer.request(undefined), bad('bad-argument'));
      const busy = Array.from({ length: 70 }, () => peer.request(1, { timeout: 5000 }));
      const outcome = Promise.allSettled(busy);
      await assert.rejects(busy.at(-1), (error) => error.message === 'busy');
      bob.net.close();
      const reasons = (await outcome).map(({ reason }) => reason.code);
      assert.deepEqual([...new Set(reasons)].sort(), ['not-open', 'request-failed']);
      await assert.rejects(peer.request(1), bad('not-open'));
    }));
});

describe('members', () => {
  test('show their info', () =>
    inWorld(async ({ member }) => {
      const { ada, bob } = await couple(member, { info: { hue: 7 } });
      assert.deepEqual([ada.peer('Bob').info, bob.peer('Ada').info], [{ hue: 7 }, { hue: 7 }]);
    }));

  test('that cannot be read are told of once', () =>
    inWorld(async ({ member, relay }) => {
      const ada = await member('Ada');
      const errors = [];
      ada.room.on('error', (error) => errors.push(error));
      const [session] = relay.sessions;
      const peer = { id: 'x'.repeat(22), info: 'AAAA' };
      for (let i = 0; i < 3; i += 1)
        session.send(JSON.stringify({ action: 'peer-joined', room: ada.room.id, peer }));
      await until(() => ada.net.stats.undecryptable === 3);
      assert.deepEqual(errors.map(({ code, id }) => [code, id]), [['undecryptable', peer.id]]);
    }));

  test('a relay that invents members fills nothing: neither members nor messages', () =>
    inWorld(async ({ member, relay }) => {
      const ada = await member('Ada');
      const [session] = relay.sessions;
      const flood = (count, make) => {
        for (let i = 0; i < count; i += 1) session.send(JSON.stringify({ room: ada.room.id, ...make(i) }));
      };
      flood(6000, (i) => ({ action: 'peer-joined', peer: { id: `id${i}`, info: 'AAAA' } }));
      await until(() => ada.net.stats.dropped + ada.net.stats.undecryptable === 6000);
      assert.ok(ada.errors.length <= 16);
      assert.deepEqual(ada.room.peers, []);
    }));
});
