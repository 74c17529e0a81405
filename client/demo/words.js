/** What went wrong, in words, and what can be done about it. */

/** Errors that trying again does not help. */
export const HOPELESS = ['unsupported', 'no-webrtc', 'insecure-context', 'bad-config', 'bad-argument'];

const RELAY = {
  'no-webrtc': 'This browser has no WebRTC, or it is switched off. Try another browser.',
  'insecure-context':
    'This page came by plain http, where browsers have no cryptography. Open it by https, or from localhost.',
  unsupported: 'This browser is too old: it lacks Ed25519. A newer one will do.',
  'bad-config': 'This is no relay’s config. It is one word that begins with lm1.',
  'bad-signature': 'Who answers is not the relay of this config. Get a fresh link from whoever sent you this one.',
  'bad-welcome': 'Who answers is not the relay of this config. Get a fresh link from whoever sent you this one.',
  'shutting-down': 'The relay is being stopped.',
  'rate-limited': 'The relay finds that too many come from your network. Wait a minute.',
  version: 'The relay speaks another version. Reload the page.',
  replaced: 'This page’s identity is in use elsewhere. Reload the page.',
};

/** About relays: LumameshError of connect() or of a `status` event. */
export function relayTrouble(error) {
  const { code, tried, errors } = error;
  if (code === 'relay-unreachable') {
    return `The relay does not answer (tried ${tried.join(', ')}). Is it running? Does a firewall block these?`;
  }
  if (code === 'no-relay') return `None of ${errors.length} relays can be used. ${relayTrouble(errors[0])}`;
  if (code === 'relay-lost') return '';
  return RELAY[code] ?? error.message;
}

const ENTRY = {
  'room-full': 'This room is full. Take another one, or ask whoever runs the relay for a larger MAX_ROOM_SIZE.',
  'bad-argument': 'This name or room cannot be used: they may be too long together.',
  'too-many-rooms': 'The relay lets this page into no more rooms. Reload the page.',
  'rate-limited': 'The relay finds that too much comes from here. Wait a minute, then try again.',
  timeout: 'The relay does not answer. Try again in a moment.',
  'already-joined': 'This page is in that room already.',
};

/** About entering a room. */
export const entryTrouble = (error) => ENTRY[error.code] ?? `That did not work: ${error.message}`;

/** About a member, or about a room that the relay does not let us back into. */
export function roomTrouble(error, nameOf) {
  if (error.code === 'peer-unreachable') {
    return `No connection with ${nameOf(error.peer)} yet. Still trying.`
      + ' A relay with TURN helps where networks are strict.';
  }
  if (error.code === 'undecryptable') return 'Somebody is here whose messages cannot be read. Another version?';
  return `${entryTrouble(error)} Trying again…`;
}

const FILE = {
  'too-large': 'it is larger than the other browser takes',
  unreadable: 'it can no longer be read. Was it changed, moved or deleted?',
  closed: 'the connection broke',
  'not-open': 'there is no connection',
  'queue-full': 'too much is waiting to be sent',
};

/** About a file's way; goes behind a colon. */
export const fileTrouble = (code) => FILE[code] ?? 'the connection broke';
