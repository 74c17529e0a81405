/**
 * Relays with several addresses, in a network of their own: IPv6 alone, a first address that is dead, two
 * families in one room, and one session whatever way a browser comes.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';

import { DEADLINE } from './lib/browsers.mjs';
import { DEAD, IPV4, IPV6, inNamespace } from './lib/namespace.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';
import { exchange, happened } from './lib/rooms.mjs';
import { Stage } from './lib/stage.mjs';
import { BINDING_REQUEST, BINDING_SUCCESS, ICE_CONTROLLING, USERNAME, stunMessage } from './lib/stun.mjs';

const BROWSERS = ['chromium', 'firefox'];
const RUNS = 5;

/** Opens the relay a few times in a page; prints how long that took, and says where it was reached. */
async function open(stage, browser, config, what) {
  const page = await stage.browsers[browser].open(`${stage.pages.url}/`);
  const { times, remotes } = await page.evaluate(
    async ({ relays, runs, ms }) => {
      const { connect } = await import('/demo/lumamesh.js');
      const found = { times: [], remotes: [] };
      let pc;
      class Kept extends RTCPeerConnection {
        constructor(...options) {
          super(...options);
          pc ??= this; // the session with the relay: it comes first
        }
      }
      for (let i = 0; i < runs; i += 1) {
        pc = null;
        const start = performance.now();
        const net = await connect({ relays, RTCPeerConnection: Kept });
        found.times.push(performance.now() - start);
        let stats;
        let pairs;
        do {
          // Chromium keeps what it told last for a while.
          stats = [...(await pc.getStats()).values()];
          pairs = stats.filter(({ type, state }) => type === 'candidate-pair' && state === 'succeeded');
        } while (pairs.length === 0 && performance.now() - start < ms);
        found.remotes.push(
          pairs.map((pair) => stats.find(({ id }) => id === pair.remoteCandidateId).address),
        );
        net.close();
      }
      return found;
    },
    { relays: [config], runs: RUNS, ms: DEADLINE },
  );
  await page.close();
  times.sort((a, b) => a - b);
  const [min, median, max] = [times[0], times[RUNS >> 1], times[RUNS - 1]].map((ms) => `${ms.toFixed(1)} ms`);
  console.log(`${browser}, ${what}: ${RUNS} runs, median ${median}, min ${min}, max ${max}`);
  return remotes;
}

if (inNamespace(import.meta.url)) {
  describe('the addresses of a relay', { skip: withoutRelay }, () => {
    let stage;
    let relay;
    before(async () => {
      stage = await Stage.open(...BROWSERS);
    });
    after(() => stage?.close());
    afterEach(() => relay?.stop());

    const cases = {
      'IPv6 alone': { PUBLIC_IP: '-', PUBLIC_IP6: IPV6[0] },
      'a dead address before one that works': { PUBLIC_IP: `${DEAD.ip},${IPV4[1]}` },
      'a dead IPv4 address before IPv6': { PUBLIC_IP: DEAD.ip, PUBLIC_IP6: IPV6[1] },
      'dead ones of both families before IPv6': { PUBLIC_IP: DEAD.ip, PUBLIC_IP6: `${DEAD.ip6},${IPV6[1]}` },
      'four that work': { PUBLIC_IP: IPV4.join(), PUBLIC_IP6: IPV6.join() },
    };
    for (const [what, settings] of Object.entries(cases)) {
      test(what, async () => {
        const all = `${settings.PUBLIC_IP},${settings.PUBLIC_IP6 ?? ''}`.split(',');
        const alive = all.filter((address) => [...IPV4, ...IPV6].includes(address));
        relay = await startRelay({ ...settings, reach: alive[0] });
        for (const browser of BROWSERS) {
          const remotes = await open(stage, browser, relay.config, what);
          for (const found of remotes)
            assert.ok(found.length > 0 && found.every((address) => alive.includes(address)), String(found));
        }
        // However many addresses a browser tried at once, it was one client.
        const { handshakes, webrtc } = await (await fetch(`${relay.health}/statsz`)).json();
        assert.equal(handshakes.done, BROWSERS.length * RUNS);
        assert.equal(handshakes.failed, 0);
        assert.equal(webrtc.sessions_created, BROWSERS.length * RUNS);
      });
    }

    test('one client at four addresses is one session, answered from where it asked', async () => {
      relay = await startRelay({ PUBLIC_IP: IPV4.join(), PUBLIC_IP6: IPV6.join(), reach: IPV4[0] });
      const { port, pwd, ufrag } = relay.config;
      const tieBreaker = randomBytes(8);
      for (const address of [...IPV4, ...IPV6]) {
        const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
        const attributes = [
          [USERNAME, Buffer.from(`${ufrag}:abcd`)],
          [ICE_CONTROLLING, tieBreaker],
        ];
        socket.send(stunMessage(BINDING_REQUEST, randomBytes(12), attributes, pwd), port, address);
        const [answer, from] = await once(socket, 'message', { signal: AbortSignal.timeout(DEADLINE) });
        socket.close();
        assert.equal(answer.readUInt16BE(0), BINDING_SUCCESS);
        assert.deepEqual([from.address, from.port], [address, port]);
      }
      const { webrtc } = await (await fetch(`${relay.health}/statsz`)).json();
      assert.equal(webrtc.sessions_created, 1);
    });

    test('the status page shows all addresses', async () => {
      relay = await startRelay({ PUBLIC_IP: IPV4.join(), PUBLIC_IP6: IPV6.join(), reach: IPV4[0] });
      const page = await stage.browsers.chromium.open(`${relay.health}/`);
      const places = [IPV4[0], `[${IPV6[0]}]`, IPV4[1], `[${IPV6[1]}]`];
      const shown = `${places.map((place) => `${place}:${relay.config.port}`).join(', ')} (UDP and TCP)`;
      await page.until((text) => document.getElementById('address').textContent === text, shown);
      await page.close();
    });

    test('one room over two families', async () => {
      relay = await startRelay({ PUBLIC_IP: IPV4[0], PUBLIC_IP6: IPV6[0], reach: IPV4[0] });
      const { ip, ip6, ...rest } = relay.config;
      const room = 'two families';
      const a = await stage.member('chromium', { relays: [{ ...rest, ip }], room, nick: 'Ada' });
      const b = await stage.member('firefox', { relays: [{ ...rest, ip6 }], room, nick: 'Bob' });
      await Promise.all([happened(a.page, 'open Bob'), happened(b.page, 'open Ada')]);
      await exchange(a, b, 20, 'families');
      await Promise.all([a.page.close(), b.page.close()]);
    });
  });
}
