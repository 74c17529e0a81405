/**
 * A mesh of real relays, each in a network namespace of its own behind the hub, which forwards. The fourth is
 * behind a NAT: nobody opens a TCP connection to it, so it only dials.
 *
 *     relay 1 ── 10.99.1.2 ─┐         ┌─ 10.99.4.2 ── NAT ── relay 4
 *     relay 2 ── 10.99.2.2 ─┼── hub ──┤
 *     relay 3 ── 10.99.3.2 ─┘         ├─ 10.99.5.2    browsers
 *                                     └─ 10.99.6.2
 *
 * What members hear is read from sessions of the library whose rooms are diaries; all of them are in one page,
 * so that their times are of one clock.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';

import { startBrowserIn } from './lib/agent.mjs';
import { network, withoutNamespaces } from './lib/network.mjs';
import { startRelay, withoutRelay } from './lib/relay.mjs';
import { enter, exchange, happened } from './lib/rooms.mjs';

const PORT = 7402;
const roomId = (name) => createHash('sha256').update(name).digest('hex');

/** In a page: members whose rooms write down what the relay says. */
async function begin() {
  const { connect } = await import('/demo/lumamesh.js');
  window.m = {
    async join({ name, relays, links = 1, room }) {
      const net = await connect({ relays, links, storage: null });
      while (net._links.size < links) await new Promise((resolve) => setTimeout(resolve, 20));
      const log = [];
      const enter = (link) => link._request({ action: 'join', room, info: name });
      const diary = { id: room, _message: (m) => log.push({ ...m, at: Date.now() }), _enter: enter };
      for (const other of ['_lost', '_wake', '_refused', '_end']) diary[other] = () => {};
      net._rooms.set(room, diary);
      const at = Date.now();
      window.m[name] = { net, log, room, id: net.id };
      const [link] = net._links;
      Object.assign(window.m[name], { send: (m) => link._send(m), ask: (m) => link._request(m) });
      await Promise.all([...net._links].map(enter));
      return { id: net.id, at };
    },
  };
}

describe('a mesh', { skip: withoutNamespaces || withoutRelay, timeout: 240_000 }, () => {
  let net;
  let relays = [];
  let browsers = [];
  let page;

  const settings = (n) => ({
    MESH_SALT: 'a salt of the tests, long enough',
    MESH_PEERS: [1, 2, 3].filter((m) => m !== n).map((m) => `10.99.${m}.2:${PORT}`).join(','),
    ...(n === 4 ? {} : { MESH_LISTEN: `0.0.0.0:${PORT}` }),
    LOG_LEVEL: 'debug',
  });

  /** /statsz of relay n. */
  const stats = (n) => {
    const code = `fetch('${relays[n - 1].health}/statsz').then((r) => r.text()).then(console.log)`;
    return JSON.parse(net.leaves[n - 1].run(process.execPath, '-e', code));
  };

  /** Waits until every relay speaks with so many others. */
  async function meshed(others, which = [1, 2, 3, 4], ms = 15_000) {
    const deadline = Date.now() + ms;
    for (;;) {
      const found = which.map((n) => stats(n).mesh.conversations);
      if (found.every((count) => count === others)) return;
      assert.ok(Date.now() < deadline, `conversations: ${found}`);
      await wait(100);
    }
  }

  const join = (name, n, room) =>
    page.evaluate((options) => window.m.join(options), { name, relays: [relays[n - 1].config], room: roomId(room) });

  /** Waits until the member has heard it, and gives the time at which it did. */
  async function heard(name, action, id, ms) {
    await page.until(
      ([who, what, whom]) =>
        window.m[who].log.some((m) => m.action === what && (m.id ?? m.peer?.id ?? m.from) === whom),
      [name, action, id],
      ms,
    );
    return page.evaluate(
      ([who, what, whom]) =>
        window.m[who].log.findLast((m) => m.action === what && (m.id ?? m.peer?.id ?? m.from) === whom).at,
      [name, action, id],
    );
  }

  const forget = () =>
    page.evaluate(() => {
      for (const member of Object.values(window.m)) member.log?.splice(0);
    });

  const leave = (...names) =>
    page.evaluate((all) => {
      for (const name of all) {
        window.m[name]?.net.close();
        delete window.m[name];
      }
    }, names);

  before(async () => {
    net = network(6);
    net.hub.run('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward');
    net.hub.run(
      'nft',
      [
        'add table ip mesh',
        'add chain ip mesh nat { type nat hook postrouting priority 100 ; }',
        'add rule ip mesh nat ip protocol tcp ip saddr 10.99.4.2 masquerade',
        'add chain ip mesh guard { type filter hook forward priority 0 ; }',
        'add rule ip mesh guard ip protocol tcp ip daddr 10.99.4.2 ct state new drop',
        'add chain ip mesh cut { type filter hook forward priority 1 ; }',
      ].join('\n'),
    );
    relays = await Promise.all([1, 2, 3, 4].map((n) => startRelay(settings(n), net.leaves[n - 1])));
    browsers = await Promise.all([
      startBrowserIn(net.leaves[4], 'chromium'),
      startBrowserIn(net.leaves[5], 'firefox'),
    ]);
    page = await browsers[0].open();
    await page.evaluate(begin);
    await meshed(3);
  });
  after(async () => {
    await Promise.all(browsers.map((browser) => browser.close()));
    await Promise.all(relays.map((relay) => relay.stop()));
    net?.close();
  });

  test('every relay knows all four, and names them to browsers', async () => {
    await join('lone', 4, 'nodes');
    const { nodes } = await page.evaluate(() => window.m.lone.ask({ action: 'nodes' }));
    const found = nodes.map(({ record }) => JSON.parse(record));
    assert.deepEqual(found.map(({ nk }) => nk).sort(), relays.map(({ config }) => config.nk).sort());
    const meshes = Object.fromEntries(found.map(({ nk, mesh }) => [nk, mesh]));
    assert.equal(meshes[relays[0].config.nk], `10.99.1.2:${PORT}`);
    assert.equal(meshes[relays[3].config.nk], undefined, 'the one behind the NAT names no address');
    const turn = await page.evaluate(() =>
      window.m.lone.ask({ action: 'turn', room: window.m.lone.room }),
    );
    const hosts = new Set(turn.urls.map((url) => url.split(':')[1]));
    assert.equal(hosts.size, 2, `${turn.urls}`);
    await leave('lone');
  });

  test('a join is seen at the other relays within a second', async (t) => {
    await join('one', 1, 'joins');
    await join('two', 2, 'joins');
    await heard('one', 'peer-joined', await page.evaluate(() => window.m.two.id));
    await join('four', 4, 'joins');
    await wait(3000); // every relay's room has settled
    const times = [];
    for (let i = 0; i < 5; i += 1) {
      const { id, at } = await join(`late${i}`, 1 + (i % 2), 'joins');
      for (const name of ['one', 'two', 'four']) times.push((await heard(name, 'peer-joined', id)) - at);
    }
    t.diagnostic(`${times} ms`);
    assert.ok(Math.max(...times) <= 1000);
    await leave('one', 'two', 'four', ...[0, 1, 2, 3, 4].map((i) => `late${i}`));
  });

  test('pages at different relays talk, directly', async (t) => {
    const [a, b] = await Promise.all(browsers.map((browser) => browser.open()));
    await enter(a, { relays: [relays[0].config], room: 'talk', nick: 'Ada' });
    await wait(3000);
    const began = performance.now();
    await enter(b, { relays: [relays[1].config], room: 'talk', nick: 'Bob' });
    await Promise.all([happened(a, 'open Bob'), happened(b, 'open Ada')]);
    t.diagnostic(`${Math.round(performance.now() - began)} ms from connecting to channel`);
    await exchange({ page: a, nick: 'Ada' }, { page: b, nick: 'Bob' }, 100, 'over the mesh');
    assert.equal(await a.evaluate(() => window.t.room.peers[0].path), 'direct');
    assert.equal(await b.evaluate(() => window.t.room.peers[0].path), 'direct');
    await Promise.all([a.close(), b.close()]);
  });

  test('signals are neither lost nor doubled nor reordered while another relay comes and goes', async () => {
    const COUNT = 300;
    const one = await join('one', 1, 'signals');
    const four = await join('four', 4, 'signals');
    await heard('one', 'peer-joined', four.id);
    await heard('four', 'peer-joined', one.id);
    const send = page.evaluate(
      async ([to, back, count]) => {
        const { one: first, four: second } = window.m;
        for (let i = 0; i < count; i += 1) {
          first.send({ action: 'signal', room: first.room, to, data: String(i) });
          second.send({ action: 'signal', room: second.room, to: back, data: String(i) });
          await new Promise((resolve) => setTimeout(resolve, 30));
        }
      },
      [four.id, one.id, COUNT],
    );
    for (let i = 0; i < 2; i += 1) {
      await wait(1000);
      await relays[2].kill();
      await wait(1500);
      await relays[2].start();
    }
    await send;
    for (const name of ['one', 'four']) {
      const got = () =>
        page.evaluate(
          (who) => window.m[who].log.filter(({ action }) => action === 'signal').map(({ data }) => Number(data)),
          name,
        );
      const deadline = Date.now() + 5000;
      while ((await got()).length < COUNT && Date.now() < deadline) await wait(100);
      assert.deepEqual(await got(), Array.from({ length: COUNT }, (_, i) => i), name);
    }
    await leave('one', 'four');
    await meshed(3);
  });

  test('a browser with sessions at two relays is one member, and one of them is enough', async () => {
    const COUNT = 60;
    const other = await browsers[1].open();
    await other.evaluate(begin);
    const { id } = await other.evaluate((options) => window.m.join(options), {
      name: 'both',
      relays: relays.map(({ config }) => config),
      links: 2,
      room: roomId('both'),
    });
    const its = await other.evaluate(() => [...window.m.both.net._links].map((link) => link._config.nk));
    const [dead, ...rest] = [...its, ...relays.map(({ config }) => config.nk)]
      .filter((nk, i, all) => all.indexOf(nk) === i)
      .map((nk) => relays.findIndex(({ config }) => config.nk === nk) + 1);
    // One at the relay of each of its sessions, one at a third.
    const watchers = { first: dead, second: rest[0], third: rest[1] };
    for (const [name, n] of Object.entries(watchers)) await join(name, n, 'both');
    await heard('third', 'peer-joined', id);
    // Its way to the first relay is cut, which that takes time to notice.
    net.hub.run('nft', `add rule ip mesh cut ip saddr 10.99.6.2 ip daddr 10.99.${dead}.2 drop
      add rule ip mesh cut ip saddr 10.99.${dead}.2 ip daddr 10.99.6.2 drop`);
    await page.evaluate(
      async ([names, to, count]) => {
        for (let i = 0; i < count; i += 1) {
          for (const name of names) {
            const { send, room } = window.m[name];
            send({ action: 'signal', room, to, data: `${name} ${i}` });
          }
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      },
      [Object.keys(watchers), id, COUNT],
    );
    await wait(500);
    const signals = await other.evaluate(() =>
      window.m.both.log.filter(({ action }) => action === 'signal').map(({ data }) => data),
    );
    for (const name of Object.keys(watchers)) {
      const distinct = [...new Set(signals.filter((data) => data.startsWith(name)))];
      assert.deepEqual(distinct, Array.from({ length: COUNT }, (_, i) => `${name} ${i}`));
    }
    const news = await page.evaluate(
      ([names, whom]) => {
        const isOf = (m) => (m.id ?? m.peer?.id) === whom || m.peers?.some((peer) => peer.id === whom);
        return names.map((name) =>
          window.m[name].log.filter(isOf).map(({ action }) => action.replace('peer-', '')).join(),
        );
      },
      [Object.keys(watchers), id],
    );
    net.hub.run('nft', 'flush chain ip mesh cut');
    assert.deepEqual(news, ['joined', 'joined', 'joined']);
    await leave(...Object.keys(watchers));
    await other.close();
  });

  test('a relay that is killed takes its members with it within a second', async (t) => {
    const { id } = await join('two', 2, 'killed');
    await join('one', 1, 'killed');
    await join('four', 4, 'killed');
    for (const name of ['one', 'four']) await heard(name, 'peer-joined', id);
    await forget();
    const began = Date.now();
    await relays[1].kill();
    const times = [];
    for (const name of ['one', 'four']) times.push((await heard(name, 'peer-left', id)) - began);
    t.diagnostic(`${times} ms`);
    assert.ok(Math.max(...times) <= 1000);
    await leave('one', 'two', 'four');
    await relays[1].start();
    await meshed(3);
  });

  test('one whose packets just stop, within 20 s, and when they go on its members return', async (t) => {
    const { id } = await join('two', 2, 'silent');
    const one = await join('one', 1, 'silent');
    await join('three', 3, 'silent');
    for (const name of ['one', 'three']) await heard(name, 'peer-joined', id);
    await heard('two', 'peer-joined', one.id);
    await forget();
    // Relay 2 is cut off from the other relays; the page still reaches it, so nobody's session ends.
    net.hub.run('nft', `add rule ip mesh cut ip protocol tcp ip saddr 10.99.2.2 drop
      add rule ip mesh cut ip protocol tcp ip daddr 10.99.2.2 drop`);
    let began = Date.now();
    const gone = [];
    for (const name of ['one', 'three']) gone.push((await heard(name, 'peer-left', id, 25_000)) - began);
    gone.push((await heard('two', 'peer-left', one.id, 25_000)) - began);
    t.diagnostic(`gone after ${gone} ms`);
    assert.ok(Math.max(...gone) <= 20_000);
    await wait(20_000); // both sides have had time to back off
    await forget();
    net.hub.run('nft', 'flush chain ip mesh cut');
    began = Date.now();
    const back = [];
    for (const name of ['one', 'three']) back.push((await heard(name, 'peer-joined', id, 15_000)) - began);
    back.push((await heard('two', 'peer-joined', one.id, 15_000)) - began);
    t.diagnostic(`back after ${back} ms`);
    assert.ok(Math.max(...back) <= 10_000);
    await leave('one', 'two', 'three');
  });

  test('two halves that were parted agree within 10 s, on what happened in both', async (t) => {
    /** Who is there by what the member was told; it is never told the same twice. */
    const sees = async (name) => {
      const log = await page.evaluate((who) => window.m[who].log, name);
      const there = new Set();
      for (const { action, peers, peer, id } of log) {
        if (action === 'joined') for (const one of peers) there.add(one.id);
        if (action === 'peer-joined') {
          assert.ok(!there.has(peer.id), `${name}: ${peer.info} joined twice`);
          there.add(peer.id);
        } else if (action === 'peer-left') assert.ok(there.delete(id), `${name}: ${id} left twice`);
      }
      return there;
    };
    const ids = {};
    const enters = async (name, n) => { ids[name] = (await join(name, n, 'halves')).id; };
    /** Waits until each of them sees all the others, and nobody else. */
    const agreed = async (ms, ...groups) => {
      const deadline = Date.now() + ms;
      const wrong = async (name, group) => {
        const there = await sees(name);
        return there.size !== group.length - 1 || group.some((other) => other !== name && !there.has(ids[other]));
      };
      for (const group of groups)
        for (const name of group)
          while (await wrong(name, group)) {
            assert.ok(Date.now() < deadline, `${name} sees ${[...(await sees(name))]} of ${JSON.stringify(ids)}`);
            await wait(50);
          }
    };
    for (const n of [1, 2, 3, 4]) await enters(`at${n}`, n);
    await agreed(5000, ['at1', 'at2', 'at3', 'at4']);
    // Resets, so that both halves know at once; that packets just stop is another test's.
    net.hub.run('nft', `add set ip mesh left { type ipv4_addr ; elements = { 10.99.1.2, 10.99.2.2 } ; }
      add set ip mesh right { type ipv4_addr ; elements = { 10.99.3.2, 10.99.4.2 } ; }
      add rule ip mesh cut ip protocol tcp ip saddr @left ip daddr @right reject with tcp reset
      add rule ip mesh cut ip protocol tcp ip saddr @right ip daddr @left reject with tcp reset`);
    await agreed(10_000, ['at1', 'at2'], ['at3', 'at4']);
    await Promise.all([enters('left', 1), enters('right', 3)]);
    await leave('at2', 'at4');
    await agreed(5000, ['at1', 'left'], ['at3', 'right']);
    await wait(5000); // both halves have backed off
    net.hub.run('nft', 'flush chain ip mesh cut');
    const began = Date.now();
    await agreed(10_000, ['at1', 'left', 'at3', 'right']);
    t.diagnostic(`${Date.now() - began} ms`);
    await leave('at1', 'left', 'at3', 'right');
    await meshed(3);
  });

  test('two that cannot dial each other work through a common neighbour', async () => {
    // Relay 3 does not listen any more, either, and both know relay 1 alone.
    await Promise.all([relays[2].stop(), relays[3].stop()]);
    const { MESH_LISTEN, ...only } = { ...settings(3), MESH_PEERS: `10.99.1.2:${PORT}` };
    const pair = await Promise.all([2, 3].map((i) => startRelay(only, net.leaves[i])));
    const before = [relays[2], relays[3]];
    [relays[2], relays[3]] = pair;
    try {
      await meshed(3);
      const link = (n, m) => stats(n).mesh.linkList.some(({ node }) => node === relays[m - 1].config.nk);
      assert.ok(link(3, 1) && link(4, 1) && !link(3, 4) && !link(4, 3));
      const three = await join('three', 3, 'via');
      const four = await join('four', 4, 'via');
      await heard('three', 'peer-joined', four.id);
      await heard('four', 'peer-joined', three.id);
      for (const [from, to] of [
        ['three', four.id],
        ['four', three.id],
      ])
        await page.evaluate(
          ([who, whom]) => {
            const { send, room } = window.m[who];
            for (let i = 0; i < 100; i += 1)
              send({ action: 'signal', room, to: whom, data: String(i) });
          },
          [from, to],
        );
      for (const name of ['three', 'four']) {
        await page.until(
          (who) => window.m[who].log.filter(({ action }) => action === 'signal').length >= 100,
          name,
        );
        const got = await page.evaluate(
          (who) => window.m[who].log.filter(({ action }) => action === 'signal').map(({ data }) => Number(data)),
          name,
        );
        assert.deepEqual(got, Array.from({ length: 100 }, (_, i) => i), name);
      }
      await leave('three', 'four');
    } finally {
      await Promise.all(pair.map((relay) => relay.stop()));
      [relays[2], relays[3]] = before;
      await Promise.all(before.map((relay) => relay.start()));
    }
    await meshed(3);
  });

  test('another salt elsewhere is said in the log, in /statsz and by status', async () => {
    await relays[2].stop();
    const stranger = await startRelay({ ...settings(3), MESH_SALT: 'another salt, by mistake' }, net.leaves[2]);
    try {
      const deadline = Date.now() + 10_000;
      while (!stranger.said().includes('MESH_SALT differs?')) {
        assert.ok(Date.now() < deadline, stranger.said());
        await wait(100);
      }
      const deadlineOther = Date.now() + 10_000;
      while (stats(1).drops.mesh.salt === 0) {
        assert.ok(Date.now() < deadlineOther);
        await wait(100);
      }
      const [command, ...words] = [process.env.LM_RELAY, 'status', '--health', relays[0].health.slice(7)];
      assert.match(net.leaves[0].run(command, ...words), /MESH_SALT differs\?/);
    } finally {
      await stranger.stop();
      await relays[2].start();
    }
  });
});
