/**
 * An internet with a relay and with homes of every kind, each home with one machine, all in namespaces:
 *
 *     relay --wire-- internet --wire-- (router of the provider --) (router --) machine
 *
 * The internet forwards everything. A wire takes half of the delay that is asked for (test/tools/wire.c
 * carries the frames, since not every kernel has netem): so any two machines, the relay among them, are
 * equally far from each other.
 *
 * Routers do what Linux routers do. `masquerade` keeps the source port while it is free, towards all
 * destinations: a mapping that does not depend on the endpoint, with a filter that lets in only what answers.
 * That is port-restricted. `fully-random` draws a port for each destination: symmetric. What comes unasked is
 * dropped before it counts as a connection, or it would take the port away from the machine behind, which
 * asks the same address next.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

import { forget, remember } from './cleanup.mjs';
import { Namespace, withoutNamespaces } from './network.mjs';

const WIRE = process.env.LM_WIRE;

/** For node:test's `skip`: false, or why there can be no such internet. */
export const withoutInternet = (() => {
  if (withoutNamespaces) return withoutNamespaces;
  if (spawnSync('nft', ['--version']).status !== 0) return 'there is no nft (package nftables)';
  return WIRE ? false : 'LM_WIRE does not name the program lumamesh-wire';
})();

/**
 * What stands between a machine and the internet: its address families there, its routers from the inside
 * out, and whether those let no UDP through but DNS. Where there is a router the machine has IPv4 alone.
 */
export const KINDS = {
  public: { families: [4, 6], routers: [] },
  restricted: { families: [4], routers: ['masquerade'] },
  symmetric: { families: [4], routers: ['masquerade fully-random'] },
  double: { families: [4], routers: ['masquerade', 'masquerade'] },
  ipv6: { families: [6], routers: [] },
  blocked: { families: [4], routers: ['masquerade'], withoutUdp: true },
};

/**
 * What a machine gives itself where nobody gives it an IPv4 address (RFC 3927); it leads nowhere. With no
 * IPv4 address at all Chromium 156 on Linux finds no candidate: it hides addresses behind names of mDNS, for
 * which IPv6 alone does not do.
 */
const UNROUTED = '169.254.1.2/16';

const rules = (nat, withoutUdp) => `
  table ip router {
    chain leave { type nat hook postrouting priority srcnat; oifname "wan" ${nat}; }
    chain input { type filter hook input priority filter; iifname "wan" drop; }
    chain forward {
      type filter hook forward priority filter;
      ${withoutUdp ? 'udp dport != 53 udp sport != 53 drop' : ''}
      iifname "wan" ct state new drop
    }
  }
`;

/** open() lays the wires, when everything that hangs on them is there. */
export class Internet {
  #machines = [];
  #wires = []; // words for lumamesh-wire
  #plugs = []; // what gives the ends of each their addresses
  #carrier = null;

  constructor() {
    this.core = this.#machine('internet', { forwards: true });
  }

  #machine(label, options) {
    const machine = new Namespace(label, {}, options);
    this.#machines.push(machine);
    return machine;
  }

  /** Plans a wire from a machine's device to the internet. The machine's addresses there. */
  #plan(machine, device, families) {
    const n = this.#wires.length + 1;
    const [theirs, own] = [1, 2].map((last) => ({
      ip: families.includes(4) ? `198.51.100.${4 * n + last}` : null,
      ip6: families.includes(6) ? `2001:db8:${n}::${last}` : null,
    }));
    this.#wires.push(`${this.core.name}:wire${n}:${machine.name}:${device}`);
    this.#plugs.push(() => {
      this.core.link(`wire${n}`, theirs.ip && `${theirs.ip}/30`, theirs.ip6 && `${theirs.ip6}/64`);
      machine.link(device, own.ip ? `${own.ip}/30` : UNROUTED, own.ip6 && `${own.ip6}/64`);
      machine.gateway(theirs.ip, theirs.ip6);
    });
    return own;
  }

  /**
   * The machine in a new home, or whatever else is on the internet.
   * @param {string} label at most 12 characters
   * @param {object} kind one of KINDS
   * @returns {Namespace} `ip` and `ip6` are its public addresses, where it has some; `loopback` is where its
   *   browsers are to have their pages from
   */
  machine(label, { families, routers, withoutUdp }) {
    const machine = this.#machine(label);
    let inner = machine;
    let device = 'eth0';
    routers.forEach((nat, i) => {
      const router = this.#machine(`${label}-${i}`, { forwards: true });
      const net = ['192.168.1', '100.64.0'][i]; // at home; the provider's
      router.cable('lan', inner, device);
      router.link('lan', `${net}.1/24`);
      inner.link(device, `${net}.2/24`);
      inner.gateway(`${net}.1`);
      const [command, ...words] = router.enter('nft', '-f', '-');
      execFileSync(command, words, { input: rules(nat, withoutUdp) });
      inner = router;
      device = 'wan';
    });
    const addresses = this.#plan(inner, device, families);
    machine.loopback = families.includes(4) ? '127.0.0.1' : '::1';
    return inner === machine ? Object.assign(machine, addresses) : machine;
  }

  /** @param {number} ms from any machine to any other, one way; an even number */
  async open(ms) {
    const words = [String(ms / 2), ...this.#wires];
    this.#carrier = spawn(WIRE, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    remember(this.#carrier.pid);
    const ended = once(this.#carrier, 'exit').then(([status]) => {
      throw new Error(`lumamesh-wire has ended with ${status}`);
    });
    ended.catch(() => {}); // At the end of the test it does.
    await Promise.race([once(this.#carrier.stdout, 'data'), ended]);
    for (const plug of this.#plugs) plug();
  }

  close() {
    if (this.#carrier) {
      this.#carrier.kill();
      forget(this.#carrier.pid);
    }
    for (const machine of this.#machines) machine.close();
  }
}
