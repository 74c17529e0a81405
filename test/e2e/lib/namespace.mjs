/**
 * A network of its own for a test file: one interface with IPv4 and IPv6 addresses, default routes by it, and
 * behind them nothing at all. Whatever is sent to other addresses vanishes without a word, as on a real network.
 *
 *     127.0.0.1, ::1            lo
 *     10.99.0.1/24              near ── far     10.99.0.2 and fd99::2, the gateways, have a neighbour entry
 *     10.99.0.3/24                              and answer nothing
 *     fd99::1/64, fd99::3/64
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { forget, remember } from './cleanup.mjs';

export const IPV4 = ['10.99.0.1', '10.99.0.3'];
export const IPV6 = ['fd99::1', 'fd99::3'];
/** Addresses that nobody answers at. */
export const DEAD = { ip: '198.51.100.1', ip6: '2001:db8::1' };

const LIMIT = 180_000; // milliseconds for the second run
const INSIDE = 'LM_TEST_NAMESPACE';
const UNSHARE = ['--user', '--map-root-user', '--net', '--'];
const SETUP = `
  set -e
  ip link set lo up
  ip link add near type veth peer name far
  ip link set far up
  ip link set near up multicast on
  ip addr add 10.99.0.1/24 dev near
  ip addr add 10.99.0.3/24 dev near
  ip -6 addr add fd99::1/64 dev near nodad
  ip -6 addr add fd99::3/64 dev near nodad
  ip neigh add 10.99.0.2 lladdr 02:00:00:00:00:02 dev near
  ip -6 neigh add fd99::2 lladdr 02:00:00:00:00:02 dev near
  ip route add default via 10.99.0.2 dev near
  ip -6 route add default via fd99::2 dev near
`;

/**
 * Runs the test file (its import.meta.url) again in such a network. True in that second run, where the tests are
 * to be defined; in the first there is one test, which is the second run, or skipped where there are no
 * namespaces.
 */
export function inNamespace(url) {
  if (process.env[INSIDE]) return true;
  const probe = spawnSync('unshare', [...UNSHARE, 'sh', '-c', SETUP], { encoding: 'utf8' });
  const skip = probe.status === 0 ? false : `no network namespace: ${probe.error ?? probe.stderr.trim()}`;
  test('in a network namespace', { skip, timeout: LIMIT }, async (t) => {
    const { NODE_TEST_CONTEXT, ...env } = process.env; // The second run is no part of this one.
    const node = [process.execPath, '--test-reporter=tap', fileURLToPath(url)];
    const child = spawn('unshare', [...UNSHARE, 'sh', '-c', `${SETUP}\nexec "$@"`, 'sh', ...node], {
      env: { ...env, [INSIDE]: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    remember(child.pid);
    t.signal.addEventListener('abort', () => child.kill());
    let tap = '';
    child.stdout.on('data', (data) => {
      tap += data;
    });
    const [status] = await once(child, 'close');
    forget(child.pid);
    for (const line of tap.split('\n')) t.diagnostic(line);
    if (status !== 0) throw new Error(`the tests in the namespace failed:\n${tap}`);
  });
  return false;
}
