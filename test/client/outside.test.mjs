/** The library outside browsers, with WebRTC implementations for Node.js. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PAIR = fileURLToPath(new URL('outside_pair.mjs', import.meta.url));

/** In a process of its own, whose end does not count: @roamhq/wrtc crashes there. */
const run = (...args) =>
  new Promise((resolve) => {
    execFile(process.execPath, [PAIR, ...args], { timeout: 60_000 }, (error, stdout, stderr) => {
      assert.equal(stdout.trim(), 'done', stderr);
      resolve();
    });
  });

describe('outside browsers', () => {
  for (const [one, other] of [
    ['werift', 'werift'],
    ['@roamhq/wrtc', '@roamhq/wrtc'],
    ['werift', '@roamhq/wrtc'],
  ]) {
    test(`values between ${one} and ${other}`, () => run(one, other));

    // It throws where browsers roll back by themselves, and so the two never connect.
    const todo = one.startsWith('@') && '@roamhq/wrtc wants to be told to roll back';
    test(`offers that cross, between ${one} and ${other}`, { todo }, () => run(one, other, 'glare'));
  }

  test('an audio track over an open connection, between @roamhq/wrtc', () =>
    run('@roamhq/wrtc', '@roamhq/wrtc', 'media'));
});
