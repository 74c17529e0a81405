import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { deriveRoom, peerIdOf, seal, unseal } from '../../client/lumamesh.js';

const vectors = (name) =>
  JSON.parse(readFileSync(new URL(`../data/vectors/${name}.json`, import.meta.url), 'utf8'));
const importKey = (hex) =>
  crypto.subtle.importKey('raw', Buffer.from(hex, 'hex'), 'AES-GCM', false, ['encrypt', 'decrypt']);

describe('keys and boxes', () => {
  for (const { name, secret, room, key } of vectors('room-keys')) {
    test(`room ${JSON.stringify(name.slice(0, 20))} with secret ${JSON.stringify(secret)}`, async () => {
      const derived = await deriveRoom(name, secret);
      assert.equal(derived.id, room);
      assert.equal(Buffer.from(derived.keyBytes).toString('hex'), key);
    });
  }

  test('no two of the rooms are the same', () => {
    const rooms = vectors('room-keys');
    assert.equal(new Set(rooms.flatMap(({ room, key }) => [room, key])).size, 2 * rooms.length);
  });

  test('peer ids', async () => {
    for (const { key, id } of vectors('sealed').peers)
      assert.equal(await peerIdOf(Buffer.from(key, 'base64url')), id);
  });

  for (const { key, iv, aad, plaintext, box } of vectors('sealed').boxes) {
    test(`a box bound to ${aad.slice(12, 18)}`, async () => {
      const cryptoKey = await importKey(key);
      assert.equal(await seal(cryptoKey, plaintext, aad, Buffer.from(iv, 'hex')), box);
      assert.deepEqual(await unseal(cryptoKey, box, aad), plaintext);
      assert.notEqual(await seal(cryptoKey, plaintext, aad), box, 'the iv is random');

      const flipped = box.slice(0, -2) + (box.at(-2) === 'A' ? 'B' : 'A') + box.at(-1);
      await assert.rejects(unseal(cryptoKey, flipped, aad));
      await assert.rejects(unseal(cryptoKey, box, `${aad}x`));
      await assert.rejects(unseal(cryptoKey, box, aad.replace(/info|signal/, 'other')));
      await assert.rejects(unseal(await importKey('00'.repeat(32)), box, aad));
      await assert.rejects(unseal(cryptoKey, `${box}=`, aad));
      for (const nonsense of ['', 'AAAA', undefined, 7, null])
        await assert.rejects(unseal(cryptoKey, nonsense, aad));
    });
  }

  test('a box that holds no object is no message', async () => {
    const key = await importKey('01'.repeat(32));
    for (const value of [null, 7, 'text', true]) {
      await assert.rejects(unseal(key, await seal(key, value, 'aad'), 'aad'), undefined, String(value));
    }
  });
});
