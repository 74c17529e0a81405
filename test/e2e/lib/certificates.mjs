/** Certificates for tests of TLS, and how each browser is brought to believe in them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { temporary } from './cleanup.mjs';

const openssl = (...words) => execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/**
 * A certificate authority and a certificate of its for a hub: for its name and its addresses.
 * @param {{host: string, ip: string, ip6: string}} hub
 * @returns {{ca: string, cert: string, key: string}} paths of PEM files
 */
export function makeCertificates({ host, ip, ip6 }) {
  const directory = mkdtempSync(join(temporary, 'tls-'));
  const path = (name) => join(directory, name);
  const files = { ca: path('ca.pem'), cert: path('cert.pem'), key: path('key.pem') };
  const extensions = [
    'basicConstraints=critical,CA:FALSE',
    'extendedKeyUsage=serverAuth',
    `subjectAltName=DNS:${host},IP:${ip},IP:${ip6}`,
  ];
  writeFileSync(path('extensions'), `${extensions.join('\n')}\n`);
  openssl(
    'req',
    '-x509',
    ...CURVE,
    '-keyout',
    path('ca.key'),
    '-out',
    files.ca,
    '-days',
    '30',
    '-subj',
    '/CN=Lumamesh test CA',
  );
  openssl('req', '-new', ...CURVE, '-keyout', files.key, '-out', path('request.pem'), '-subj', '/CN=relay');
  openssl(
    'x509',
    '-req',
    '-in',
    path('request.pem'),
    '-CA',
    files.ca,
    '-CAkey',
    path('ca.key'),
    '-CAcreateserial',
    '-days',
    '30',
    '-extfile',
    path('extensions'),
    '-out',
    files.cert,
  );
  return files;
}

/** Makes an NSS database in a directory, or opens it, and puts a CA into it that may vouch for servers. */
export function trustInNss(directory, ca) {
  mkdirSync(directory, { recursive: true });
  const certutil = (...words) =>
    execFileSync('certutil', [...words, '-d', `sql:${directory}`], { stdio: 'pipe' });
  certutil('-N', '--empty-password');
  certutil('-A', '-n', 'test', '-t', 'C,,', '-i', ca);
}
