/**
 * Chromium and Firefox that may use the relay's TURN alone, in namespaces that reach the relay and not each
 * other: over UDP, TCP and TLS.
 *
 * Of a TURN server's port Chromium wants that it is 53, 80, 443, or 1024 or more. For `turns:` both want a
 * certificate that they would take for a page; where the CA has to be for that is said in lib/browsers.mjs.
 * A `turns:` URL with an IP address is enough for Chromium. Firefox passes over it without a word: it wants a
 * name.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';

import { startBrowserIn } from './lib/agent.mjs';
import { makeCertificates } from './lib/certificates.mjs';
import { network, withoutNamespaces } from './lib/network.mjs';
import { credential, startTurnServer, withoutTurn } from './lib/turn_server.mjs';

const ECHOES = 50;

/** In a page: makes the connection whose end this page is; candidates come with the description. */
async function begin({ iceServers, offer }) {
  const pc = new RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' });
  const t = (window.t = { pc, began: performance.now(), opened: null, echoes: [], errors: [] });
  pc.onicecandidateerror = ({ url, errorCode, errorText }) =>
    t.errors.push(`${url} ${errorCode} ${errorText}`);
  const use = (channel) => {
    t.channel = channel;
    channel.onopen = () => {
      t.opened = performance.now() - t.began;
    };
    channel.onmessage = ({ data }) => (offer ? channel.send(data) : t.echoes.push(data));
  };
  const gathered = new Promise((resolve) => {
    pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && resolve();
  });
  if (offer) {
    pc.ondatachannel = ({ channel }) => use(channel);
    await pc.setRemoteDescription(offer);
  } else use(pc.createDataChannel('test'));
  await pc.setLocalDescription();
  await gathered;
  const candidates = pc.localDescription.sdp.match(/^a=candidate:.*$/gm) ?? [];
  return {
    description: pc.localDescription.toJSON(),
    candidates,
    errors: t.errors,
    ms: performance.now() - t.began,
  };
}

/** In a page: the candidates of the pair in use. */
async function selected() {
  const stats = await window.t.pc.getStats();
  const all = [...stats.values()];
  const transport = all.find(({ type }) => type === 'transport');
  const pair =
    stats.get(transport?.selectedCandidatePairId) ??
    all.find(({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded');
  const end = (id) => {
    const { candidateType, relayProtocol, address, port } = stats.get(id);
    return { candidateType, relayProtocol, at: `${address}:${port}` };
  };
  return { local: end(pair.localCandidateId), remote: end(pair.remoteCandidateId) };
}

describe('browsers that only use TURN', { skip: withoutNamespaces || withoutTurn }, () => {
  let net;
  let server;
  let browsers;
  before(async () => {
    net = network(2);
    const tls = makeCertificates(net.hub);
    server = await startTurnServer(net.hub, { tls });
    const started = net.leaves.flatMap((leaf) =>
      ['chromium', 'firefox'].map((name) => startBrowserIn(leaf, name, { ca: tls.ca })),
    );
    const [chromium, firefox, chromium2, firefox2] = await Promise.all(started);
    browsers = [
      { chromium, firefox },
      { chromium: chromium2, firefox: firefox2 },
    ];
  });
  after(async () => {
    await Promise.all((browsers ?? []).flatMap(Object.values).map((browser) => browser.close()));
    await server?.stop();
    net?.close();
  });

  test('the namespaces do not reach each other', () => {
    const connect = (from, to) => {
      const [command, ...words] = from.enter('timeout', '1', 'bash', '-c', `</dev/tcp/${to.ip}/9`);
      return spawnSync(command, words).status;
    };
    const [a, b] = net.leaves;
    assert.equal(connect(net.hub, b), 1, 'refused: nobody listens');
    assert.equal(connect(a, b), 124, 'no answer within the second');
  });

  const ways = {
    UDP: ({ ip, port }) => `turn:${ip}:${port}`,
    TCP: ({ ip, port }) => `turn:${ip}:${port}?transport=tcp`,
    TLS: ({ host, tlsPort }) => `turns:${host}:${tlsPort}?transport=tcp`,
    'UDP and IPv6': ({ ip6, port }) => `turn:[${ip6}]:${port}`,
  };
  const pairs = [
    ['chromium', 'chromium'],
    ['firefox', 'firefox'],
    ['chromium', 'firefox'],
    ['firefox', 'chromium'],
  ];

  for (const [way, url] of Object.entries(ways)) {
    for (const [first, second] of pairs) {
      test(`${first} and ${second} over ${way}`, async (t) => {
        const iceServers = [{ urls: url(server), ...credential('page') }];
        const [a, b] = await Promise.all([browsers[0][first].open(), browsers[1][second].open()]);
        const offer = await a.evaluate(begin, { iceServers });
        assert.ok(offer.candidates.length > 0, `no candidate: ${offer.errors}`);
        assert.ok(
          offer.candidates.every((line) => / typ relay /.test(line)),
          offer.candidates.join(),
        );
        const answer = await b.evaluate(begin, { iceServers, offer: offer.description });
        assert.ok(answer.candidates.length > 0, `no candidate: ${answer.errors}`);
        const answered = performance.now();
        await a.evaluate((description) => window.t.pc.setRemoteDescription(description), answer.description);
        await a.until(() => window.t.opened !== null);
        const connected = performance.now() - answered;
        await a.evaluate((count) => {
          for (let i = 0; i < count; i += 1) window.t.channel.send(`${i}:${'x'.repeat(i * 300)}`);
        }, ECHOES);
        await a.until(
          (count) =>
            window.t.echoes.length === count &&
            window.t.echoes.every((text, i) => text === `${i}:${'x'.repeat(i * 300)}`),
          ECHOES,
        );
        for (const page of [a, b]) {
          const { local, remote } = await page.evaluate(selected);
          assert.equal(`${local.candidateType}/${remote.candidateType}`, 'relay/relay');
          if (local.relayProtocol) assert.equal(local.relayProtocol, way.slice(0, 3).toLowerCase());
        }
        const times = [offer.ms, answer.ms, connected].map(Math.round);
        t.diagnostic(`${times[0]} and ${times[1]} ms to gather, ${times[2]} ms from answer to channel`);
        await Promise.all([a.close(), b.close()]);
      });
    }
  }
});
