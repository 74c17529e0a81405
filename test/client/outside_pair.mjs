/**
 * Two peers outside browsers, for outside.test.mjs: `node outside_pair.mjs <implementation> <implementation>`
 * says `done` when all went well. Connections between peers are made by real WebRTC implementations for
 * Node.js, over this machine's own addresses; the relay is the one in memory.
 */
import assert from 'node:assert/strict';

import * as werift from 'werift';
import wrtc from '@roamhq/wrtc';

import { connect } from '../../client/lumamesh.js';
import { FakeWorld, until } from './fake_relay.mjs';

const IMPLEMENTATIONS = {
  werift: werift.RTCPeerConnection,
  '@roamhq/wrtc': wrtc.RTCPeerConnection,
};

/** Sessions with the relay are the only connections that are made without a configuration. */
const mixed = (world, Real) =>
  class {
    constructor(config) {
      return config ? new Real({ ...config, iceServers: [] }) : new world.RTCPeerConnection();
    }
  };

/** Each is told that the other was there before: so both take themselves for the newcomer, and offer. */
const tamper = (message) =>
  message.action === 'peer-joined' ? { action: 'joined', room: message.room, peers: [message.peer] } : message;

async function meet(one, other, relayOptions) {
  const world = new FakeWorld();
  const relay = world.relay(relayOptions);
  const members = [];
  for (const [nick, Real] of Object.entries({ Ada: one, Bob: other })) {
    const net = await connect({ relays: [relay.config], RTCPeerConnection: mixed(world, Real) });
    const room = await net.joinRoom('room', { nick });
    const member = { net, room, data: [], errors: [] };
    room.on('data', (value) => member.data.push(value));
    room.on('error', (error) => member.errors.push(error));
    members.push(member);
  }
  const opened = () => members.every(({ room }) => room.peers.some(({ state }) => state === 'open'));
  await until(opened, 20_000, 'both are open');
  return members;
}

const bytes = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31) % 251);

async function values([ada, bob], slow) {
  const [peer] = ada.room.peers;
  bob.room.onrequest = (value) => value.map((x) => x * 2);
  peer.send({ text: 'Grüße' });
  await until(() => bob.data.length === 1);
  assert.deepEqual(bob.data, [{ text: 'Grüße' }]);
  assert.deepEqual(await peer.request([1, 2]), [2, 4]);
  assert.ok((await peer.ping()) > 0);
  const sent = bytes.subarray(0, slow ? 300_000 : bytes.length);
  await peer.send(sent);
  await until(() => bob.data.length === 2, 30_000, 'the bytes');
  assert.ok(bob.data[1] instanceof Uint8Array);
  assert.equal(Buffer.compare(bob.data[1], sent), 0);
  const unreliable = () => peer.send('fast', { reliable: false }) && bob.data.includes('fast');
  await until(unreliable, 5000, 'an unreliable one');
  await until(() => peer.path === 'direct', 5000, 'path');
  await bob.room.leave();
  await until(() => ada.room.peers.length === 0, 10_000, 'Bob has left');
}

async function media([ada, bob]) {
  const track = new wrtc.nonstandard.RTCAudioSource().createTrack();
  const stream = new wrtc.MediaStream([track]);
  const got = new Promise((resolve) => {
    bob.room.peers[0].on('stream', (...args) => resolve(args));
  });
  ada.room.peers[0].addStream(stream);
  const [theirs, heard] = await got;
  assert.equal(heard.kind, 'audio');
  assert.equal(theirs.id, stream.id);
  ada.room.peers[0].removeStream(stream);
  await until(() => theirs.getTracks().length === 0 || heard.muted, 10_000, 'the track has ended');
  bob.room.peers[0].send('still open');
  await until(() => ada.data.includes('still open'));
  track.stop();
}

const [, , one, other, what] = process.argv;
const members = await meet(IMPLEMENTATIONS[one], IMPLEMENTATIONS[other], what === 'glare' ? { tamper } : {});
await (what === 'media' ? media(members) : values(members, [one, other].includes('werift')));
for (const { net, errors } of members) {
  net.close();
  assert.deepEqual(errors, []);
}
console.log('done');
process.exit();
