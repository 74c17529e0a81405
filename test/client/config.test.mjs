import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { LumameshError, connect, decodeRelayConfig, encodeRelayConfig } from '../../client/lumamesh.js';

const CONFIG = {
  fingerprint: Array.from({ length: 32 }, (_, i) => (i * 7).toString(16).toUpperCase().padStart(2, '0')).join(
    ':',
  ),
  ip: '203.0.113.10',
  nk: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  port: 3478,
  pwd: '0123456789abcdef0123456789abcdef',
  ufrag: 'luma',
};
const blobOf = (text) => `lm1.${Buffer.from(text).toString('base64url')}`;
const bad = (code) => (error) => error instanceof LumameshError && error.code === code;

describe('relay configs', () => {
  test('a blob is the sorted JSON without white space', () => {
    const shuffled = Object.fromEntries(Object.entries(CONFIG).reverse());
    const json =
      `{"fingerprint":"${CONFIG.fingerprint}","ip":"203.0.113.10",` +
      `"nk":"${CONFIG.nk}","port":3478,"pwd":"${CONFIG.pwd}","ufrag":"luma"}`;
    assert.equal(encodeRelayConfig(shuffled), blobOf(json));
    assert.deepEqual(decodeRelayConfig(blobOf(json)), CONFIG);
  });

  test('the optional members have their places in the order', () => {
    const more = { tcp: 443, ip6: '2001:db8::7', host: 'relay.example.org', alt: ['198.51.100.7', '::1'] };
    const full = { ...CONFIG, ...more };
    const decoded = decodeRelayConfig(encodeRelayConfig(full));
    assert.deepEqual(decoded, full);
    assert.deepEqual(Object.keys(decoded), Object.keys(full).sort());
  });

  test('one address of any kind is enough', () => {
    for (const address of [
      { host: 'a-1.example' },
      { ip: '255.0.0.1' },
      { ip6: 'fe80::1' },
      { alt: ['203.0.113.9'] },
    ]) {
      const config = { ...CONFIG, ip: undefined, ...address };
      assert.deepEqual(decodeRelayConfig(encodeRelayConfig(config)), JSON.parse(JSON.stringify(config)));
    }
  });

  test('an IPv6 address has one spelling', () => {
    const config = { ...CONFIG, ip6: 'FE80:0::0001', alt: ['2001:DB8:0:0:1:0:0:1'] };
    const expected = { ...CONFIG, ip6: 'fe80::1', alt: ['2001:db8::1:0:0:1'] };
    assert.equal(encodeRelayConfig(config), encodeRelayConfig(expected));
    assert.deepEqual(decodeRelayConfig(blobOf(JSON.stringify(config))), expected);
    assert.deepEqual(config.alt, ['2001:DB8:0:0:1:0:0:1']);
  });

  test('members of later versions are left out', () => {
    assert.equal(encodeRelayConfig({ ...CONFIG, colour: 'blue', mesh: 'a:1' }), encodeRelayConfig(CONFIG));
    assert.deepEqual(decodeRelayConfig(blobOf(JSON.stringify({ ...CONFIG, colour: 'blue' }))), CONFIG);
  });

  const blob = encodeRelayConfig(CONFIG);
  const garbage = {
    'not a string': 7,
    nothing: undefined,
    empty: '',
    'no prefix': blob.slice(4),
    'other prefix': `lm2.${blob.slice(4)}`,
    'no content': 'lm1.',
    padded: `${blob}=`,
    'white space': `${blob}\n`,
    'a space before': ` ${blob}`,
    'plain base64': `lm1.${Buffer.from('{"a":"???>>>"}').toString('base64')}`,
    'cut off': blob.slice(0, -3),
    'one character too many': `${blob}A`,
    'stray bits': 'lm1.e31',
    'not JSON': blobOf('hello'),
    'not an object': blobOf('7'),
    null: blobOf('null'),
    'an array': blobOf('[]'),
    'not UTF-8': 'lm1._w',
    'not ASCII': blobOf(JSON.stringify({ ...CONFIG, note: 'ü' })),
    escaped: blobOf(JSON.stringify(CONFIG).replace('luma', '\\u006cuma')),
    'with a tab': blobOf(JSON.stringify(CONFIG).replace(',', ',\t')),
    'too long': blobOf(JSON.stringify({ ...CONFIG, note: 'x'.repeat(4096) })),
  };
  for (const [what, text] of Object.entries(garbage)) {
    test(`no blob: ${what}`, () => assert.throws(() => decodeRelayConfig(text), bad('bad-config')));
  }

  const vectors = JSON.parse(readFileSync(new URL('../data/vectors/configs.json', import.meta.url), 'utf8'));
  for (const { what, given, json, blob: expected } of vectors.good) {
    test(`as the relay reads it: ${what}`, () => {
      assert.equal(encodeRelayConfig(JSON.parse(given)), expected);
      assert.deepEqual(decodeRelayConfig(blobOf(given)), JSON.parse(json));
    });
  }
  for (const { what, given } of vectors.bad) {
    test(`refused as by the relay: ${what}`, () => {
      assert.throws(() => encodeRelayConfig(JSON.parse(given)), bad('bad-config'));
      assert.throws(() => decodeRelayConfig(blobOf(given)), bad('bad-config'));
    });
  }

  const wrong = {
    alt: [
      [],
      {},
      '198.51.100.7',
      null,
      [null],
      [['198.51.100.7']],
      ['relay.example'],
      ['198.51.100.7 1'],
      ['::ffff:1.2.3.4'],
      [CONFIG.ip],
      ['198.51.100.7', '198.51.100.7'],
      ['2001:db8::7', '2001:DB8:0::7'],
      Array.from({ length: 9 }, (_, i) => `198.51.100.${i}`),
    ],
    fingerprint: ['', 'AB:CD', CONFIG.fingerprint.toLowerCase(), `${CONFIG.fingerprint}\r\na=x`, 7],
    host: [
      '',
      'a b',
      'x\r\n',
      5,
      '.',
      'a.',
      '.a',
      'a..b',
      '-a',
      'a-',
      'a.-b',
      'x'.repeat(64),
      'ä',
      'a.'.repeat(126) + 'aa',
    ],
    ip: ['', 'localhost', '1.2.3', '1.2.3.4\r\na=x', '::1', '1.2.3.256', '01.2.3.4', '1.2.3.4.5', null],
    ip6: [
      '',
      '1.2.3.4',
      '::ffff:1.2.3.4',
      '::ffff:0:1',
      '::1.2.3.4',
      'fe80::1 x',
      '1::2::3',
      ':',
      '[::1]',
      'fe80::1%eth0',
      '1:2:3:4:5:6:7',
    ],
    nk: ['', CONFIG.nk.slice(1), `${CONFIG.nk}A`, '*'.repeat(43), `${CONFIG.nk.slice(0, -1)}p`],
    port: [0, 65536, 1.5, '3478', null],
    pwd: ['', 'short', `${CONFIG.pwd}\n`, 'x'.repeat(21), 'x'.repeat(257), `${CONFIG.pwd} `],
    tcp: [0, '443'],
    ufrag: ['', 'abc', 'a b c', 'luma\r\n', 'x'.repeat(257)],
  };
  for (const [name, values] of Object.entries(wrong)) {
    test(`a wrong ${name} is named`, () => {
      for (const value of values) {
        const config = { ...CONFIG, [name]: value };
        const named = (error) => bad('bad-config')(error) && error.message === name;
        assert.throws(() => encodeRelayConfig(config), named, JSON.stringify(value));
        assert.throws(() => decodeRelayConfig(blobOf(JSON.stringify(config))), bad('bad-config'));
      }
    });
  }

  test('every necessary member is missed', () => {
    for (const name of Object.keys(CONFIG)) {
      // One address is enough, but without any there is no way.
      assert.throws(() => encodeRelayConfig({ ...CONFIG, [name]: undefined }), bad('bad-config'), name);
    }
    for (const value of [null, undefined, 'text', 7])
      assert.throws(() => encodeRelayConfig(value), bad('bad-config'));
  });

  test('connect() checks what it is given before it does anything', async () => {
    const RTCPeerConnection = class {
      constructor() {
        assert.fail('too early');
      }
    };
    await assert.rejects(connect(), bad('bad-argument'));
    await assert.rejects(connect({ relays: [], RTCPeerConnection }), bad('bad-argument'));
    await assert.rejects(connect({ relays: 'lm1.x', RTCPeerConnection }), bad('bad-config'));
    await assert.rejects(connect({ relays: ['lm1.x'], RTCPeerConnection }), bad('bad-config'));
    await assert.rejects(connect({ relays: [CONFIG, {}], RTCPeerConnection }), bad('bad-config'));
    await assert.rejects(connect({ relays: [CONFIG] }), bad('no-webrtc'));
  });
});
