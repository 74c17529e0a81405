import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { relayAnswer } from '../../client/lumamesh.js';

const CONFIG = {
  fingerprint: Array.from({ length: 32 }, () => 'AB').join(':'),
  ip: '203.0.113.10',
  nk: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  port: 3478,
  pwd: '0123456789abcdef0123456789abcdef',
  ufrag: 'luma',
};
const offerOf = (browser) =>
  readFileSync(new URL(`../data/sdp/${browser}-offer.sdp`, import.meta.url), 'utf8');
const ANSWER = `v=0
o=- 0 0 IN IP4 0.0.0.0
s=-
t=0 0
a=ice-lite
a=group:BUNDLE 0
m=application 3478 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:0
a=ice-ufrag:luma
a=ice-pwd:${CONFIG.pwd}
a=fingerprint:sha-256 ${CONFIG.fingerprint}
a=setup:passive
a=sctp-port:5000
a=max-message-size:65536
a=candidate:udp0 1 udp 2130706431 203.0.113.10 3478 typ host
a=end-of-candidates
`.replaceAll('\n', '\r\n');

describe('the answer that a page writes for the relay', () => {
  for (const browser of ['chromium156', 'firefox153']) {
    test(`to a real offer of ${browser}`, () => assert.equal(relayAnswer(offerOf(browser), CONFIG), ANSWER));
  }

  test('takes over the mid, whatever it is', () => {
    const answer = relayAnswer(
      offerOf('chromium156').replaceAll('a=mid:0', 'a=mid:data').replace('BUNDLE 0', 'BUNDLE data'),
      CONFIG,
    );
    assert.match(answer, /^a=mid:data\r$/m);
    assert.match(answer, /^a=group:BUNDLE data\r$/m);
  });

  test('has a candidate for every address and transport, none with priority 0', () => {
    const answer = relayAnswer(offerOf('firefox153'), {
      ...CONFIG,
      ip6: '2001:db8::7',
      alt: ['198.51.100.7', '2001:db8::8'],
      tcp: 443,
      host: 'relay.example.org',
    });
    const candidates = answer.split('\r\n').filter((line) => line.startsWith('a=candidate:'));
    assert.deepEqual(candidates, [
      'a=candidate:udp0 1 udp 2130706431 203.0.113.10 3478 typ host',
      'a=candidate:udp1 1 udp 2130706175 2001:db8::7 3478 typ host',
      'a=candidate:udp2 1 udp 2130705919 198.51.100.7 3478 typ host',
      'a=candidate:udp3 1 udp 2130705663 2001:db8::8 3478 typ host',
      'a=candidate:tcp0 1 tcp 1015021567 203.0.113.10 443 typ host tcptype passive',
      'a=candidate:tcp1 1 tcp 1015021311 2001:db8::7 443 typ host tcptype passive',
      'a=candidate:tcp2 1 tcp 1015021055 198.51.100.7 443 typ host tcptype passive',
      'a=candidate:tcp3 1 tcp 1015020799 2001:db8::8 443 typ host tcptype passive',
    ]);
  });

  test('of a relay that has IPv6 alone differs in the candidate only', () => {
    const { ip, ...rest } = CONFIG;
    const expected = ANSWER.replace(`${ip} 3478`, '2001:db8::7 3478');
    assert.equal(relayAnswer(offerOf('chromium156'), { ...rest, ip6: '2001:db8::7' }), expected);
  });

  test('names the host only where there is no address', () => {
    const { ip, ...named } = { ...CONFIG, host: 'relay.example.org' };
    assert.match(
      relayAnswer(offerOf('chromium156'), named),
      /^a=candidate:udp0 1 udp 2130706431 relay.example.org 3478 typ host\r$/m,
    );
  });
});
