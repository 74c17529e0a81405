/**
 * Network namespaces of a relay and of machines around it that reach the relay and nothing else: what two
 * browsers behind strict NATs have of each other.
 *
 *     leaf 1                               hub                                leaf 2
 *     10.99.1.2 ---- 10.99.1.1 [ 10.99.0.1, 10.99.0.2 ] 10.99.2.1 ---- 10.99.2.2
 *     fd99:1::2 ---- fd99:1::1 [ fd99::1,   fd99::2   ] fd99:2::1 ---- fd99:2::2
 *
 * The hub does not forward. Its addresses are on its loopback device; the second ones are for peers of the
 * relay that are not the relay. Every leaf has a default route, without which Firefox finds no address, and
 * knows the hub as relay.test: `ip netns exec` shows /etc/netns/NAME/hosts as /etc/hosts. What is not
 * in there is asked of a resolver that refuses at once; Chromium waits 13 s for one that cannot be reached.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';

import { undoLater } from './cleanup.mjs';

/** For node:test's `skip`: false, or why tests that need namespaces cannot run. */
export const withoutNamespaces = (() => {
  const name = `lm-try-${process.pid}`;
  if (spawnSync('ip', ['netns', 'add', name]).status !== 0) return 'this user cannot make network namespaces';
  spawnSync('ip', ['netns', 'delete', name]);
  return false;
})();

const HOST = 'relay.test';
const ip = (...words) => execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });

/** A machine. */
export class Namespace {
  /**
   * @param {string} label the end of its name
   * @param {object} [members] what else it shall have: `ip`, `ip6`, …
   * @param {object} [options] forwards: whether it is a router
   */
  constructor(label, members, { forwards = false } = {}) {
    this.name = `lm-${process.pid}-${randomBytes(2).toString('hex')}-${label}`;
    Object.assign(this, members);
    const etc = `/etc/netns/${this.name}`;
    this.close = undoLater(() => {
      // What is left there when a run breaks off: a browser of an agent that was killed (agent.mjs).
      for (const pid of this.pids()) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          /* It has ended by itself. */
        }
      }
      spawnSync('ip', ['netns', 'delete', this.name]);
      rmSync(etc, { recursive: true, force: true });
      try {
        rmdirSync('/etc/netns'); // if it has become empty
      } catch {
        /* Others have files there. */
      }
    });
    mkdirSync(etc, { recursive: true });
    writeFileSync(`${etc}/hosts`, `127.0.0.1 localhost\n10.99.0.1 ${HOST}\n`);
    writeFileSync(`${etc}/resolv.conf`, 'nameserver 127.0.0.1\n');
    ip('netns', 'add', this.name);
    ip('-n', this.name, 'link', 'set', 'lo', 'up');
    const settings = {
      'ipv4/ip_forward': Number(forwards),
      'ipv6/conf/all/forwarding': Number(forwards),
      'ipv6/conf/default/accept_dad': 0, // Without it IPv6 is there at once, link-local addresses too.
    };
    for (const [path, value] of Object.entries(settings))
      this.run('sh', '-c', `echo ${value} >/proc/sys/net/${path}`);
  }

  pids() {
    const { stdout } = spawnSync('ip', ['netns', 'pids', this.name], { encoding: 'utf8' });
    return stdout.split('\n').filter(Boolean).map(Number);
  }

  /** The words of a command line that runs another one here: `ip netns exec`. */
  enter(...words) {
    return ['ip', 'netns', 'exec', this.name, ...words];
  }

  run(...words) {
    const [command, ...rest] = this.enter(...words);
    return execFileSync(command, rest, { encoding: 'utf8' });
  }

  /** Gives a device that is there its addresses, of either family or both, with their prefixes. */
  link(device, address, address6) {
    if (address) ip('-n', this.name, 'address', 'add', address, 'dev', device);
    if (address6) ip('-n', this.name, 'address', 'add', address6, 'dev', device, 'nodad');
    ip('-n', this.name, 'link', 'set', device, 'up');
  }

  /** Two devices, one here and one there, that are the ends of a cable. */
  cable(device, other, otherDevice) {
    ip('-n', this.name, 'link', 'add', device, 'type', 'veth', 'peer', otherDevice, 'netns', other.name);
  }

  /** The way to everywhere else. */
  gateway(address, address6) {
    if (address) ip('-n', this.name, 'route', 'add', 'default', 'via', address);
    if (address6) ip('-n', this.name, '-6', 'route', 'add', 'default', 'via', address6);
  }
}

/**
 * A hub and so many leaves.
 * @returns {{hub: Namespace, leaves: Namespace[], close: Function}} `ip`, `ip6` of a namespace are its
 *   addresses; the hub has `peer`, `peer6` too
 */
export function network(count = 0) {
  const own = { ip: '10.99.0.1', ip6: 'fd99::1', host: HOST };
  const hub = new Namespace('hub', { ...own, peer: '10.99.0.2', peer6: 'fd99::2' });
  hub.link('lo', `${hub.ip}/32`, `${hub.ip6}/128`);
  hub.link('lo', `${hub.peer}/32`, `${hub.peer6}/128`);
  const leaves = Array.from({ length: count }, (_, index) => {
    const n = index + 1;
    const leaf = new Namespace(`leaf${n}`, { ip: `10.99.${n}.2`, ip6: `fd99:${n}::2` });
    hub.cable(`leaf${n}`, leaf, 'eth0');
    hub.link(`leaf${n}`, `10.99.${n}.1/24`, `fd99:${n}::1/64`);
    leaf.link('eth0', `${leaf.ip}/24`, `${leaf.ip6}/64`);
    leaf.gateway(`10.99.${n}.1`, `fd99:${n}::1`);
    return leaf;
  });
  return { hub, leaves, close: () => [hub, ...leaves].forEach((namespace) => namespace.close()) };
}

/** A namespace beside this machine's own, which the machine itself reaches. */
export function neighbour() {
  const namespace = new Namespace('beside', { ip: '10.98.0.2', ip6: 'fd98::2' });
  const device = `lm${process.pid}`;
  ip('link', 'add', device, 'type', 'veth', 'peer', 'eth0', 'netns', namespace.name);
  ip('address', 'add', '10.98.0.1/24', 'dev', device);
  ip('address', 'add', 'fd98::1/64', 'dev', device, 'nodad');
  ip('link', 'set', device, 'up');
  namespace.link('eth0', `${namespace.ip}/24`, `${namespace.ip6}/64`);
  return namespace;
}
