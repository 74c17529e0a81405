/** coturn's own clients: they count what they send through the relay and what comes out again. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';

import { makeCertificates } from './lib/certificates.mjs';
import { forget, remember } from './lib/cleanup.mjs';
import { network, withoutNamespaces } from './lib/network.mjs';
import { credential, startTurnServer, withoutTurn } from './lib/turn_server.mjs';

const DEADLINE = 40_000; // milliseconds; a run takes 4 to 7 s of the tools' own waiting
const PEER_PORT = 3480;

/** Runs a command in a namespace to its end; text is all that it said. */
function finish(namespace, ...words) {
  const [command, ...rest] = namespace.enter(...words);
  return new Promise((resolve) => {
    const options = { timeout: DEADLINE, killSignal: 'SIGKILL' };
    const child = execFile(command, rest, options, (error, out, err) => {
      forget(child.pid);
      resolve({ code: error ? (error.code ?? error.signal) : 0, text: out + err });
    });
    remember(child.pid);
  });
}

describe('turnutils', { skip: withoutNamespaces || withoutTurn }, () => {
  let net;
  let tls;
  before(() => {
    net = network();
    tls = makeCertificates(net.hub);
  });
  after(() => net.close());

  for (const mode of ['closed', 'open']) {
    describe(`TURN=${mode}`, { concurrency: true }, () => {
      let server;
      let peer;
      before(async () => {
        const { hub } = net;
        const settings = { MAX_ALLOCATIONS_PER_USER: '0' };
        server = await startTurnServer(hub, { mode, tls, allow: [hub.peer, hub.peer6], settings });
        const words = ['-p', String(PEER_PORT), '-L', hub.peer, '-L', hub.peer6];
        const [command, ...rest] = hub.enter('turnutils_peer', ...words);
        peer = spawn(command, rest, { stdio: 'ignore' });
        remember(peer.pid);
      });
      after(async () => {
        await server.stop();
        peer.kill('SIGKILL');
        await once(peer, 'exit');
        forget(peer.pid);
      });

      const CLIENTS = 4;
      const MESSAGES = 20;
      /** turnutils_uclient with further words; by default over IPv4 and UDP. */
      function uclient({ secret = server.secret, six = false, secure = false }, ...words) {
        const address = six ? server.ip6 : server.ip;
        const who = words.includes('-w') ? [] : ['-u', 'alice', '-W', secret];
        const load = ['-m', String(CLIENTS), '-n', String(MESSAGES), '-z', '5'];
        const way = ['-L', address, '-p', String(secure ? server.tlsPort : server.port)];
        if (six) way.push('-x');
        if (secure) way.push('-S', '-E', tls.ca);
        return finish(net.hub, 'turnutils_uclient', ...who, ...load, ...way, ...words, address);
      }

      function assertAllCameThrough({ code, text }) {
        assert.equal(code, 0, text);
        const [, sent, received] =
          /tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n(?![^]*tot_send_msgs)/.exec(text) ?? [];
        assert.ok(Number(sent) >= CLIENTS * MESSAGES, `${sent} sent\n${text}`);
        assert.equal(received, sent, text);
        assert.match(text, /Total lost packets 0 \(0\.000000%\), total send dropped 0 /);
      }

      const between = {
        'over UDP, ports in pairs': [{}, '-y'],
        'over UDP, Send indications': [{}, '-y', '-s', '-c'],
        'over UDP, 1,200 bytes, DONT-FRAGMENT': [{}, '-y', '-c', '-g', '-l', '1200'],
        'over UDP, further requests between': [{}, '-y', '-G'],
        'over UDP and IPv6': [{ six: true }, '-y', '-c'],
        'over TCP': [{}, '-y', '-t'],
        'over TCP, Send indications, odd lengths': [{}, '-y', '-t', '-s', '-c', '-l', '171'],
        'over TCP and IPv6': [{ six: true }, '-y', '-c', '-t'],
        'over TLS': [{ secure: true }, '-y', '-t'],
        'over TLS and IPv6': [{ secure: true, six: true }, '-y', '-c', '-t'],
      };
      for (const [name, words] of Object.entries(between))
        test(`from client to client ${name}`, async () => assertAllCameThrough(await uclient(...words)));

      const outwards = {
        'over UDP': [{}],
        'over UDP, Send indications': [{}, '-s', '-c'],
        'over UDP and IPv6': [{ six: true }, '-c'],
        'over TCP': [{}, '-t'],
        'over TLS': [{ secure: true }, '-t', '-c'],
      };
      for (const [name, [options, ...words]] of Object.entries(outwards)) {
        test(`to a peer ${name}`, async () => {
          const { peer: four, peer6 } = net.hub;
          const to = ['-e', options.six ? peer6 : four, '-r', String(PEER_PORT)];
          const result = await uclient(options, ...words, ...to);
          if (mode === 'open') return assertAllCameThrough(result);
          assert.doesNotMatch(result.text, /tot_recv_msgs=[1-9]/);
          assert.match(result.text, /error 403/);
        });
      }

      /*
       * uclient tries again for as long as 401 comes with a nonce, as it must (RFC 8489, section 9.2.4). It
       * does so from an address of its own, since too many such requests from one are not answered.
       */
      async function assertNotLetIn(...words) {
        const way = ['-v', '-y', '-c', '-L', net.hub.peer, '-p', String(server.port), ...words, server.ip];
        const { text } = await finish(net.hub, 'timeout', '2', 'turnutils_uclient', ...way);
        assert.match(text, /allocate sent/);
        assert.doesNotMatch(text, /success|tot_send_msgs/);
      }

      test('a wrong secret', async () => {
        const who = ['-u', 'alice', '-W', 'another-secret-of-theirs'];
        await Promise.all([assertNotLetIn(...who), assertNotLetIn('-t', ...who)]);
      });

      test('the older of two secrets', async () => {
        assertAllCameThrough(await uclient({ secret: server.olderSecret }, '-y', '-c'));
      });

      test('a credential that has expired', async () => {
        const { username, credential: password } = credential('alice', { seconds: -5 });
        await assertNotLetIn('-u', username, '-w', password);
      });

      test('a credential from the command line', { skip: process.env.LM_TURN_SERVER }, async () => {
        const said = JSON.parse(await server.print('turn-credential', 'bob'));
        const { username, credential: password, urls } = said;
        assert.match(username, /^\d+:bob$/);
        assert.ok(urls.includes(`turn:${server.ip}:${server.port}?transport=udp`), urls);
        assertAllCameThrough(await uclient({}, '-y', '-c', '-u', username, '-w', password));
      });

      test('turnutils_stunclient learns its address', async () => {
        for (const address of [server.ip, server.ip6]) {
          const words = ['-p', String(server.port), '-L', address, address];
          const { text } = await finish(net.hub, 'turnutils_stunclient', ...words);
          assert.ok(
            text.includes(`reflexive addr: ${address}:`) || text.includes(`reflexive addr: [${address}]:`),
            text,
          );
        }
      });
    });
  }
});
