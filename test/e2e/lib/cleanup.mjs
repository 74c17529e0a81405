/**
 * What a test run has made and must not leave behind, whatever way it ends: processes, by their pid, whatever
 * else knows how to be undone, and one directory for everything temporary. Browsers get it as TMPDIR and
 * HOME, so their profiles and caches lie in it too.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const temporary = mkdtempSync(join(tmpdir(), 'lumamesh-e2e-'));
process.env.TMPDIR = temporary;
process.env.HOME = temporary;

const alive = new Map(); // pid → whether it leads a process group
const undoings = new Set();

export function remember(pid, { group = false } = {}) {
  alive.set(pid, group);
}

export function forget(pid) {
  alive.delete(pid);
}

/**
 * To be done when the run ends, if not before.
 * @param {Function} undo must be synchronous
 * @returns {Function} does it, the first time that it is called
 */
export function undoLater(undo) {
  const once = () => {
    if (undoings.delete(once)) undo();
  };
  undoings.add(once);
  return once;
}

function sweep() {
  for (const [pid, group] of alive) {
    try {
      process.kill(group ? -pid : pid, 'SIGKILL');
    } catch {
      /* It has ended by itself. */
    }
  }
  for (const undo of [...undoings].reverse()) undo();
  // A browser that was killed this instant may still write; the directory is tried again then.
  rmSync(temporary, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

process.on('exit', sweep);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
