/**
 * A TURN server in a namespace: this project's relay, or coturn where LM_TURN_SERVER=coturn says so: by it
 * the tests can be tested. It fails those of closed mode, which it does not have, of a deleted allocation,
 * which it keeps for some seconds, and of two clients over TLS, between which it loses messages.
 */
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { forget, remember, temporary } from './cleanup.mjs';
import { startRelay, withoutRelay } from './relay.mjs';

const SECRET = 'a-secret-of-the-tests-alone';
const OLDER_SECRET = 'the-one-before-which-still-holds';
const TLS_PORT = 5349;
const PORTS = [61000, 62023]; // of relayed addresses in open mode; the kernel gives its own to clients below
const withCoturn = process.env.LM_TURN_SERVER === 'coturn';

/** For node:test's `skip`: false, or why there is no TURN server. */
export const withoutTurn = withCoturn ? false : withoutRelay;

/** A credential of the TURN REST API, made by hand. */
export function credential(user, { secret = SECRET, seconds = 600 } = {}) {
  const username = `${Math.floor(Date.now() / 1000) + seconds}:${user}`;
  return { username, credential: createHmac('sha1', secret).update(username).digest('base64') };
}

async function startCoturn(hub, { tls, allow }) {
  const directory = mkdtempSync(join(temporary, 'coturn-'));
  const words = ['turnserver', '-n', '--no-cli', '--log-file=stdout', '--no-dtls', `--realm=lumamesh`];
  words.push(
    '--use-auth-secret',
    `--static-auth-secret=${SECRET}`,
    `--static-auth-secret=${OLDER_SECRET}`,
    '--no-rfc5780',
  );
  words.push(
    `--pidfile=${join(directory, 'pid')}`,
    `--userdb=${join(directory, 'db')}`,
    '--listening-port=3478',
  );
  words.push(
    `--min-port=${PORTS[0]}`,
    `--max-port=${PORTS[1]}`,
    ...allow.map((peer) => `--allowed-peer-ip=${peer}`),
  );
  for (const address of [hub.ip, hub.ip6]) words.push(`--listening-ip=${address}`, `--relay-ip=${address}`);
  if (tls) words.push(`--tls-listening-port=${TLS_PORT}`, `--cert=${tls.cert}`, `--pkey=${tls.key}`);
  else words.push('--no-tls');
  const [command, ...rest] = hub.enter(...words);
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  remember(child.pid);
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => {
      log += data;
    });
  const deadline = Date.now() + 10_000;
  while (!log.includes('SQLite DB connection success')) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`coturn does not start:\n${log}`);
    await delay(20);
  }
  return {
    said: () => log,
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      forget(child.pid);
    },
  };
}

/**
 * @param {Namespace} hub
 * @param {{mode?: 'closed'|'open', tls?: {cert: string, key: string}, allow?: string[], settings?: object}}
 * options
 *   allow: peers in open mode that are in a private range
 * @returns {Promise<object>} ip, ip6, host, port, tlsPort, secret, olderSecret; said(), stop(); of a relay
 *   also its config and print()
 */
export async function startTurnServer(hub, { mode = 'closed', tls, allow = [], settings = {} } = {}) {
  const server = withCoturn
    ? await startCoturn(hub, { tls, allow })
    : await startRelay(
        {
          PUBLIC_IP6: hub.ip6,
          PUBLIC_HOST: hub.host,
          TURN: mode,
          TURN_SECRET: `${SECRET},${OLDER_SECRET}`,
          ...(mode === 'open' && { TURN_PORTS: PORTS.join('-') }),
          ...(allow.length > 0 && { TURN_ALLOW_PEERS: allow.join(',') }),
          ...(tls && { TLS_PORT: String(TLS_PORT), TLS_CERT: tls.cert, TLS_KEY: tls.key }),
          ...settings,
        },
        hub,
      );
  return {
    ...server,
    ip: hub.ip,
    ip6: hub.ip6,
    host: hub.host,
    port: 3478,
    tlsPort: TLS_PORT,
    secret: SECRET,
    olderSecret: OLDER_SECRET,
  };
}
