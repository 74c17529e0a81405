/**
 * Makes the vectors in test/data/vectors with OpenSSL's one-shot functions, without a line of the library:
 *
 *     node client/make_vectors.mjs
 *
 * They are committed. The library (WebCrypto) and a C test (mbedTLS) have to come to the same bytes.
 */
import { createCipheriv, createHash, hkdfSync, pbkdf2Sync } from 'node:crypto';
import { writeFileSync } from 'node:fs';

const write = (name, value) => {
  writeFileSync(new URL(`../data/vectors/${name}`, import.meta.url), `${JSON.stringify(value, null, 2)}\n`);
};

function derive(name, secret) {
  const master = pbkdf2Sync(`${name}\0${secret}`, 'lumamesh-room-v1', 600_000, 32, 'sha256');
  const [room, key] = ['room-id', 'aes-gcm-256'].map((info) =>
    Buffer.from(hkdfSync('sha256', master, '', info, 32)).toString('hex'),
  );
  return { name, secret, room, key };
}

const rooms = [
  ['kitchen', ''],
  ['kitchen', 'correct horse battery staple'],
  ['Küche 🍳', 'geheim ☃'],
  ['e\u0301', '\u00e9'], // The same letter in two spellings: names are taken as they are.
  [' ', ' '],
  ['a room with a name that is longer than one block of the hash, which is sixty-four bytes', ''],
].map((pair) => derive(...pair));
write('room-keys.json', rooms);

function seal({ key }, plaintext, aad, iv) {
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key, 'hex'), iv).setAAD(Buffer.from(aad));
  const box = Buffer.concat([
    iv,
    cipher.update(JSON.stringify(plaintext)),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  return { key, iv: iv.toString('hex'), aad, plaintext, box: box.toString('base64url') };
}

const [, { room }] = rooms;
const peerKeys = [1, 2].map((byte) => Buffer.alloc(32, byte));
const ids = peerKeys.map((key) =>
  createHash('sha256')
    .update('lumamesh-peer-v1\0')
    .update(key)
    .digest()
    .subarray(0, 16)
    .toString('base64url'),
);
const candidate = {
  candidate: 'candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host',
  sdpMid: '0',
  sdpMLineIndex: 0,
};
write('sealed.json', {
  peers: ids.map((id, i) => ({ key: peerKeys[i].toString('base64url'), id })),
  boxes: [
    seal(rooms[1], { nick: 'Ada' }, `lumamesh-v1|info|${room}|${ids[0]}`, Buffer.alloc(12, 3)),
    seal(rooms[1], { nick: 'Zoë 🦊' }, `lumamesh-v1|info|${room}|${ids[1]}`, Buffer.alloc(12, 4)),
    seal(
      rooms[1],
      { candidate, n: 0 },
      `lumamesh-v1|signal|${room}|${ids[0]}|${ids[1]}`,
      Buffer.alloc(12, 5),
    ),
    seal(
      rooms[1],
      { description: { type: 'offer', sdp: 'v=0\r\n' }, n: 1 },
      `lumamesh-v1|signal|${room}|${ids[1]}|${ids[0]}`,
      Buffer.alloc(12, 6),
    ),
  ],
});

/*
 * Configs: `given` is JSON as it may stand in a blob. Where it is good, `json` is what both sides take it for and
 * `blob` what they make of it.
 */
const RELAY = {
  fingerprint: Array.from({ length: 32 }, (_, i) => `0${i.toString(16).toUpperCase()}`.slice(-2)).join(':'),
  nk: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  port: 3478,
  pwd: '0123456789abcdef0123456789abcdef',
  ufrag: 'luma',
};
const configText = (addresses) =>
  JSON.stringify(
    Object.fromEntries(Object.entries({ ...RELAY, ...addresses }).sort(([a], [b]) => (a < b ? -1 : 1))),
  );
const documentation = (count) => Array.from({ length: count }, (_, i) => `198.51.100.${i + 1}`);
const goodConfigs = [
  ['one IPv4 address', { ip: '203.0.113.10' }],
  ['one IPv6 address', { ip6: '2001:db8::7' }],
  ['a host alone', { host: 'relay.example.org' }],
  ['both families and further ones', { ip: '203.0.113.10', ip6: '2001:db8::7', alt: ['198.51.100.7', '2001:db8::8'] }],
  ['as many as there may be', { ip: '203.0.113.10', ip6: '2001:db8::7', alt: documentation(8), host: 'r.example', tcp: 443 }],
  ['another spelling', { ip6: '2001:DB8:0:0::0007', alt: ['FD00:0::0001', '2001:db8:0:0:1:0:0:1'] }, { ip6: '2001:db8::7', alt: ['fd00::1', '2001:db8::1:0:0:1'] }],
  ['further ones alone', { alt: ['::1'] }],
  ['a key of a later version', { ip: '203.0.113.10', zebra: [1] }, { ip: '203.0.113.10' }],
].map(([what, given, canonical = given]) => {
  const json = configText(canonical);
  return { what, given: configText(given), json, blob: `lm1.${Buffer.from(json).toString('base64url')}` };
});
const ip = '203.0.113.10';
const badConfigs = [
  ['no address', {}],
  ['no further one', { ip, alt: [] }],
  ['no list', { ip, alt: '198.51.100.7' }],
  ['an object', { ip, alt: { 0: '198.51.100.7' } }],
  ['null', { ip, alt: null }],
  ['a number among them', { ip, alt: [7] }],
  ['a list among them', { ip, alt: [['198.51.100.7']] }],
  ['a name among them', { ip, alt: ['relay.example'] }],
  ['an empty one', { ip, alt: [''] }],
  ['a port', { ip, alt: ['198.51.100.7:1'] }],
  ['brackets', { ip, alt: ['[::1]'] }],
  ['a zone', { ip, alt: ['fe80::1%eth0'] }],
  ['leading zeros', { ip, alt: ['198.051.100.7'] }],
  ['IPv4-mapped', { ip, alt: ['::ffff:198.51.100.7'] }],
  ['IPv4-mapped, in hexadecimal', { ip, alt: ['::ffff:c633:6407'] }],
  ['IPv4-compatible', { ip, alt: ['::198.51.100.7'] }],
  ['IPv4-compatible, as ip6', { ip6: '::c633:6407' }],
  ['nine of them', { ip, alt: documentation(9) }],
  ['one twice', { ip, alt: ['198.51.100.7', '198.51.100.8', '198.51.100.7'] }],
  ['one twice, in two spellings', { ip, alt: ['2001:db8::7', '2001:DB8:0::7'] }],
  ['ip again', { ip, alt: [ip] }],
  ['ip6 again', { ip6: '2001:db8::7', alt: ['2001:db8::7'] }],
].map(([what, given]) => ({ what, given: configText(given) }));
write('configs.json', { good: goodConfigs, bad: badConfigs });
