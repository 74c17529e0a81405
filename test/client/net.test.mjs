/** Several relays at once, where they are learnt, and what happens after sleep and in another network. */
import assert from 'node:assert/strict';
import { sign } from 'node:crypto';
import { createServer } from 'node:http';
import { describe, test } from 'node:test';

import { LumameshError, encodeRelayConfig } from '../../client/lumamesh.js';
import { until } from './fake_relay.mjs';
import { FAST, couple, inWorld, settle } from './world.mjs';

const bad = (code) => (error) => error instanceof LumameshError && error.code === code;

/** What a node says of itself, signed by it (section 5 of the protocol). */
function recordOf(relay, change = {}, forge = (text) => text) {
  const record = JSON.stringify({ ...relay.config, v: 1, seq: Date.now(), features: ['signal'], ...change });
  const sig = sign(null, Buffer.from(`lumamesh-node-v1\0${record}`), relay.privateKey).toString('base64url');
  return { record: forge(record), sig };
}

/** Lets a relay answer the `nodes` request. */
function teach(relay, nodes) {
  const receive = relay.receive.bind(relay);
  relay.receive = (session, text) => {
    const { action, re } = JSON.parse(text);
    if (action !== 'nodes') return receive(session, text);
    session.send(JSON.stringify({ action, re, nodes: nodes() }));
  };
}

class Store extends Map {
  getItem(name) {
    return this.get(name) ?? null;
  }

  setItem(name, value) {
    this.set(name, value);
  }
}

describe('two relays', () => {
  test('are kept, and rooms are entered on both; a peer on both is one peer, heard once', () =>
    inWorld(async ({ member, relay, world }) => {
      const second = world.relay();
      const connect = { relays: [relay.config, second.config] };
      const { ada, bob } = await couple(member, { connect });
      await until(() => [relay, second].every(({ rooms }) => rooms.get(ada.room.id)?.size === 2));
      assert.equal(ada.net.relays.length, 2);
      const cid = await member('Cid', { connect });
      await Promise.all([cid.saw('open Ada'), cid.saw('open Bob'), ada.saw('open Cid')]);
      await until(() => second.rooms.get(ada.room.id).size === 3);
      await settle();
      assert.deepEqual(ada.events, ['peer Bob', 'open Bob', 'peer Cid', 'open Cid']);
      for (const { net } of [ada, bob, cid])
        assert.deepEqual([net.stats.replayed, net.stats.stale, net.stats.unknown], [0, 0, 0]);
    }));

  test('one of them dies in the middle of a negotiation: the other one carries it on', () =>
    inWorld(async ({ member, relay, world }) => {
      const second = world.relay();
      const connect = { relays: [relay.config, second.config], timing: { ...FAST, attempt: 10_000 } };
      const ada = await member('Ada', { connect });
      await until(() => second.rooms.get(ada.room.id)?.size === 1);
      let signals = 0;
      relay.tamper = (message) => {
        if (message.action === 'signal' && (signals += 1) === 2) relay.kill();
        return message;
      };
      const bob = await member('Bob', { connect });
      await until(() => second.rooms.get(ada.room.id)?.size === 2);
      await Promise.all([ada.saw('open Bob'), bob.saw('open Ada')]);
      assert.equal(ada.net.status, 'open');
    }));

  test('one dies: no status but `open`, nobody leaves, a third takes its place', () =>
    inWorld(async ({ member, relay, world }) => {
      const second = world.relay();
      const third = world.relay();
      const connect = { relays: [relay, second, third].map(({ config }) => config) };
      const { ada } = await couple(member, { connect });
      await until(() => ada.net.relays.length === 2);
      const statuses = [];
      ada.net.on('status', (status) => statuses.push(status));
      const from = performance.now();
      relay.kill();
      await until(() => third.rooms.get(ada.room.id)?.size === 2);
      assert.ok(performance.now() - from < 2000);
      assert.deepEqual([statuses, ada.events], [[], ['peer Bob', 'open Bob']]);
      assert.deepEqual(ada.net.relays.map(({ nk }) => nk).sort(), [second.config.nk, third.config.nk].sort());
    }));

  test('a member that only one lists, and that goes with it, is gone when the next one says so', () =>
    inWorld(async ({ member, relay, world }) => {
      const second = world.relay();
      world.severed = true;
      const ada = await member('Ada', { connect: { relays: [relay.config, second.config] } });
      await until(() => ada.net.relays.length === 2);
      const bob = await member('Bob', { connect: { relays: [second.config] } });
      await ada.saw('peer Bob');
      second.kill();
      bob.net.close();
      await until(() => ada.net.relays.length === 1);
      assert.ok(!ada.events.includes('leave Bob'));
      second.start();
      await ada.saw('leave Bob');
    }));

  test('a relay that refuses the room does not spoil it; both do: the error', () =>
    inWorld(async ({ online, relay, world }) => {
      const second = world.relay({ refuse: { join: 'room-full' } });
      const net = await online({ relays: [relay.config, second.config] });
      await until(() => net.relays.length === 2);
      const room = await net.joinRoom('a');
      assert.equal(room.left, false);
      relay.refuse.join = 'too-many-rooms';
      await assert.rejects(net.joinRoom('b'), (error) => ['room-full', 'too-many-rooms'].includes(error.code));
    }));

  test('calls of relays that are gone grow apart', () =>
    inWorld(async ({ online, relay, world }) => {
      const net = await online({ timing: { ...FAST, retry: 100, retryMax: 10_000, open: 300, stable: 10_000 } });
      relay.kill();
      await until(() => net.status === 'reconnecting');
      const before = world.connections.length;
      await new Promise((resolve) => { setTimeout(resolve, 3000); });
      const calls = world.connections.length - before;
      assert.ok(calls >= 2 && calls <= 6, `${calls} calls`); // At the pace of the first ones it would be eight.
    }));
});

describe('relay lists', () => {
  const serve = async (body, use, status = 200) => {
    const server = createServer((request, response) => {
      response.writeHead(status).end(body);
    });
    await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    try {
      await use(`http://127.0.0.1:${server.address().port}/relays`);
    } finally {
      server.close();
    }
  };
  const works = (make) =>
    inWorld(({ online, relay }) =>
      serve(make(relay.config), async (url) => {
        const net = await online({ relays: url });
        assert.equal(net.relay.nk, relay.config.nk);
      }));

  test('one blob a line; what is none is passed over', () =>
    works((config) => `nonsense\n\n  ${encodeRelayConfig(config)}  \r\nlm1.x\n`));
  test('a JSON array of blobs and configs', () =>
    works((config) => JSON.stringify([7, null, 'x', config, encodeRelayConfig(config)])));

  for (const [what, body, status] of [
    ['is missing', '', 404],
    ['names none', '[]', 200],
    ['is no list', '[{', 200],
    ['is too long', 'x'.repeat(70_000), 200],
  ]) {
    test(`one that ${what}: bad-config; with another relay at hand it does not matter`, () =>
      inWorld(({ online, relay }) =>
        serve(body, async (url) => {
          await assert.rejects(online({ relays: [url] }), bad('bad-config'));
          const net = await online({ relays: [url, relay.config] });
          assert.equal(net.relay.nk, relay.config.nk);
        }, status)));
  }

  test('are not waited for beyond their time', () =>
    inWorld(async ({ online }) => {
      const fetch = (url, { signal }) => new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
      const timing = { ...FAST, fetch: 20 };
      const awake = setInterval(() => {}, 1000); // The timer of AbortSignal.timeout() does not keep Node.js up.
      const slow = online({ relays: 'https://example.org/', fetch, timing });
      await assert.rejects(slow, bad('bad-config')).finally(() => clearInterval(awake));
    }));
});

describe('node records', () => {
  test('are learnt, remembered, and used when the page comes again', () =>
    inWorld(async ({ online, relay, world }) => {
      const second = world.relay();
      teach(relay, () => [recordOf(second)]);
      const storage = new Store();
      const net = await online({ storage });
      await until(() => net.relays.some(({ nk }) => nk === second.config.nk));
      net.close();
      relay.kill();
      const again = await online({ storage });
      assert.equal(again.relay.nk, second.config.nk);
    }));

  test('of a liar are dropped and counted', () =>
    inWorld(async ({ online, relay, world }) => {
      const good = world.relay();
      const liar = world.relay();
      const lies = [
        null,
        7,
        {},
        { record: 7, sig: 'x' },
        { ...recordOf(good), sig: recordOf(liar).sig },
        recordOf(good, {}, (text) => text.replace('192.0.2.1', '192.0.2.2')),
        recordOf(liar, { nk: good.config.nk }),
        recordOf(liar, { v: 2 }),
        recordOf(liar, { seq: Date.now() + 700_000 }),
        recordOf(liar, { seq: '7' }),
        recordOf(liar, { ip: '1.2.3.4\r\na=x' }),
        recordOf(liar, { padding: 'x'.repeat(2048) }),
      ];
      teach(relay, () => lies);
      const storage = new Store();
      const net = await online({ storage });
      await until(() => net.stats.forged === lies.length);
      assert.deepEqual([net.relays.length, JSON.parse(storage.get('lumamesh-nodes'))], [1, []]);
      storage.set('lumamesh-nodes', JSON.stringify(lies));
      assert.equal((await online({ storage })).relays.length, 1);
      for (const junk of ['{', '7', 'null', '"x"', '[[]]', '{"length":9}', '{"slice":1}', '{"flat":1}']) {
        storage.set('lumamesh-nodes', junk);
        await online({ storage });
      }
    }));

  test('are few however many a relay tells; a newer one takes the place of an older', () =>
    inWorld(async ({ online, relay, world }) => {
      const many = Array.from({ length: 20 }, () => world.relay());
      for (const one of many) one.kill();
      const [first] = many;
      const old = recordOf(first, { seq: 5 });
      const nodes = [...many.slice(1).map((one) => recordOf(one)), recordOf(first, { seq: 9 }), old];
      teach(relay, () => nodes);
      const storage = new Store();
      await online({ storage });
      await until(() => storage.has('lumamesh-nodes'));
      const kept = JSON.parse(storage.get('lumamesh-nodes')).map(({ record }) => JSON.parse(record));
      assert.equal(kept.length, 16);
      assert.equal(kept.find(({ nk }) => nk === first.config.nk).seq, 9);
    }));

  test('of nodes that do not signal are not called; storage that throws is no storage', () =>
    inWorld(async ({ online, relay, world }) => {
      const turnOnly = world.relay();
      teach(relay, () => [recordOf(turnOnly, { features: ['turn'] })]);
      const storage = { getItem: () => { throw new Error('no'); }, setItem: () => { throw new Error('no'); } };
      const net = await online({ storage });
      await until(() => relay.sessions.size === 1);
      await settle(200);
      assert.equal(net.relays.length, 1);
      assert.deepEqual(turnOnly.log, []);
    }));
});

describe('a relay with a name', () => {
  const dnsOf = (answers, asked = []) => async (url) => {
    asked.push(String(url));
    const { searchParams } = new URL(url);
    const Answer = answers[searchParams.get('type')].map((data) => ({ data }));
    return new Response(JSON.stringify({ Answer }));
  };
  const dialled = (world) =>
    world.connections[0].remoteDescription.sdp.match(/(?<=typ host|\d )[\d.:a-f]+(?= \d+ typ)/g);

  test('is looked up by DNS over HTTPS, and called where the name leads first', () =>
    inWorld(async ({ online, relay, world }) => {
      relay.config.host = 'relay.example.org';
      const asked = [];
      const fetch = dnsOf({ A: ['198.51.100.1', 'alias.example.org', '999.1.1.1'], AAAA: ['2001:DB8::1'] }, asked);
      await online({ fetch, dns: 'https://dns.example/q' });
      assert.deepEqual(dialled(world), ['198.51.100.1', '2001:db8::1', '192.0.2.1']);
      assert.equal(asked[0], 'https://dns.example/q?name=relay.example.org&type=A');
    }));

  test('asks the first address of each family for ours, in whatever order they are', () =>
    inWorld(async ({ online, relay, world }) => {
      relay.config.host = 'relay.example.org';
      const fetch = dnsOf({ A: ['198.51.100.1', '198.51.100.2'], AAAA: ['2001:DB8::1', '2001:db8::2'] });
      await online({ fetch });
      const { config } = world.connections.at(-1);
      assert.deepEqual(config.iceServers, [{ urls: ['stun:198.51.100.1:3478', 'stun:[2001:db8::1]:3478'] }]);
    }));

  for (const [what, options] of [
    ['fetch is forbidden', { fetch: () => Promise.reject(new TypeError('CSP')) }],
    ['fetch is missing', { fetch: null }],
    ['it is not wanted', { dns: null, fetch: () => assert.fail('asked') }],
    ['the answer is nonsense', { fetch: async () => new Response('{"Answer":7}') }],
  ]) {
    test(`by its address where ${what}`, () =>
      inWorld(async ({ online, relay, world }) => {
        relay.config.host = 'relay.example.org';
        await online(options);
        assert.deepEqual(dialled(world), ['192.0.2.1']);
      }));
  }
});

describe('TURN credentials', () => {
  const server = { urls: ['turn:192.0.2.1:3478'], username: 'u', credential: 'c' };

  test('are renewed by themselves, for connections that are open, too', () =>
    inWorld(async ({ member, relay, world }) => {
      world.relayed = true;
      relay.turn = { ...server, ttl: 86_400 };
      const given = [];
      world.RTCPeerConnection.prototype.setConfiguration = function set({ iceServers }) {
        given.push(iceServers);
      };
      const { ada, bob } = await couple(member);
      await until(() => ada.peer('Bob').path === 'relay' && bob.peer('Ada').path === 'relay');
      relay.turn = { ...server, username: 'new', ttl: 86_400 };
      // Half a day is over, for one of them.
      const realTimeout = globalThis.setTimeout;
      let renew;
      globalThis.setTimeout = (step, ms, ...rest) => {
        if (ms > 1e7) renew = step;
        return realTimeout(step, ms, ...rest);
      };
      relay.shutDown();
      relay.start();
      await until(() => renew && ada.net.status === 'open' && relay.rooms.get(ada.room.id)?.size === 2);
      globalThis.setTimeout = realTimeout;
      renew();
      await until(() => given.length > 0);
      assert.ok(given[0].some(({ username }) => username === 'new'));
      ada.room.broadcast('still here');
      await until(() => bob.data.Ada.includes('still here'));
    }));

  test('that no browser takes are left out', () =>
    inWorld(async ({ member, relay, world }) => {
      relay.turn = { urls: 'bad', username: 7, ttl: 'x' };
      const Fake = world.RTCPeerConnection;
      world.RTCPeerConnection = class extends Fake {
        constructor(config) {
          if (config?.iceServers.some(({ urls }) => !/^(stun|turns?):/.test(urls))) throw new SyntaxError('urls');
          super(config);
        }
      };
      await couple(member);
    }));
});

describe('after sleep, or in another network', () => {
  /** Events of a page, for Node.js. */
  const inPage = async (body) => {
    const target = new EventTarget();
    globalThis.addEventListener = target.addEventListener.bind(target);
    try {
      await body((type, more) => target.dispatchEvent(Object.assign(new Event(type), more)));
    } finally {
      delete globalThis.addEventListener;
    }
  };
  const restarts = (world) => {
    const offers = world.connections.filter(({ other }) => other).map(({ version }) => version);
    return offers.reduce((sum, version) => sum + version, 0);
  };

  for (const type of ['visibilitychange', 'pageshow']) {
    test(`${type}: a relay that went is noticed at once, a living channel is left alone`, () =>
      inPage((happens) =>
        inWorld(async ({ member, relay, world }) => {
          const connect = { timing: { ...FAST, ping: 400, retry: 10_000, retryMax: 10_000 } };
          const { ada, bob } = await couple(member, { connect });
          const { room } = ada;
          const before = restarts(world);
          relay.kill();
          relay.start();
          happens(type, { persisted: true });
          await until(() => relay.rooms.get(room.id)?.size === 2 && ada.net.status === 'open', 3000)
            .catch(() => happens(type, { persisted: true }));
          await until(() => relay.rooms.get(room.id)?.size === 2, 5000);
          ada.room.broadcast('awake');
          await until(() => bob.data.Ada.includes('awake'));
          assert.deepEqual([ada.events, restarts(world)], [['peer Bob', 'open Bob'], before]);
        })));
  }

  test('a channel that does not echo gets an ICE restart', () =>
    inPage((happens) =>
      inWorld(async ({ member, world }) => {
        const { ada } = await couple(member);
        const before = restarts(world);
        const [pair] = world.pairs();
        const heard = pair.map(({ channels: [channel] }) => channel.onmessage);
        for (const { channels: [channel] } of pair) channel.onmessage = null;
        happens('visibilitychange');
        await until(() => restarts(world) > before);
        pair.forEach(({ channels: [channel] }, i) => { channel.onmessage = heard[i]; });
        await settle();
        assert.deepEqual(ada.events, ['peer Bob', 'open Bob']);
      })));

  test('online: an ICE restart, without asking', () =>
    inPage((happens) =>
      inWorld(async ({ member, world }) => {
        const { ada, bob } = await couple(member);
        const before = restarts(world);
        happens('online');
        await until(() => restarts(world) > before);
        ada.room.broadcast('moved');
        await until(() => bob.data.Ada.includes('moved'));
        assert.deepEqual(ada.events, ['peer Bob', 'open Bob']);
      })));

  test('pagehide: goodbye, unless the page is kept', () =>
    inPage((happens) =>
      inWorld(async ({ online }) => {
        const net = await online();
        happens('pagehide', { persisted: true });
        assert.equal(net.status, 'open');
        happens('pagehide', { persisted: false });
        assert.equal(net.status, 'closed');
      })));
});

describe('an AbortSignal', () => {
  test('gives up connecting, and leaves nothing open', () =>
    inWorld(async ({ online, relay, world }) => {
      await assert.rejects(online({ signal: AbortSignal.abort() }), bad('aborted'));
      relay.kill();
      const controller = new AbortController();
      const connecting = online({ signal: controller.signal, timing: { ...FAST, open: 10_000 } });
      await until(() => world.connections.length > 0);
      controller.abort('because');
      await assert.rejects(connecting, (error) => bad('aborted')(error) && error.cause === 'because');
      await settle();
      assert.ok(world.connections.every(({ signalingState }) => signalingState === 'closed'));
    }));

  test('gives up entering a room, which can be entered again', () =>
    inWorld(async ({ online, relay }) => {
      const net = await online();
      relay.tamper = (message) => (message.action === 'joined' ? undefined : message);
      const controller = new AbortController();
      const joining = net.joinRoom('a', { signal: controller.signal });
      await until(() => relay.log.some(({ action }) => action === 'join'));
      controller.abort();
      await assert.rejects(joining, bad('aborted'));
      relay.tamper = undefined;
      assert.equal((await net.joinRoom('a')).left, false);
    }));
});
