/** A page's code as people write it; package.test.mjs has it checked by the TypeScript compiler. */
import { LumameshError, connect, type Net, type Peer } from '../../client/lumamesh.js';

export async function page(signal: AbortSignal): Promise<Net> {
  const net = await connect({ relays: ['lm1.x', 'https://example.org/relays.txt'], signal });
  net.on('status', (status, error) => console.log(status === 'open', error?.code));
  net.on('relays', ([first]) => console.log(first.port + 1));
  const room = await net.joinRoom('kitchen', { nick: 'Ada', secret: 's', maxPeers: 8, info: { hue: 3 } });
  const off: () => void = room.on('peer', (peer: Peer) => {
    peer.on('open', () => void peer.send({ hello: 'there' }));
    peer.on('data', (value) => console.log(peer.nick, value));
    peer.on('progress', ({ received, total }) => console.log(received / total));
    peer.on('stream', (stream) => console.log(stream.getTracks().length));
    peer.onrequest = async (value) => value;
  });
  off();
  room.on('data', (value, from) => console.log(value, from.nick));
  room.on('error', (error: LumameshError) => console.log(error.tried?.length, error.code === 'room-full'));
  const [peer] = room.peers;
  const sent: boolean = await peer.send(new Uint8Array(3), { progress: (done, all) => done / all, signal });
  peer.send('60 Hz', { reliable: false });
  const answer = await peer.request<number>({ q: 1 }, { timeout: 500 });
  const far: boolean = peer.state === 'far' && sent && answer > room.broadcast([1]);
  if (far) await peer.open();
  // @ts-expect-error: no such event
  room.on('peers', () => {});
  // @ts-expect-error: a path is direct or relay
  console.log(peer.path === 'tunnel');
  // @ts-expect-error: a relay is needed
  await connect({});
  return net;
}
