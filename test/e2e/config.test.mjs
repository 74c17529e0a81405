/** The relay and the library agree on the relay's config, byte for byte. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { decodeRelayConfig, encodeRelayConfig } from '../../client/lumamesh.js';
import { startRelay, withoutRelay } from './lib/relay.mjs';

describe('the config of a relay', { skip: withoutRelay }, () => {
  const settings = {
    'as it is by default': {},
    'with every address': { PUBLIC_IP6: '2001:db8::7', PUBLIC_HOST: 'relay.example.org' },
    'with several addresses': { PUBLIC_IP6: '2001:db8::7,2001:DB8::8', PUBLIC_HOST: 'relay.example.org' },
    'with credentials of its own': { ICE_UFRAG: 'a+b/', ICE_PWD: 'A+/z'.repeat(8) },
  };
  for (const [what, environment] of Object.entries(settings)) {
    test(what, async () => {
      const relay = await startRelay(environment);
      assert.equal(encodeRelayConfig(relay.config), relay.blob);
      assert.deepEqual(decodeRelayConfig(relay.blob), relay.config);
      const served = await fetch(`${relay.health}/demo/relay.json`);
      assert.deepEqual(await served.json(), relay.config);
      await relay.stop();
    });
  }
});
