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
