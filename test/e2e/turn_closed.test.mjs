/**
 * In closed mode nothing leaves the relay towards an address that a client names: listeners on this machine,
 * at addresses that the relay could reach, are named in every kind of request. In open mode, with the
 * listener allowed, the same requests do reach it: so the test would see it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, describe, test } from 'node:test';

import { forget, remember } from './lib/cleanup.mjs';
import { neighbour, withoutNamespaces } from './lib/network.mjs';
import { primaryAddress, startRelay, withoutRelay } from './lib/relay.mjs';
import * as turn from './lib/turn_client.mjs';
import { credential } from './lib/turn_server.mjs';

const SECRET = 'a-secret-of-the-tests-alone';
const SENTINEL = 'all that was sent before this has come';

/** In a process of its own: tells of each datagram and each TCP connection. */
function listener(address) {
  const udp = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4');
  udp.on('message', (data) => process.send({ data: data.toString('latin1') }));
  // Of the numbers that relayed addresses have.
  udp.bind({ address, port: 50_000 + Math.floor(Math.random() * 10_000) }, () => {
    const { port } = udp.address();
    const tcp = require('node:net').createServer((socket) => {
      process.send({ data: 'a TCP connection' });
      socket.destroy();
    });
    tcp.listen(port, address, () => process.send({ port }));
  });
  process.on('disconnect', () => process.exit());
}

async function listen(address, enter = (...words) => words) {
  const code = `(${listener})(${JSON.stringify(address)})`;
  const [command, ...words] = enter(process.execPath, '-e', code);
  const child = spawn(command, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  remember(child.pid);
  const [{ port }] = await once(child, 'message', { signal: AbortSignal.timeout(10_000) });
  const got = [];
  child.on('message', ({ data }) => got.push(data));
  return {
    address,
    port,
    /** What it has got, after all that was sent to it so far. */
    async all() {
      const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4').unref();
      socket.send(SENTINEL, port, address);
      while (!got.includes(SENTINEL)) await once(child, 'message', { signal: AbortSignal.timeout(5000) });
      socket.close();
      return got.splice(0).filter((data) => data !== SENTINEL);
    },
    async close() {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
      forget(child.pid);
    },
  };
}

/**
 * Names a peer in every kind of request and sends it data in every way; returns the errors of the answers.
 */
async function tryAll(way, relay, peer) {
  const client = await turn.TurnClient.open(way, relay, credential('curious', { secret: SECRET }));
  try {
    return await tryWith(client, relay, peer);
  } finally {
    client.close();
  }
}

async function tryWith(client, relay, peer) {
  const wanted = [turn.REQUESTED_TRANSPORT, turn.UDP];
  const data = [turn.DATA, Buffer.from('hello')];
  const to = [turn.XOR_PEER_ADDRESS, peer];
  const channel = (number) => [turn.CHANNEL_NUMBER, Buffer.from([number >> 8, number & 255, 0, 0])];
  const sendAll = () => {
    for (const more of [[], [[turn.DONT_FRAGMENT, Buffer.alloc(0)]]])
      client.indicate(turn.SEND_INDICATION, [to, data, ...more]);
    for (const number of [0x4000, 0x4001, 0x4fff]) client.channelData(number, Buffer.from('hello'));
  };

  sendAll(); // before there is an allocation
  const kind = isIPv6(peer.address)
    ? [turn.REQUESTED_ADDRESS_FAMILY, turn.FAMILY[6]]
    : [turn.EVEN_PORT, Buffer.from([0x80])];
  await client.request(turn.ALLOCATE, [wanted, kind, [turn.LIFETIME, Buffer.alloc(4)], to, data]);
  const allocated = await client.request(turn.ALLOCATE, [wanted, kind]);
  // 437: the first made it, whatever else it asked for.
  assert.ok([0, 437].includes(allocated.error), `an allocation: ${allocated.error}`);
  sendAll();
  const own = [turn.XOR_PEER_ADDRESS, { address: isIPv6(peer.address) ? relay.ip6 : relay.ip, port: 49_152 }];
  const errors = {
    permission: (await client.request(turn.CREATE_PERMISSION, [to])).error,
    'permission, the second of two': (await client.request(turn.CREATE_PERMISSION, [own, to])).error,
    channel: (await client.request(turn.CHANNEL_BIND, [channel(0x4000), to])).error,
    'channel again': (await client.request(turn.CHANNEL_BIND, [channel(0x4001), to])).error,
  };
  sendAll();
  await client.request(turn.REFRESH, [[turn.LIFETIME, Buffer.from([0, 0, 2, 88])], to, data]);
  for (const type of [turn.CONNECT, turn.ALLOCATE, 0x0017, 0x0118]) client.indicate(type, [wanted, to, data]);
  sendAll();
  // What answers these has been through all of the above, and has sent what it had gathered to be sent.
  await client.request(turn.REFRESH);
  assert.equal((await client.request(turn.REFRESH, [[turn.LIFETIME, Buffer.alloc(4)]])).error, 0);
  assert.equal((await client.request(turn.REFRESH)).error, 437);
  return errors;
}

const allRefused = (error) => ({
  permission: error,
  'permission, the second of two': error,
  channel: error,
  'channel again': error,
});

describe('TURN=closed reaches nobody', { skip: withoutNamespaces || withoutRelay }, () => {
  const own6 = Object.values(networkInterfaces())
    .flat()
    .find(({ family, internal, scopeid }) => family === 'IPv6' && !internal && !scopeid)?.address;
  let beside;
  const listeners = [];
  const settings = {
    TURN_SECRET: SECRET,
    MAX_ALLOCATIONS_PER_USER: '0',
    ...(own6 && { PUBLIC_IP6: own6 }),
  };
  const where = ({ config }) => ({ ip: config.ip, ip6: config.ip6, port: config.port });
  before(() => {
    beside = neighbour();
  });
  after(async () => {
    await Promise.all(listeners.map((one) => one.close()));
    beside?.close();
  });

  const places = {
    'the loopback address': () => listen('127.0.0.1'),
    'another loopback address': () => listen('127.8.9.10'),
    'another namespace': () => listen(beside.ip, (...words) => beside.enter(...words)),
    ...(own6 && {
      'the loopback address of IPv6': () => listen('::1'),
      'another namespace over IPv6': () => listen(beside.ip6, (...words) => beside.enter(...words)),
    }),
  };

  describe('closed', () => {
    let relay;
    before(async () => {
      relay = await startRelay(settings);
    });
    after(() => relay.stop());

    for (const [name, place] of Object.entries(places)) {
      for (const way of ['udp', 'tcp']) {
        test(`${name}, by ${way}`, async () => {
          const target = await place();
          listeners.push(target);
          assert.deepEqual(await tryAll(way, where(relay), target), allRefused(403));
          assert.deepEqual(await target.all(), []);
        });
      }
    }

    for (const way of ['udp', 'tcp']) {
      test(`the relay's own address with a port that is no allocation's, by ${way}`, async () => {
        // Permissions are for addresses (RFC 8656, section 9) and this is the one that all allocations have.
        const target = await listen(primaryAddress());
        listeners.push(target);
        await tryAll(way, where(relay), target);
        assert.deepEqual(await target.all(), []);
      });

      test(`addresses of no one host, by ${way}`, async () => {
        for (const address of ['0.0.0.0', '255.255.255.255', '224.0.0.1', '169.254.169.254', '8.8.8.8'])
          assert.deepEqual(await tryAll(way, where(relay), { address, port: 53 }), allRefused(403), address);
        if (!own6) return;
        for (const address of ['::', 'ff02::1', '64:ff9b::7f00:1', '2001:db8::1'])
          assert.deepEqual(await tryAll(way, where(relay), { address, port: 53 }), allRefused(403), address);
        // That is an address of IPv4, and its allocation is one of IPv6.
        const mapped = { address: '::ffff:127.0.0.1', port: 53 };
        assert.deepEqual(await tryAll(way, where(relay), mapped), allRefused(443));
      });
    }
  });

  test('open, and allowed: the listener hears it', async (t) => {
    const target = await places['another namespace']();
    listeners.push(target);
    const relay = await startRelay({ ...settings, TURN: 'open', TURN_ALLOW_PEERS: `${beside.ip}/32` });
    t.after(() => relay.stop());
    for (const way of ['udp', 'tcp']) {
      const errors = await tryAll(way, where(relay), target);
      assert.deepEqual(errors, { ...allRefused(0), 'channel again': 400 });
      // Two indications and one channel's data, twice.
      assert.deepEqual(await target.all(), Array(6).fill('hello'));
    }
  });
});
