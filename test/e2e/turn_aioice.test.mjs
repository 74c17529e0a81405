/** An independent TURN client: two of its allocations talk through the relay (lib/turn_aioice.py). */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { makeCertificates } from './lib/certificates.mjs';
import { network, withoutNamespaces } from './lib/network.mjs';
import { credential, startTurnServer, withoutTurn } from './lib/turn_server.mjs';

// Debian's python3, which has Debian's packages; another one may come first in PATH.
const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('lib/turn_aioice.py', import.meta.url));
const DEADLINE = 30_000; // milliseconds

for (const mode of ['closed', 'open']) {
  describe(`aioice, TURN=${mode}`, { skip: withoutNamespaces || withoutTurn }, () => {
    let net;
    let tls;
    let server;
    before(async () => {
      net = network();
      tls = makeCertificates(net.hub);
      server = await startTurnServer(net.hub, { mode, tls });
    });
    after(async () => {
      await server?.stop();
      net?.close();
    });

    const ways = {
      UDP: () => [server.ip, server.port, 'udp'],
      'UDP and IPv6': () => [server.ip6, server.port, 'udp'],
      TCP: () => [server.ip, server.port, 'tcp'],
      TLS: () => [server.host, server.tlsPort, 'tls'],
    };
    for (const [way, where] of Object.entries(ways)) {
      test(`100 datagrams each way over ${way}, refresh, delete`, async () => {
        const { username, credential: password } = credential('aioice');
        const [command, ...words] = net.hub.enter(
          PYTHON,
          SCRIPT,
          ...where().map(String),
          username,
          password,
          tls.ca,
        );
        const { stdout } = await promisify(execFile)(command, words, {
          timeout: DEADLINE,
          killSignal: 'SIGKILL',
        });
        const { relayed, ...result } = JSON.parse(stdout);
        assert.deepEqual(result, {
          there: true,
          back: true,
          refreshed: 1200,
          shortened: 600,
          deleted: 0,
          after: 437,
        });
        assert.deepEqual(
          relayed.map(([host]) => host),
          [server.ip, server.ip],
        );
        assert.notEqual(relayed[0][1], relayed[1][1]);
      });
    }
  });
}
