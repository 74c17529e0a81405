/**
 * The guide for operators names what there is: every alert, settings of the table, metrics and drops of the daemon. And links
 * between pages lead somewhere.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { parse } from 'yaml';

const ROOT = new URL('../../', import.meta.url);
const read = (path) => readFileSync(new URL(path, ROOT), 'utf8');
const list = (folder, ending) =>
  readdirSync(new URL(folder, ROOT))
    .filter((name) => name.endsWith(ending))
    .map((name) => folder + name);

const guide = read('docs/operators.md');
const code = [...guide.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text);
const alerts = list('packaging/prometheus/', '.yml').flatMap((path) =>
  parse(read(path)).groups.flatMap(({ rules }) => rules.flatMap(({ alert }) => alert ?? [])),
);

/** A heading's name in links, as GitHub and others make it. */
const slug = (heading) =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
const prose = (page) => page.replace(/^( *)```[\s\S]*?^\1```$/gm, '');
const headings = (page) => [...prose(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => slug(heading));
/** Links of a page that lead nowhere. */
const broken = (path, page = read(path)) =>
  [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const to = new URL(target, new URL(path, ROOT));
      const file = new URL(to.pathname, ROOT);
      if (!existsSync(file)) return true;
      return to.hash !== '' && !headings(readFileSync(file, 'utf8')).includes(decodeURIComponent(to.hash.slice(1)));
    });

describe('the guide for operators', () => {
  test('has a section for each alert, and for no other', () => {
    const sections = [...guide.matchAll(/^### (Lumamesh\w+)$/gm)].map(([, name]) => name);
    assert.ok(alerts.length > 10);
    assert.deepEqual(sections, alerts, 'in the order of the rules');
  });

  test('each says what it means, where to look and what to do', () => {
    for (const section of guide.split(/^#{2,3} /m).filter((text) => text.startsWith('Lumamesh'))) {
      const [name] = section.split('\n');
      assert.ok(/\*Look:\*[\s\S]*\*Do:\*/.test(section) || name === 'LumameshMeshDrops', name);
    }
  });

  test('names settings that exist', () => {
    const known = new Set([...read('docs/options.md').matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(([, name]) => name));
    const lines = [...guide.matchAll(/^ {4}([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name);
    const named = [...code.flatMap((text) => /^([A-Z][A-Z0-9_]{2,})(=.*)?$/.exec(text)?.[1] ?? []), ...lines];
    assert.ok(new Set(named).size > 20);
    for (const name of named) assert.ok(known.has(name), name);
  });

  test('names metrics, drops and reasons that exist', () => {
    const metrics = read('test/data/report/metrics.txt');
    const reasons = new Set([...metrics.matchAll(/reason="([^"]+)"/g)].map(([, reason]) => reason));
    const named = code.filter((text) => /^[a-z]+_[a-z_]+$/.test(text));
    assert.ok(named.length > 20);
    for (const name of named) {
      if (name.startsWith('lumamesh_')) assert.match(metrics, new RegExp(`^# TYPE ${name} `, 'm'));
      else assert.ok(reasons.has(name), name);
    }
  });
});

describe('links between pages', () => {
  for (const path of ['README.md', 'client/README.md', ...list('docs/', '.md'), 'packaging/container/README.md', 'packaging/kubernetes/README.md'])
    test(path, () => assert.deepEqual(broken(path), []));

  test('one that leads nowhere is seen', () => {
    const page = '[a](nowhere.md) [b](mesh.md#none) [c](mesh.md#5-limits) [d](https://example.org/) [e](#here)\n# Here\n';
    assert.deepEqual(broken('docs/x.md', page), ['nowhere.md', 'mesh.md#none', '#here']); // #here: x.md is no file
  });
});
