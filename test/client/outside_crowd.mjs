/**
 * Sixty peers outside browsers in one room, for outside.test.mjs: `node outside_crowd.mjs` says `done` when each
 * of them has heard every broadcast of every other one exactly once, and on stderr how long it took. Connections
 * between peers are real ones, made by @roamhq/wrtc over this machine's own addresses; the relay is the one in
 * memory. With so many connections in a process @roamhq/wrtc takes a number of file descriptors that grows with
 * their square (4,500 for 40, and a newcomer's first links are with the oldest members), so there are three peers
 * to a process, and they enter in turn.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import wrtc from '@roamhq/wrtc';

import { chooseLinks, connect } from '../../client/lumamesh.js';
import { FakeRelay } from './fake_relay.mjs';

const PROCESSES = 20;
const PEERS = 3; // of each
const LINKS = 8;
const ROUNDS = 2;
const PATIENCE = 60_000;
// Two cores that do the work of sixty machines are late for what takes each of them a moment.
const TIMING = { ping: 10_000, open: 30_000, request: 30_000, join: 60_000, offer: 8_000 };

/* --- the process with the relay --- */

async function lead() {
  const start = performance.now();
  const note = (what) => console.error(`${what} after ${((performance.now() - start) / 1000).toFixed(1)} s`);
  const relay = new FakeRelay();
  const children = Array.from({ length: PROCESSES }, () => {
    const child = fork(fileURLToPath(import.meta.url), ['follow'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const sessions = new Map();
    const tell = (message) => child.connected && child.send(message, () => {});
    child.on('message', ({ what, id, text }) => {
      if (what === 'open') {
        const send = (reply) => tell({ id, text: reply });
        sessions.set(id, relay.attach({ send, close: () => {} }));
      } else if (what === 'say') relay.receive(sessions.get(id), text);
    });
    return child;
  });
  /** Gives all of them a task; their answers. */
  const ask = (task, details) =>
    Promise.all(
      children.map((child) => {
        const answer = new Promise((resolve, reject) => {
          child.on('message', (message) => message.what === task && resolve(message.value));
          child.once('exit', (status) => reject(new Error(`a process has ended with ${status}`)));
        });
        child.send({ task, details });
        return answer;
      }),
    );
  try {
    const ids = (await ask('connect', { config: relay.config })).flat();
    assert.equal(new Set(ids).size, PROCESSES * PEERS);
    for (let i = 0; i < PEERS; i += 1) await ask('enter', i);
    note('all have entered');
    const sums = (await ask('link', { ids })).reduce((sum, each) => sum.map((value, i) => value + each[i]));
    note(`half of everybody’s links or more (${sums[0]} connections were made, ${sums[1]} links are missing)`);
    await ask('speak');
    const heard = (await ask('hear', { count: (ids.length - 1) * ROUNDS })).flat();
    note('all have heard all');
    for (const each of heard) assert.deepEqual(each, { times: [1], errors: [], malformed: 0 });
    console.log('done');
  } finally {
    // @roamhq/wrtc would crash at the end anyway.
    await Promise.all(children.map((child) => child.kill('SIGKILL') && once(child, 'exit')));
  }
}

/* --- those with the peers --- */

function follow() {
  const channels = [];
  let made = 0;
  /** A session with the relay is the only connection that is made without a configuration. */
  class RelayConnection {
    createDataChannel() {
      return (this.channel = { readyState: 'connecting' });
    }

    async createOffer() {
      return { type: 'offer', sdp: '' };
    }

    async setLocalDescription(offer) {
      this.localDescription = offer;
    }

    async setRemoteDescription() {
      const id = channels.push(this.channel) - 1;
      this.channel.send = (text) => process.send({ what: 'say', id, text });
      this.channel.readyState = 'open';
      process.send({ what: 'open', id });
      this.channel.onopen();
    }

    close() {}
  }
  class Connection {
    constructor(config) {
      if (!config) return new RelayConnection();
      made += 1;
      return new wrtc.RTCPeerConnection({ ...config, iceServers: [] });
    }
  }

  /** Waits, and does not hold up those who have work to do. */
  async function patient(condition, what) {
    const end = Date.now() + PATIENCE;
    while (!condition()) {
      if (Date.now() > end) throw new Error(`not within ${PATIENCE} ms: ${what()}`);
      await delay(100);
    }
  }

  const isOpen = ({ state }) => state === 'open';
  const nets = [];
  const members = [];
  const tasks = {
    async connect({ config }) {
      while (nets.length < PEERS) {
        nets.push(await connect({ relays: [config], RTCPeerConnection: Connection, timing: TIMING }));
      }
      return nets.map(({ id }) => id);
    },
    async enter(i) {
      const net = nets[i];
      const room = await net.joinRoom('crowd', { maxPeers: LINKS });
      const member = { net, room, heard: new Map(), errors: [] };
      members.push(member);
      room.on('data', (text, { id }) => {
        if (!text.startsWith(`${id} `)) member.errors.push('another origin');
        member.heard.set(text, (member.heard.get(text) ?? 0) + 1);
      });
      // Two attempts that failed are no end: more follow.
      room.on('error', ({ code }) => code === 'peer-unreachable' || member.errors.push(code));
    },
    async link({ ids }) {
      for (const member of members) {
        const others = ids.filter((id) => id !== member.net.id);
        member.wanted = chooseLinks(member.net.id, others, LINKS);
      }
      const missing = ({ room, wanted }) => room.peers.filter((peer) => wanted.has(peer.id) && !isOpen(peer)).length;
      // Some take another attempt, which may be half a minute away. Nobody depends on one of its links.
      const enough = () => members.every((member) => missing(member) <= LINKS / 2);
      await patient(enough, () => `${members.map(missing)} links missing`);
      return [made, members.reduce((sum, member) => sum + missing(member), 0)];
    },
    async speak() {
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const { net, room } of members) room.broadcast(`${net.id} ${round}`);
      }
    },
    async hear({ count }) {
      await patient(() => members.every(({ heard }) => heard.size >= count), () => (
        `${members.map(({ heard }) => `${heard.size} of ${count} broadcasts`)}`
      ));
      // What comes a second time is on its way by now: a ping goes after it on every channel (some end meanwhile).
      const pings = members.flatMap(({ room }) => room.peers.filter(isOpen).map((peer) => peer.ping()));
      await Promise.allSettled(pings);
      return members.map(({ heard, errors, net }) => ({
        times: [...new Set(heard.values())],
        errors,
        malformed: net.stats.malformed,
      }));
    },
  };
  process.on('message', async ({ task, details, id, text }) => {
    if (task) process.send({ what: task, value: (await tasks[task](details)) ?? null });
    else channels[id].onmessage?.({ data: text });
  });
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
}

if (process.argv[2] === 'follow') follow();
else lead().then(() => process.exit());
