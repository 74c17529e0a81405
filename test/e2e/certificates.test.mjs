/** The TLS port's certificate is changed while the relay runs, and connections are there. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { temporary } from './lib/cleanup.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';
import * as turn from './lib/turn_client.mjs';
import { credential } from './lib/turn_server.mjs';

const SECRET = 'a-secret-of-the-certificates';
const DATA = new URL('../data/tls/', import.meta.url);

const fingerprint = (name) => new X509Certificate(readFileSync(new URL(name, DATA))).fingerprint256;

async function freePort() {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

describe('the certificate of TLS_PORT', { skip: withoutRelay }, () => {
  let relay;
  let place; // of a client
  let old;
  const directory = mkdtempSync(join(temporary, 'certificates-'));
  const path = (name) => join(directory, name);
  const install = (cert, key) => {
    copyFileSync(new URL(cert, DATA), path('cert.pem'));
    copyFileSync(new URL(key, DATA), path('key.pem'));
  };
  const open = () => turn.TurnClient.open('tls', place, credential('tls', { secret: SECRET }));
  /** The certificate that a newcomer gets. */
  const newcomer = async () => {
    const client = await open();
    client.close();
    return client.certificate;
  };
  const isAlive = async (client) => assert.equal((await client.request(turn.REFRESH)).error, 0);

  before(async () => {
    const port = await freePort();
    install('p256.pem', 'p256.key');
    relay = await startRelay({
      TURN_SECRET: SECRET,
      TLS_PORT: String(port),
      TLS_CERT: path('cert.pem'),
      TLS_KEY: path('key.pem'),
    });
    place = { ip: relay.config.ip, port };
    old = await open();
    const { error } = await old.request(turn.ALLOCATE, [[turn.REQUESTED_TRANSPORT, turn.UDP]]);
    assert.equal(error, 0);
  });
  after(() => {
    old?.close();
    return relay?.stop();
  });

  test('is the one in the files', () => assert.equal(old.certificate, fingerprint('p256.pem')));

  test('is another for newcomers after SIGHUP', async () => {
    install('rsa.pem', 'rsa.key');
    assert.match(await relay.reload(), /^settings, certificate/);
    assert.equal(await newcomer(), fingerprint('rsa.pem'));
  });

  test('does not matter to who is there', () => isAlive(old));

  const broken = {
    'a key of another certificate': () => install('rsa.pem', 'p384.key'),
    'a certificate that is none': () => writeFileSync(path('cert.pem'), 'nothing of the kind'),
    'a certificate that is empty': () => writeFileSync(path('cert.pem'), ''),
    'no key': () => unlinkSync(path('key.pem')),
  };
  for (const [name, breakIt] of Object.entries(broken)) {
    test(`stays as it was with ${name}`, async () => {
      install('p384.pem', 'p384.key');
      breakIt();
      assert.match(await relay.reload(), /^nothing is changed: .*\.pem/);
      assert.equal(await newcomer(), fingerprint('rsa.pem'));
      await isAlive(old);
    });
  }

  test('is another again once it is whole', async () => {
    install('p384.pem', 'p384.key');
    assert.match(await relay.reload(), /^settings, certificate/);
    assert.equal(await newcomer(), fingerprint('p384.pem'));
    await isAlive(old);
  });
});
