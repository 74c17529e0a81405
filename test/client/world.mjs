/** Members of rooms in a FakeWorld, with a diary each, for the tests of whole rooms. */
import { connect } from '../../client/lumamesh.js';
import { FakeWorld, until } from './fake_relay.mjs';

/** Waiting times for tests: short, but long enough for a machine that is busy. */
export const FAST = {
  stagger: 30,
  open: 1500,
  request: 400,
  ping: 30,
  retry: 10,
  retryMax: 40,
  stable: 0,
  join: 3000,
  rejoin: 30,
  offer: 60,
  attempt: 300,
  attemptMax: 600,
  restart: 200,
  probe: 100,
  choose: 5,
  unlink: 50,
};

/**
 * Runs a test with a world of its own; whatever it connected is closed at the end, so that the process can
 * end.
 * @param {function({world: FakeWorld, relay: object, member: Function, join: Function}): Promise} body
 */
export async function inWorld(body, relayOptions) {
  const world = new FakeWorld();
  const relay = world.relay(relayOptions);
  const nets = [];

  async function online(options = {}) {
    const net = await connect({
      relays: [relay.config],
      RTCPeerConnection: world.RTCPeerConnection,
      timing: FAST,
      ...options,
    });
    nets.push(net);
    return net;
  }

  /** Enters a room and writes down what happens there: events such as `open Ada`, data by nick. */
  async function join(net, nick, { room: name = 'room', connect: _, ...options } = {}) {
    const diary = { nick, net, events: [], data: {}, errors: [] };
    const room = (diary.room = await net.joinRoom(name, { nick, ...options }));
    room.on('error', (error) => diary.errors.push(error.code));
    room.on('leave', (peer) => diary.events.push(`leave ${peer.nick}`));
    room.on('peer', (peer) => {
      diary.events.push(`peer ${peer.nick}`);
      diary.data[peer.nick] ??= [];
      peer.on('open', () => diary.events.push(`open ${peer.nick}`));
      peer.on('close', () => diary.events.push(`close ${peer.nick}`));
      peer.on('data', (value) => diary.data[peer.nick].push(value));
    });
    diary.peer = (other) => room.peers.find((peer) => peer.nick === other);
    diary.saw = (event) => until(() => diary.events.includes(event), 5000, `${nick}: ${event}`);
    return diary;
  }

  const member = async (nick, options = {}) => join(await online(options.connect), nick, options);

  try {
    await body({ world, relay, online, join, member });
  } finally {
    for (const net of nets) net.close();
  }
}

/**
 * Ada and Bob in one room with an open channel. Ada was there first; `smaller` says whose id is the smaller
 * one.
 */
export async function couple(member, options) {
  const ada = await member('Ada', options);
  const bob = await member('Bob', options);
  await Promise.all([ada.saw('open Bob'), bob.saw('open Ada')]);
  return {
    ada,
    bob,
    polite: ada.net.id < bob.net.id ? ada : bob,
    insistent: ada.net.id < bob.net.id ? bob : ada,
  };
}

/** Lets everything that is on its way arrive. */
export async function settle(turns = 50) {
  for (let i = 0; i < turns; i += 1)
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
}
