/** The session with a relay: who it is, how it ends, how the next one is found. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';

import { LumameshError, connect, encodeRelayConfig } from '../../client/lumamesh.js';
import { FakeWorld, until } from './fake_relay.mjs';
import { FAST, inWorld, settle } from './world.mjs';

const sodium = createRequire(import.meta.url)('libsodium-wrappers');
const bad = (code) => (error) => error instanceof LumameshError && error.code === code;
const inWelcome = (change) => (message) =>
  message.action === 'welcome' ? { ...message, ...change(message) } : message;

describe('the welcome', () => {
  test('of the right relay makes a net', () =>
    inWorld(async ({ online, relay }) => {
      const net = await online({ relays: [encodeRelayConfig(relay.config)] });
      assert.equal(net.status, 'open');
      assert.match(net.id, /^[\w-]{22}$/);
      assert.deepEqual(net.relay, relay.config);
      const [hello] = relay.log;
      assert.equal(hello.action, 'hello');
      assert.equal(hello.v, 1);
      assert.equal(Buffer.from(hello.nonce, 'base64url').length, 32);
      assert.equal(Buffer.from(hello.key, 'base64url').length, 32);
    }));

  test('signed by another implementation of Ed25519', async () => {
    await sodium.ready;
    const keys = sodium.crypto_sign_keypair();
    const nk = Buffer.from(keys.publicKey).toString('base64url');
    let nonce;
    await inWorld(async ({ online, relay }) => {
      relay.config.nk = nk;
      const receive = relay.receive.bind(relay);
      relay.receive = (session, text) => {
        nonce ??= JSON.parse(text).nonce;
        receive(session, text);
      };
      relay.tamper = inWelcome(() => {
        const signed = Buffer.concat([
          Buffer.from('lumamesh-hello-v1\0'),
          Buffer.from(nonce, 'base64url'),
          relay.digest,
        ]);
        return {
          node: nk,
          sig: Buffer.from(sodium.crypto_sign_detached(signed, keys.privateKey)).toString('base64url'),
        };
      });
      assert.equal((await online()).status, 'open');
    });
  });

  const flip = (text) => (text[0] === 'A' ? 'B' : 'A') + text.slice(1);
  const forgeries = {
    'with a wrong signature': ['bad-signature', ({ sig }) => ({ sig: flip(sig) })],
    'with a short signature': ['bad-signature', ({ sig }) => ({ sig: sig.slice(4) })],
    'without a signature': ['bad-signature', () => ({ sig: undefined })],
    'of another node': ['bad-welcome', ({ node }) => ({ node: flip(node) })],
    'with a peer id that is not ours': ['bad-welcome', ({ id }) => ({ id: flip(id) })],
    'of another version': ['version', () => ({ v: 2 })],
  };
  for (const [what, [code, change]] of Object.entries(forgeries)) {
    test(`${what} is ${code}`, () =>
      inWorld(async ({ online, relay, world }) => {
        relay.tamper = inWelcome(change);
        await assert.rejects(online(), bad(code));
        await settle();
        assert.ok(
          world.connections.every(({ signalingState }) => signalingState === 'closed'),
          'nothing is left open',
        );
      }));
  }

  test('signed for another certificate or nonce is refused', () =>
    inWorld(async ({ online, relay }) => {
      const { digest } = relay;
      relay.digest = Buffer.alloc(32);
      await assert.rejects(online(), bad('bad-signature'));
      relay.digest = digest;
      let first;
      relay.tamper = inWelcome(({ sig }) => ({ sig: (first ??= sig) }));
      await online();
      await assert.rejects(online(), bad('bad-signature'));
    }));

  test('that is an error rejects with its code', () =>
    inWorld(
      async ({ online }) => {
        await assert.rejects(online(), bad('version'));
      },
      { refuse: { hello: 'version' } },
    ));

  test('that never comes: the relay is unreachable, and the error says by which ways', () =>
    inWorld(async ({ online, relay }) => {
      relay.kill();
      Object.assign(relay.config, { ip6: '2001:db8::7', tcp: 443 });
      await assert.rejects(online(), (error) => {
        const ways = ['udp 192.0.2.1:3478', 'udp [2001:db8::7]:3478'];
        assert.deepEqual(error.tried, [...ways, 'tcp 192.0.2.1:443', 'tcp [2001:db8::7]:443']);
        assert.match(error.message, /udp \[2001:db8::7\]:3478/);
        return bad('relay-unreachable')(error);
      });
    }));
});

describe('several relays', () => {
  test('the first usable one is taken', () =>
    inWorld(async ({ online, relay, world }) => {
      const dead = world.relay();
      dead.kill();
      const liar = world.relay({ tamper: inWelcome(() => ({ sig: '' })) });
      const net = await online({ relays: [dead.config, liar.config, relay.config] });
      assert.equal(net.relay.nk, relay.config.nk);
      assert.equal(liar.sessions.size, 0);
    }));

  test('the first one of the list if it answers', () =>
    inWorld(async ({ online, relay, world }) => {
      const second = world.relay();
      const net = await online({ relays: [relay.config, second.config], links: 1 });
      assert.equal(net.relay.nk, relay.config.nk);
      await settle();
      assert.deepEqual(second.log, []);
    }));

  test('none: an error for each', () =>
    inWorld(async ({ online, relay, world }) => {
      relay.tamper = inWelcome(() => ({ sig: '' }));
      const dead = world.relay();
      dead.kill();
      await assert.rejects(online({ relays: [dead.config, relay.config] }), (error) => {
        assert.deepEqual(error.errors.map(({ code }) => code).sort(), ['bad-signature', 'relay-unreachable']);
        return bad('no-relay')(error);
      });
    }));

  test('the other one is taken when the first goes away', () =>
    inWorld(async ({ relay, world, member }) => {
      const second = world.relay();
      const ada = await member('Ada', { connect: { relays: [relay.config, second.config] } });
      relay.shutDown();
      await until(() => ada.net.status === 'open' && ada.net.relay.nk === second.config.nk);
      assert.ok(second.rooms.get(ada.room.id).has(ada.net.id));
    }));
});

describe('a relay that drains', () => {
  test('is left for the other one at once, not when it closes the session', () =>
    inWorld(async ({ relay, world, member }) => {
      const second = world.relay();
      const ada = await member('Ada', { connect: { relays: [relay.config, second.config] } });
      relay.drain();
      await until(() => ada.net.status === 'open' && ada.net.relay.nk === second.config.nk);
      assert.ok(second.rooms.get(ada.room.id).has(ada.net.id));
      await until(() => !relay.rooms.get(ada.room.id)?.has(ada.net.id), 500, 'told goodbye');
    }));
});

describe('a session that ends', () => {
  test('in good order: the net comes back as the same peer, in its rooms', () =>
    inWorld(async ({ relay, member }) => {
      const ada = await member('Ada');
      const statuses = [];
      const complaints = [];
      ada.net.on('status', (status) => statuses.push(status));
      ada.net.on('error', ({ code }) => complaints.push(code));
      relay.shutDown();
      await until(() => ada.net.status === 'reconnecting');
      relay.start();
      await until(() => ada.net.status === 'open' && relay.rooms.get(ada.room.id)?.has(ada.net.id));
      assert.equal(statuses.at(-1), 'open');
      assert.deepEqual(complaints, ['shutting-down']);
      assert.equal(ada.net.stats.reconnects, 1);
    }));

  test('without a word: the silence is noticed', () =>
    inWorld(async ({ relay, member }) => {
      const ada = await member('Ada');
      await until(() => ada.net.rtt !== null);
      relay.kill();
      relay.start();
      await until(() => ada.net.status === 'reconnecting', FAST.ping * 3 + 500);
      await until(() => relay.rooms.get(ada.room.id)?.has(ada.net.id));
    }));

  test('a relay that answers nothing is tried again, not given up', () =>
    inWorld(async ({ relay, online }) => {
      const net = await online();
      let failures = 0;
      net.on('status', (status, error) => {
        failures += status === 'reconnecting' && error.code === 'relay-unreachable';
      });
      relay.shutDown();
      await until(() => failures >= 2);
      relay.start();
      await until(() => net.status === 'open');
    }));

  test('because it was replaced: the net yields, open channels stay', () =>
    inWorld(async ({ relay, member }) => {
      const ada = await member('Ada');
      const bob = await member('Bob');
      await Promise.all([ada.saw('open Bob'), bob.saw('open Ada')]);
      const [session] = [...relay.sessions].filter(({ id }) => id === ada.net.id);
      session.send(JSON.stringify({ action: 'error', code: 'replaced', message: 'elsewhere' }));
      await until(() => ada.net.status === 'closed');
      ada.room.broadcast('still here');
      await until(() => bob.data.Ada.includes('still here'));
      await assert.rejects(ada.net.joinRoom('other'), bad('closed'));
    }));

  test('by net.close(): nothing comes back', () =>
    inWorld(async ({ relay, member, world }) => {
      const ada = await member('Ada');
      const bob = await member('Bob');
      await Promise.all([ada.saw('open Bob'), bob.saw('open Ada')]);
      ada.net.close();
      ada.net.close();
      assert.equal(ada.net.status, 'closed');
      assert.deepEqual(ada.events.slice(-2), ['close Bob', 'leave Bob']);
      await bob.saw('leave Ada');
      await settle();
      assert.deepEqual(
        [...relay.sessions].map(({ id }) => id),
        [bob.net.id],
      );
      assert.equal(world.pairs().length, 0);
    }));

  test('by net.close() in the middle of reconnecting', () =>
    inWorld(async ({ relay, online }) => {
      const net = await online();
      relay.shutDown();
      await until(() => net.status === 'reconnecting');
      net.close();
      relay.start();
      await settle(200);
      assert.equal(net.status, 'closed');
      assert.equal(relay.sessions.size, 0);
    }));
});

describe('what a relay says', () => {
  test('nonsense is counted and harms nothing', () =>
    inWorld(async ({ relay, online }) => {
      const net = await online();
      const [session] = relay.sessions;
      const room = await net.joinRoom('room');
      const nonsense = [
        '',
        'x',
        '7',
        'null',
        '[]',
        '{}',
        '{"action":7}',
        '{"action":"joined"}',
        JSON.stringify({ action: 'joined', room: room.id }),
        JSON.stringify({ action: 'joined', room: room.id, peers: [null] }),
        JSON.stringify({ action: 'peer-joined', room: room.id }),
        JSON.stringify({ action: 'peer-left', room: room.id }),
        JSON.stringify({ action: 'signal', room: room.id, from: 7 }),
        JSON.stringify({ action: 'peer-joined', room: room.id, peer: { id: 7, info: 'x' } }),
      ];
      for (const text of nonsense) session.send(text);
      await until(() => net.stats.malformed >= 10);
      assert.equal(net.status, 'open');
      assert.deepEqual(room.peers, []);
      await room.leave();
    }));

  test('complaints that belong to no request are events', () =>
    inWorld(async ({ relay, online }) => {
      const net = await online();
      const codes = [];
      net.on('error', (error) => codes.push(error instanceof LumameshError && error.code));
      for (const code of ['rate-limited', 'no-such-peer']) {
        [...relay.sessions][0].send(JSON.stringify({ action: 'error', code, message: code }));
      }
      await until(() => codes.length > 0);
      await settle();
      assert.deepEqual(codes, ['rate-limited']);
    }));
});

test('a handler that throws is reported and disturbs nobody', () =>
  inWorld(async ({ relay, online }) => {
    const net = await online();
    const seen = [];
    const reported = [];
    globalThis.reportError = (error) => reported.push(error.message);
    net.on('status', () => {
      throw new Error('of the page');
    });
    const off = net.on('status', (status) => seen.push(status));
    relay.shutDown();
    relay.start();
    await until(() => seen.length === 2);
    off();
    net.close();
    delete globalThis.reportError;
    assert.deepEqual(seen, ['reconnecting', 'open']);
    assert.deepEqual(reported, ['of the page', 'of the page', 'of the page']);
  }));

test('connect() needs no more than WebRTC and WebCrypto', async () => {
  const world = new FakeWorld();
  const relay = world.relay();
  for (const name of ['localStorage', 'sessionStorage']) {
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get() {
        throw new Error('SecurityError');
      },
    });
  }
  const net = await connect({
    relays: [relay.config],
    RTCPeerConnection: world.RTCPeerConnection,
    timing: FAST,
  });
  await net.joinRoom('room');
  net.close();
});
