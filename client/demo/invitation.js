/**
 * A room's address, which is all in the hash, so that no server ever sees it:
 *
 *     #<room>                              a room of the relays that the page knows
 *     #<room>&secret=<secret>              one with a secret
 *     #<room>&relay=lm1.…&relay=lm1.…      at relays that the page need not know
 */

/** @returns {{room: string, secret: string, relays: string[]}} */
export function readInvitation(hash = location.hash) {
  const [room, ...rest] = hash.slice(1).split('&');
  const more = new URLSearchParams(rest.join('&'));
  let name = '';
  try {
    name = decodeURIComponent(room);
  } catch {
    /* Not one of ours. */
  }
  const relays = more.getAll('relay').filter((blob) => /^lm1\.[\w-]{1,4092}$/.test(blob));
  return { room: name, secret: more.get('secret') ?? '', relays: relays.slice(0, 8) };
}

export function writeInvitation({ room, secret = '', relays = [] }) {
  const parts = [encodeURIComponent(room)];
  if (secret) parts.push(`secret=${encodeURIComponent(secret)}`);
  for (const blob of relays) parts.push(`relay=${blob}`);
  return `#${parts.join('&')}`;
}

export function makeSecret() {
  const letters = 'abcdefghijkmnpqrstuvwxyz23456789'; // 32 of them, none like another
  return Array.from(crypto.getRandomValues(new Uint8Array(20)), (byte) => letters[byte % 32]).join('');
}
