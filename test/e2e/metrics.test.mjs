/** The dashboard and the alert rules of packaging/ speak of metrics that a relay has. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';

import { startRelay, withoutRelay } from './lib/relay.mjs';

const PACKAGING = new URL('../../packaging/', import.meta.url);

/** All strings at the keys that hold PromQL, anywhere in the dashboard. */
function expressions(value) {
  if (Array.isArray(value)) return value.flatMap(expressions);
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === 'string' && /^(expr|query|definition)$/.test(key) ? [inner] : expressions(inner),
  );
}

const namesIn = (text) => [...text.matchAll(/\b(?:lumamesh|process)_[a-z0-9_]+/g)].map(([name]) => name);

/** `name{label="value",…}` without the labels that Prometheus adds, as [name, [label, value], …]. */
function selectorsIn(text) {
  return [...text.matchAll(/\b(lumamesh_[a-z0-9_]+)\{([^}]*)\}/g)].map(([, name, labels]) => [
    name,
    [...labels.matchAll(/([a-z]+)(?:=|=~)"([^"]*)"/g)]
      .map(([, label, value]) => [label, value])
      .filter(([label]) => !['instance', 'job'].includes(label)),
  ]);
}

describe('what packaging/ says of metrics', { skip: withoutRelay }, () => {
  let relay;
  let samples; // [name, labels as text]
  let names;
  let dashboard;
  let rules;
  before(async () => {
    relay = await startRelay();
    const text = await (await fetch(`${relay.health}/metrics`)).text();
    samples = text
      .split('\n')
      .filter((line) => line && !line.startsWith('#'))
      .map((line) => /^([a-z0-9_]+)(\{.*\})? [\d.]+$/.exec(line).slice(1));
    names = new Set(samples.map(([name]) => name));
    dashboard = JSON.parse(await readFile(new URL('grafana/lumamesh.json', PACKAGING), 'utf8'));
    rules = await readFile(new URL('prometheus/lumamesh.rules.yml', PACKAGING), 'utf8');
  });
  after(() => relay?.stop());

  const known = (texts) => {
    const used = texts.flatMap(namesIn);
    assert.ok(used.length > 0);
    assert.deepEqual(
      used.filter((name) => !names.has(name)),
      [],
    );
    for (const [name, labels] of texts.flatMap(selectorsIn)) {
      const fits = ([other, text]) =>
        other === name && labels.every(([label, value]) => text?.includes(`${label}="${value}"`));
      assert.ok(samples.some(fits), `${name} with ${JSON.stringify(labels)}`);
    }
  };

  test('the dashboard has panels, all of metrics that there are', () => {
    const texts = expressions(dashboard);
    assert.ok(dashboard.panels.every(({ targets }) => targets.every(({ expr }) => namesIn(expr).length > 0)));
    known(texts);
    const ids = dashboard.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
  });

  test('no two panels lie over each other', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    assert.equal(new Set(cells).size, cells.length);
    assert.ok(dashboard.panels.every(({ gridPos: { x, w } }) => x + w <= 24));
  });

  test('the alerts are of metrics that there are', () => {
    const alerts = rules.split(/^ +- alert: /m).slice(1);
    assert.ok(alerts.length > 8);
    for (const alert of alerts) {
      assert.match(alert, /^Lumamesh[A-Z][A-Za-z]+\n +expr: \S.*\n/);
      assert.match(alert, /\n +labels: \{ severity: (critical|warning) \}\n +annotations:\n +summary: ".+"\n/);
    }
    known([...rules.matchAll(/^ +expr: (.*)$/gm)].map(([, expr]) => expr));
  });
});
