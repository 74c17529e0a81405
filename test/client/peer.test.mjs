/** Connections between pages: negotiation, frames, and their ends. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { LumameshError } from '../../client/lumamesh.js';
import { until } from './fake_relay.mjs';
import { FAST, couple, inWorld, settle } from './world.mjs';

const bad = (code) => (error) => error instanceof LumameshError && error.code === code;
const both = ({ ada, bob }) => Promise.all([ada.saw('open Bob'), bob.saw('open Ada')]);

/** Tells each newcomer of whom the other knows that it was there before: so both offer. */
const bothNewcomers = (message) =>
  message.action !== 'peer-joined'
    ? message
    : { action: 'joined', room: message.room, peers: [message.peer] };

describe('negotiation', () => {
  test('offers that cross: the polite one gives way', () =>
    inWorld(async ({ member, relay, world }) => {
      relay.tamper = bothNewcomers;
      for (let i = 0; i < 5; i += 1) {
        const ada = await member('Ada', { room: `room ${i}` });
        const bob = await member('Bob', { room: `room ${i}` });
        await both({ ada, bob });
        ada.room.broadcast(i);
        await until(() => bob.data.Ada.includes(i));
      }
      assert.equal(world.pairs().length, 5);
    }));

  test('two newcomers of whom nobody offers: the insistent one does in the end', () =>
    inWorld(async ({ member, relay }) => {
      relay.tamper = (message) =>
        message.action === 'joined'
          ? [
              { ...message, peers: [] },
              ...message.peers.map((peer) => ({ action: 'peer-joined', room: message.room, peer })),
            ]
          : message;
      const ada = await member('Ada');
      const bob = await member('Bob');
      await both({ ada, bob });
      const first = relay.log.find(({ action }) => action === 'signal').from;
      assert.equal(first, [ada.net.id, bob.net.id].sort()[1]);
    }));

  for (const lost of [1, 2, 3]) {
    test(`signal ${lost} is lost: the connection is made anew`, () =>
      inWorld(async ({ member, relay }) => {
        let count = 0;
        relay.tamper = (message) =>
          message.action === 'signal' && (count += 1) === lost ? undefined : message;
        const ada = await member('Ada');
        const bob = await member('Bob');
        await both({ ada, bob });
        assert.equal(ada.events.filter((event) => event.startsWith('peer')).length, 1);
      }));
  }

  test('an offer lost on a peer that had no relay is said again when it offers', () =>
    inWorld(async ({ member, relay, world }) => {
      world.severed = true;
      let deaf = true;
      relay.tamper = (message) => (message.action === 'signal' && deaf ? undefined : message);
      const { ada, bob } = { ada: await member('Ada'), bob: await member('Bob') };
      await Promise.all([ada.saw('peer Bob'), bob.saw('peer Ada')]);
      world.severed = false;
      deaf = false;
      relay.shutDown();
      relay.start();
      await both({ ada, bob });
    }));

  test('without a way through: an error once, attempts go on, and succeed', () =>
    inWorld(async ({ member, world }) => {
      world.severed = true;
      const ada = await member('Ada');
      const bob = await member('Bob');
      await until(() => ada.errors.length + bob.errors.length === 2);
      await settle(300);
      world.severed = false;
      await both({ ada, bob });
      assert.deepEqual([ada.errors, bob.errors], [['peer-unreachable'], ['peer-unreachable']]);
    }));

  test('who makes the first offer begins DTLS, too', () =>
    inWorld(async ({ member, world }) => {
      await couple(member);
      const [[bob, ada]] = world.pairs(); // Bob came later, so he began.
      const first = ada.remoteDescription;
      assert.match(first.sdp, /^a=setup:active\r$/m);
      // Whose turn it was is not asked again, whoever offers.
      bob.onnegotiationneeded();
      await until(() => ada.remoteDescription !== first && bob.remoteDescription.type === 'answer');
      assert.match(ada.remoteDescription.sdp, /^a=setup:active\r$/m);
      await until(() => [ada, bob].every(({ signalingState }) => signalingState === 'stable'));
      ada.onnegotiationneeded();
      await until(() => bob.remoteDescription.type === 'offer');
      assert.match(bob.remoteDescription.sdp, /^a=setup:passive\r$/m);
    }));

  test('a wish for an offer while one is under way makes no second one', () =>
    inWorld(async ({ member, world }) => {
      const { ada } = await couple(member);
      const [[bob]] = world.pairs();
      await settle();
      const { version } = bob;
      for (let i = 0; i < 3; i += 1) bob.onnegotiationneeded();
      await settle();
      assert.equal(bob.version, version + 1);
      assert.equal(ada.net.stats.stale, 0);
    }));

  test('a candidate found while the channel closes throws nowhere, and ends the peer', () =>
    inWorld(async ({ member, world }) => {
      const { ada, bob } = await couple(member);
      const [[pc]] = world.pairs(); // Bob's
      pc.onnegotiationneeded(); // From now on signals go over the channel.
      await settle();
      const [channel] = pc.channels;
      channel.readyState = 'closing';
      pc.onicecandidate({ candidate: { candidate: 'candidate:9 1 udp 1 192.0.2.9 9 typ host' } });
      await Promise.all([bob.saw('close Ada'), ada.saw('close Bob')]);
    }));

  test('what is closed has no handlers left', () =>
    inWorld(async ({ member, world }) => {
      const { ada, bob } = await couple(member);
      const pairs = world.pairs().flat();
      await Promise.all([ada.room.leave(), bob.room.leave()]);
      ada.net.close();
      bob.net.close();
      await settle();
      assert.equal(pairs.length, 2);
      for (const pc of world.connections) {
        assert.equal(pc.connectionState, 'closed');
        for (const target of [pc, ...pc.channels]) {
          const kept = Object.keys(target).filter((name) => name.startsWith('on') && target[name]);
          assert.deepEqual(kept, []);
        }
      }
    }));

  /** As a browser that hides its addresses finds them, at a port. */
  const host = (port, type = 'udp') => ({
    candidate: `candidate:1 1 ${type} 99 some.local ${port} typ host`,
    type: 'host',
    address: 'some.local',
    port,
  });
  const reflexive = (address, port) => ({
    candidate: `candidate:2 1 udp 9 ${address} ${port} typ srflx raddr 0.0.0.0 rport 0`,
    type: 'srflx',
    address,
    port,
  });

  test('foresees what a STUN server will say, and says it first', () =>
    inWorld(async ({ online, join, world }) => {
      // Each learns by its session with the relay where it is seen.
      const meet = async (...candidates) => {
        world.candidates = candidates;
        const ada = await join(await online(), 'Ada');
        world.candidates = [host(5000), host(9, 'tcp'), reflexive('203.0.113.1', 6000)];
        const bob = await join(await online(), 'Bob');
        await both({ ada, bob });
        const [[{ heard }]] = world.pairs(); // by Bob, who began it
        await until(() => heard.at(-1).includes('srflx'));
        await Promise.all([ada.room.leave(), bob.room.leave()]);
        await settle();
        world.connections.length = 0;
        return heard.map((line) => line.split(' ')[4]);
      };
      const found = ['some.local', 'some.local', '203.0.113.1'];
      assert.deepEqual(await meet(reflexive('198.51.100.1', 1)), ['198.51.100.1', ...found]);
      const two = [reflexive('198.51.100.1', 1), reflexive('2001:db8::1', 1)];
      assert.deepEqual(await meet(...two), ['198.51.100.1', ...found]);
      assert.deepEqual(await meet(...two.reverse()), ['198.51.100.1', ...found]);
      assert.deepEqual(await meet(reflexive('2001:db8::1', 1)), ['2001:db8::1', ...found]);
      assert.deepEqual(await meet(host(1)), found);
    }));

  test('uses the relay for STUN, and for TURN when it has it', () =>
    inWorld(async ({ member, world, relay }) => {
      const turn = { urls: ['turn:192.0.2.1:3478'], username: 'u', credential: 'c', ttl: 86400 };
      await couple(member);
      relay.turn = turn;
      world.relayed = true;
      const cid = await member('Cid');
      await cid.saw('open Ada');
      await until(() => cid.peer('Ada').path);
      assert.equal(cid.peer('Ada').path, 'relay');
      const stun = { urls: ['stun:192.0.2.1:3478'] };
      const servers = world.connections.filter(({ config }) => config).map(({ config }) => config.iceServers);
      assert.deepEqual(servers[0], [stun]);
      const { ttl, ...server } = turn;
      assert.deepEqual(
        servers.find((list) => list.length === 2),
        [stun, server],
      );
      assert.equal(relay.log.find(({ action }) => action === 'turn').room, cid.room.id);
    }));

  for (const [protocol, count] of [['udp', 1], ['tcp', 2], [undefined, 2]]) {
    test(`asks for ${count} allocations where the relay is reached by ${protocol}`, () =>
      inWorld(async ({ member, world, relay }) => {
        world.protocol = protocol;
        const urls = ['turn:192.0.2.1:3478?transport=udp', 'turn:192.0.2.1:3478?transport=tcp'];
        relay.turn = { urls, username: 'u', credential: 'c', ttl: 86400 };
        await couple(member);
        for (const [pc] of world.pairs()) {
          assert.deepEqual(pc.config.iceServers[1], { urls: urls.slice(0, count), username: 'u', credential: 'c' });
        }
      }));
  }

  test('uses the relay by IPv6, too, where it has both families or that one alone', () =>
    inWorld(async ({ member, world, relay }) => {
      const urls = ['turn:192.0.2.1:3478', 'turn:[2001:db8::7]:3478', 'turn:[2001:db8::7]:3478?transport=tcp'];
      relay.turn = { urls, username: 'u', credential: 'c', ttl: 86400 };
      const servers = () => world.connections.filter(({ channels }) => channels.length > 1).map(({ config }) => config.iceServers);
      Object.assign(relay.config, { ip6: '2001:DB8:0::7', alt: ['192.0.2.2'] });
      await couple(member);
      assert.ok(servers().length > 0);
      for (const list of servers()) {
        assert.deepEqual(list[0].urls, ['stun:192.0.2.1:3478', 'stun:[2001:db8::7]:3478']);
        assert.deepEqual(list[1].urls, urls);
      }
      world.connections.length = 0;
      delete relay.config.ip;
      delete relay.config.alt;
      await couple(member, { room: 'another' });
      for (const list of servers()) assert.deepEqual(list[0].urls, ['stun:[2001:db8::7]:3478']);
    }));
});

describe('frames', () => {
  test('every kind of JSON value, in order', () =>
    inWorld(async ({ member }) => {
      const { ada, bob } = await couple(member);
      const values = [
        null,
        0,
        '',
        false,
        [],
        {},
        '+',
        '.',
        '?1',
        '!1',
        '\u2028',
        '\ud800',
        { a: [{ b: '😀' }] },
      ];
      for (const value of values) ada.peer('Bob').send(value);
      await until(() => bob.data.Ada.length === values.length);
      assert.deepEqual(bob.data.Ada, values);
    }));

  test('long messages go in pieces that fit, whole characters each', () =>
    inWorld(async ({ member, world }) => {
      const { ada, bob } = await couple(member);
      const texts = [
        'x'.repeat(16 * 1024 - 2),
        'x'.repeat(16 * 1024 - 1),
        '€'.repeat(100_000),
        `x${'😀'.repeat(50_000)}`,
      ];
      for (const text of texts) ada.peer('Bob').send(text);
      await until(() => bob.data.Ada.length === texts.length);
      assert.deepEqual(bob.data.Ada, texts);
      const frames = world.connections
        .flatMap(({ channels }) => channels)
        .filter(({ label }) => label === 'lumamesh')
        .flatMap((channel) => channel.frames);
      assert.ok(frames.length > 10);
      for (const frame of frames) assert.ok((frame.byteLength ?? Buffer.byteLength(frame)) <= 65536);
    }));

  test('what cannot be sent throws and sends nothing', () =>
    inWorld(async ({ member, world }) => {
      const { ada, bob } = await couple(member);
      const peer = ada.peer('Bob');
      const circle = {};
      circle.circle = circle;
      for (const value of [undefined, () => {}, Symbol('s'), circle, 7n]) {
        assert.throws(() => peer.send(value), bad('bad-argument'));
        assert.throws(() => ada.room.broadcast(value), bad('bad-argument'));
      }
      const channels = world.connections.flatMap((pc) => pc.channels);
      for (const channel of channels) channel.bufferedAmount = 2 ** 20;
      for (let i = 0; i < 8; i += 1) peer.send('x'.repeat(8_000_000));
      assert.throws(() => peer.send('x'.repeat(8_000_000)), bad('queue-full'));
      assert.equal(ada.room.broadcast('x'.repeat(8_000_000)), 0);
      for (const channel of channels) channel.bufferedAmount = 0;
      await until(() => bob.data.Ada.length === 8);
      assert.throws(() => peer.send('x'.repeat(16_001), { reliable: false }), bad('too-large'));
      assert.throws(() => peer.send(new Blob(['x']), { reliable: false }), bad('too-large'));
    }));

  test('of a peer that keeps no rules are counted and harm nothing', () =>
    inWorld(async ({ member, world }) => {
      const { ada, bob } = await couple(member, { maxMessage: 1000 });
      const [{ channels }] = world.pairs()[0]; // Bob's: he was the one who dialled.
      const [channel, fast] = channels;
      const bytes = (...list) => new Uint8Array(list);
      const head = (...list) => JSON.stringify(['h', ...list]);
      const bad = ['', 'x', '{}', '[]', '7', 'null', '[7]', '["m"]', '["m",0]', '["p"]', '["p","x"]', '["z",1]'];
      bad.push('["s"]', '["m",null,1', '["h"]', head(-1, 4, 0, 0), head(1, -4, 0, 0), head(1, 4, 'Map', 0));
      bad.push(head(1, 1.5, 0, 0), head('1', 4, 0, 0), bytes(), bytes(1, 2, 3), '["m",{"f":7,"n":1},1]');
      bad.push('["m",{"f":"x","n":-1},1]', '["m",{"f":"x","n":"1"},1]');
      for (const frame of bad) channel.send(frame);
      await until(() => ada.net.stats.malformed === bad.length);
      for (const frame of ['', '[]\n', '["Blob",0]\n', '["Function",0]\nx', '["Int32Array",0]\nx'].map((text) => Buffer.from(text)))
        fast.send(frame);
      await until(() => ada.net.stats.malformed === bad.length + 5);
      // Answers that nobody asked for, ends of what never began, pieces of nothing.
      const harmless = ['["o",99]', '["o",null]', '["m",{"a":99},1]', '["m",{"a":9,"e":"x"},1]', '["x",7]'];
      for (const frame of [...harmless, '["n",7]', '["n"]', bytes(0, 0, 0, 9, 1)]) channel.send(frame);
      // More than was told, the same id twice, more than the room takes, more at once than a peer may.
      const before = ada.net.stats.malformed;
      channel.send(head(1, 4, 'Uint8Array', 0));
      channel.send(head(1, 4, 'Uint8Array', 0));
      channel.send(bytes(0, 0, 0, 1, 1, 2, 3, 4, 5));
      await until(() => ada.net.stats.malformed === before + 2);
      channel.send(head(2, 1001, 'Uint8Array', 0));
      channel.send(head(3, 16_001, 'Blob', 0));
      for (let i = 10; i < 30; i += 1) channel.send(head(i, 100, 'Int8Array', 0));
      await until(() => ada.net.stats.dropped === 2 + 10);
      ada.peer('Bob').send('still here');
      await until(() => bob.data.Ada.includes('still here'));
      assert.deepEqual([ada.data.Bob, ada.events], [[], ['peer Bob', 'open Bob']]);
    }));

  test('ping measures; it fails when nothing comes back', () =>
    inWorld(async ({ member, world }) => {
      const { ada } = await couple(member);
      const peer = ada.peer('Bob');
      const [one, two] = await Promise.all([peer.ping(), peer.ping()]);
      assert.ok(one > 0 && two > 0 && one < 1000);
      for (const { channels } of world.connections)
        for (const channel of channels) if (channel.negotiated) channel.onmessage = null;
      await assert.rejects(peer.ping(), bad('timeout'));
      const pending = peer.ping();
      ada.net.close();
      await assert.rejects(pending, bad('not-open'));
    }));
});

describe('a connection that breaks', () => {
  const breaks = (world) =>
    world
      .pairs()
      .flat()
      .forEach((pc) => pc.changed('failed'));

  test('is mended by an ICE restart, and nobody has left', () =>
    inWorld(async ({ member, world }) => {
      const { ada, bob } = await couple(member);
      breaks(world);
      await until(() => world.pairs().length === 1);
      await new Promise((resolve) => {
        setTimeout(resolve, FAST.restart * 2);
      });
      ada.room.broadcast('after');
      await until(() => bob.data.Ada.includes('after'));
      assert.deepEqual(
        [ada.events, bob.events],
        [
          ['peer Bob', 'open Bob'],
          ['peer Ada', 'open Ada'],
        ],
      );
    }));

  test('for good: leave, and a new peer when there is a way again', () =>
    inWorld(async ({ member, world }) => {
      const { ada, bob } = await couple(member);
      world.severed = true;
      breaks(world);
      await Promise.all([ada.saw('leave Bob'), bob.saw('leave Ada')]);
      assert.deepEqual(ada.room.peers, [], 'who is sought quietly is not shown');
      await settle(300);
      assert.equal(ada.events.filter((event) => event.startsWith('peer')).length, 1);
      world.severed = false;
      const expected = (nick) => [
        `peer ${nick}`,
        `open ${nick}`,
        `close ${nick}`,
        `leave ${nick}`,
        `peer ${nick}`,
        `open ${nick}`,
      ];
      await until(() => ada.events.length === 6 && bob.events.length === 6, 5000, 'both are back');
      assert.deepEqual([ada.events, bob.events], [expected('Bob'), expected('Ada')]);
      assert.deepEqual([ada.errors, bob.errors], [[], []]);
    }));

  test('when the relay has gone too: leave after a while', () =>
    inWorld(async ({ member, world, relay }) => {
      const { ada } = await couple(member);
      relay.shutDown();
      await until(() => ada.net.status === 'reconnecting');
      breaks(world);
      await ada.saw('leave Bob');
    }));

  test('when the relay comes back in time: mended, and nobody has left', () =>
    inWorld(async ({ member, world, relay }) => {
      const timing = { ...FAST, restart: 3000 };
      const { ada, bob } = await couple((nick) => member(nick, { connect: { timing } }));
      relay.shutDown();
      await until(() => ada.net.status === 'reconnecting' && bob.net.status === 'reconnecting');
      breaks(world);
      relay.start();
      await until(() => world.pairs().length === 1, 3000);
      ada.room.broadcast('after');
      await until(() => bob.data.Ada.includes('after'));
      assert.deepEqual([ada.events, bob.events].flat(), ['peer Bob', 'open Bob', 'peer Ada', 'open Ada']);
    }));

  test('of one whom the relay lists no more: leave at once', () =>
    inWorld(async ({ member, world, relay }) => {
      const { ada, bob } = await couple(member);
      world.severed = true;
      world
        .pairs()
        .flat()
        .forEach((pc) => pc.changed('disconnected'));
      assert.deepEqual(ada.events, ['peer Bob', 'open Bob']);
      relay.pretendLeft(bob.net.id);
      await ada.saw('leave Bob');
    }));

  test('at one end only: the other end goes over to the new one', () =>
    inWorld(async ({ member, world }) => {
      const { ada, bob } = await couple(member);
      const [bobs, adas] = world.pairs()[0];
      world.severed = true; // Bob's end goes without Ada hearing of it.
      bobs.channels[0].closed();
      world.severed = false;
      await until(() => [ada, bob].every(({ events }) => events.length === 6), 5000, 'both have a new peer');
      assert.equal(adas.signalingState, 'closed');
      ada.room.broadcast('new');
      await until(() => bob.data.Ada.includes('new'));
    }));
});
