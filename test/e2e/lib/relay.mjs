/**
 * Runs the relay that LM_RELAY names, with a state directory of its own, on this machine's primary address:
 * Firefox never reaches loopback.
 */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { createServer, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

import { forget, remember, temporary } from './cleanup.mjs';

const BINARY = process.env.LM_RELAY;
const STARTED_WITHIN = 10_000; // milliseconds

/** For node:test's `skip`: false, or why tests with the relay cannot run. */
export const withoutRelay = BINARY ? false : 'LM_RELAY does not name a relay binary';

export function primaryAddress() {
  const addresses = Object.values(networkInterfaces()).flat();
  const found = addresses.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (!found) throw new Error('this machine has no IPv4 address besides loopback');
  return found.address;
}

// Below the range that systems give to outgoing connections, or one of those may have the port by the time it is used.
const PORTS = { first: 20000, count: 12000 };

/** True where a socket, of UDP or TCP, can be bound. */
function canBind(socket, bind) {
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false));
    bind(() => socket.close(() => resolve(true)));
  });
}

/** A port that is free for UDP and for TCP. */
export async function freePort() {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    const udp = createSocket('udp4');
    const tcp = createServer();
    if (
      (await canBind(udp, (done) => udp.bind(port, '0.0.0.0', done))) &&
      (await canBind(tcp, (done) => tcp.listen(port, '0.0.0.0', done)))
    )
      return port;
  }
  throw new Error('no free port was found');
}

/**
 * Whether a STUN Binding request without a USERNAME is answered within 100 ms: the relay's port is open then.
 */
async function answersStun({ port }, address) {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const transaction = randomBytes(12);
  try {
    socket.send(Buffer.concat([Buffer.from('000100002112a442', 'hex'), transaction]), port, address);
    const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(100) });
    return answer.readUInt16BE(0) === 0x0101 && answer.subarray(8, 20).equals(transaction);
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

/**
 * @param {object} [settings] further environment variables; where they name several addresses, or none of this
 *   machine's, `reach` is the one at which the relay is waited for
 * @param {Namespace} [namespace] where to run it, if not among this machine's own addresses (network.mjs)
 * @returns {Promise<object>} config and blob as the relay prints them; health: its HTTP address; kill():
 *   SIGKILL; start():
 *   again after that, same identity, same port; freeze(): SIGSTOP, from which only kill() leads on; stop():
 *   SIGTERM, for the end of a test; reload(): SIGHUP; said(): its log
 */
export async function startRelay({ reach, ...settings } = {}, namespace = null) {
  const address = namespace?.ip ?? primaryAddress();
  const health = `127.0.0.1:${await freePort()}`;
  const env = {
    PATH: process.env.PATH,
    STATE_DIR: mkdtempSync(join(temporary, 'relay-')),
    PUBLIC_IP: address,
    UDP_PORT: String(namespace ? 3478 : await freePort()),
    HEALTH_LISTEN: health,
    DEMO: '1',
    DRAIN_SECONDS: '0',
    ...settings,
  };
  const print = async (...words) => (await promisify(execFile)(BINARY, words, { env })).stdout;
  const config = JSON.parse(await print('--print-config'));
  const blob = (await print('--print-blob')).trim();
  const [command, ...words] = namespace ? namespace.enter(BINARY) : [BINARY];
  // Where this process cannot ask it, its log has to do.
  const isUp = async () =>
    namespace ? delay(20, log.includes('relay is up')) : answersStun(config, reach ?? config.ip);
  let child = null;
  let log = '';

  async function start() {
    log = '';
    child = spawn(command, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    remember(child.pid);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => {
        log = (log + data).slice(-8192);
      });
    const deadline = Date.now() + STARTED_WITHIN;
    while (!(await isUp())) {
      const ended = child.exitCode !== null || child.signalCode !== null;
      if (ended || Date.now() > deadline) throw new Error(`the relay does not answer; it said:\n${log}`);
    }
  }

  async function end(signal) {
    if (!child) return;
    const { pid } = child;
    const ended = child.exitCode !== null || child.signalCode !== null || once(child, 'exit');
    child.kill(signal);
    await ended;
    forget(pid);
    child = null;
  }

  await start();
  return {
    config,
    blob,
    health: `http://${health}`,
    /** What the binary prints with these words on its command line, under this relay's settings. */
    print,
    start,
    kill: () => end('SIGKILL'),
    freeze: () => child.kill('SIGSTOP'),
    /** SIGHUP; resolves once the relay has said what came of it, with that. */
    async reload() {
      const before = log.length;
      child.kill('SIGHUP');
      for (const deadline = Date.now() + STARTED_WITHIN; Date.now() < deadline; await delay(20)) {
        const said = /SIGHUP: (settings, .*|nothing is changed.*)/.exec(log.slice(before));
        if (said) return said[1];
      }
      throw new Error(`the relay says nothing of SIGHUP; it said:\n${log}`);
    },
    stop: () => end('SIGTERM'),
    said: () => log,
  };
}
