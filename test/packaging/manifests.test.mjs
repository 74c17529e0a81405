/**
 * The manifests for Kubernetes and compose: they hold to the schema, to each other, and to what the relay knows.
 * LM_RELAY names the relay.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { Ingress } from 'kubernetes-models/networking.k8s.io/v1/Ingress';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Namespace } from 'kubernetes-models/v1/Namespace';
import { Service } from 'kubernetes-models/v1/Service';
import { parse, parseAllDocuments } from 'yaml';

const ROOT = new URL('../../', import.meta.url);
const FOLDER = new URL('packaging/kubernetes/', ROOT);
const MODELS = { ConfigMap, Deployment, Ingress, Namespace, NetworkPolicy, PodDisruptionBudget, Service };

const read = (path) => readFileSync(new URL(path, ROOT), 'utf8');
const manifests = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.yaml'))
  .flatMap((name) =>
    parseAllDocuments(readFileSync(new URL(name, FOLDER), 'utf8')).map((document) => {
      assert.deepEqual(document.errors, [], name);
      return document.toJS();
    }),
  );
const one = (kind, name) => {
  const found = manifests.filter((m) => m.kind === kind && (!name || m.metadata.name === name));
  assert.equal(found.length, 1, `${kind} ${name ?? ''}`);
  return found[0];
};
const validate = (manifest) => new MODELS[manifest.kind](manifest).validate();

const deployment = one('Deployment');
const pod = deployment.spec.template;
const [container] = pod.spec.containers;
const settings = one('ConfigMap').data;
const labels = Object.entries(pod.metadata.labels);
const selects = (selector) => Object.entries(selector).every(([key, value]) => labels.some(([k, v]) => k === key && v === value));
const port = (name) => container.ports.find((p) => p.name === name);
const variables = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
const portOf = (address) => Number(address.split(':').at(-1));

const relay = (env, ...args) => execFileSync(process.env.LM_RELAY, args, { encoding: 'utf8', env });
const table = read('README.md'); // which the daemon's own test compares with it
const known = (name) => new RegExp(`^\\| (\`[A-Z0-9_]+\`, )*\`${name}\`[ ,]`, 'm').test(table);
const megabytes = (quantity) => {
  const [, number, unit] = /^(\d+)([MG])i$/.exec(quantity);
  return Number(number) * (unit === 'G' ? 1024 : 1) * 1.048576;
};

describe('the manifests for Kubernetes', () => {
  for (const manifest of manifests) {
    test(`${manifest.kind} ${manifest.metadata.name} holds to the schema`, () => {
      assert.equal(MODELS[manifest.kind].is(manifest), true, manifest.apiVersion);
      validate(manifest);
    });
  }

  test('the schema sees what is wrong', () => {
    const broken = (change) => {
      const copy = structuredClone(deployment);
      change(copy.spec.template.spec.containers[0], copy);
      return () => validate(copy);
    };
    assert.throws(broken((c) => (c.ports[0].hostPort = 'relay')), /hostPort/);
    assert.throws(broken((c) => delete c.name), /name/);
    assert.throws(broken((_, d) => delete d.spec.selector), /selector/);
  });

  test('all are in the namespace that is made for them', () => {
    const { name } = one('Namespace').metadata;
    for (const { kind, metadata } of manifests) if (kind !== 'Namespace') assert.equal(metadata.namespace, name, kind);
  });

  test('what is selected is the pod', () => {
    assert.ok(selects(deployment.spec.selector.matchLabels));
    assert.ok(selects(one('PodDisruptionBudget').spec.selector.matchLabels));
    assert.ok(selects(one('NetworkPolicy').spec.podSelector.matchLabels));
    assert.ok(selects(one('Service', 'lumamesh-mesh').spec.selector));
    assert.ok(selects(one('Service', 'lumamesh-config').spec.selector));
    const [{ topologyKey, labelSelector }] = pod.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution;
    assert.equal(topologyKey, 'kubernetes.io/hostname');
    assert.ok(selects(labelSelector.matchLabels));
  });

  test('one of the two relays may go, and no more', () => {
    assert.equal(deployment.spec.replicas, 2);
    assert.equal(one('PodDisruptionBudget').spec.minAvailable, 1);
    assert.deepEqual(deployment.spec.strategy.rollingUpdate, { maxSurge: 0, maxUnavailable: 1 });
  });

  test('the relays find each other by the headless service', () => {
    const service = one('Service', 'lumamesh-mesh');
    assert.equal(service.spec.clusterIP, 'None');
    assert.equal(service.spec.publishNotReadyAddresses, true);
    const { name, namespace } = service.metadata;
    assert.equal(settings.MESH_PEERS, `${name}.${namespace}.svc.cluster.local:${service.spec.ports[0].port}`);
    assert.equal(portOf(settings.MESH_LISTEN), port('mesh').containerPort);
    assert.equal(portOf(variables.MESH_ADVERTISE), port('mesh').containerPort);
    assert.equal(service.spec.ports[0].port, port('mesh').containerPort, 'a headless service does not map ports');
    const order = container.env.map(({ name: variable }) => variable);
    assert.ok(order.indexOf('POD_IP') < order.indexOf('MESH_ADVERTISE'), 'a variable is known from its definition on');
  });

  test('ports that are named exist', () => {
    const { ingress, egress } = one('NetworkPolicy').spec;
    for (const { protocol, port: name } of ingress.flatMap(({ ports }) => ports)) assert.equal(port(name).protocol, protocol, name);
    assert.equal(egress[0].ports[0].port, port('mesh').containerPort);
    for (const kind of ['livenessProbe', 'readinessProbe']) assert.ok(port(container[kind].httpGet.port), kind);
    const config = one('Service', 'lumamesh-config');
    assert.ok(port(config.spec.ports[0].targetPort));
    const [{ backend }] = one('Ingress').spec.rules[0].http.paths;
    assert.equal(backend.service.name, config.metadata.name);
    assert.equal(backend.service.port.name, config.spec.ports[0].name);
    assert.equal(portOf(settings.HEALTH_LISTEN), port('health').containerPort);
    for (const name of ['relay-udp', 'relay-tcp']) {
      assert.equal(port(name).containerPort, Number(settings.UDP_PORT));
      assert.equal(port(name).hostPort, Number(settings.UDP_PORT), 'browsers dial the port that the relay tells them');
    }
  });

  test('the paths that are asked for are served', () => {
    const routes = read('README.md');
    const paths = [container.livenessProbe.httpGet.path, container.readinessProbe.httpGet.path];
    paths.push(...one('Ingress').spec.rules[0].http.paths.map(({ path }) => path));
    for (const path of paths) assert.match(routes, new RegExp(`^\\| \`${path}\` \\|`, 'm'));
    assert.deepEqual(paths, ['/healthz', '/readyz', '/blob']);
  });

  test('the pod has no right that it does not need', () => {
    const { securityContext } = pod.spec;
    assert.equal(securityContext.runAsNonRoot, true);
    assert.equal(securityContext.runAsUser, 65532, 'as the image has it');
    assert.equal(container.securityContext.readOnlyRootFilesystem, true);
    assert.equal(container.securityContext.allowPrivilegeEscalation, false);
    assert.deepEqual(container.securityContext.capabilities, { drop: ['ALL'] });
    assert.equal(pod.spec.automountServiceAccountToken, false);
  });

  test('no two pods share an identity', () => {
    const mounted = container.volumeMounts.find(({ mountPath }) => mountPath === variables.STATE_DIR);
    assert.ok(pod.spec.volumes.find(({ name }) => name === mounted.name).emptyDir);
  });

  test('the salt is a secret that README.md makes', () => {
    const volume = pod.spec.volumes.find(({ secret }) => secret);
    const mount = container.volumeMounts.find(({ name }) => name === volume.name);
    const [, key] = variables.MESH_SALT_FILE.split(`${mount.mountPath}/`);
    assert.match(read('packaging/kubernetes/README.md'), new RegExp(`create secret generic ${volume.secret.secretName} --from-literal=${key}=`));
    assert.equal(volume.secret.defaultMode, 0o440);
  });

  test('the relay takes these settings, in the memory that the pod has', () => {
    for (const name of [...Object.keys(settings), ...Object.keys(variables)])
      if (name !== 'POD_IP') assert.ok(known(name), `${name} is no setting`);
    const env = { ...settings, PUBLIC_IP: '192.0.2.1', MESH_ADVERTISE: '10.0.0.1:7402', MESH_SALT: 'a salt of sixteen bytes', STATE_DIR: '/tmp' };
    const bounds = relay(env, '--check-config');
    const [, most] = /^memory: (\d+) MB at the very most/m.exec(bounds);
    assert.ok(megabytes(container.resources.limits.memory) > Number(most), `${most} MB at the very most`);
    assert.ok(pod.spec.terminationGracePeriodSeconds > Number(variables.DRAIN_SECONDS));
  });
});

describe('compose.yaml', () => {
  const { services, volumes } = parse(read('packaging/container/compose.yaml'));
  const service = services.relay;

  test('gives settings that the relay knows', () => {
    for (const name of Object.keys(service.environment)) assert.ok(known(name), name);
    assert.match(service.environment.PUBLIC_IP, /^\$\{PUBLIC_IP:\?/, 'it has to be given');
  });

  test('keeps the identity and no right', () => {
    const [volume, path] = service.volumes[0].split(':');
    assert.ok(volume in volumes);
    assert.match(read('packaging/container/Containerfile'), new RegExp(`STATE_DIR=${path} `));
    assert.match(read('packaging/container/Containerfile'), new RegExp(`^USER ${service.user}$`, 'm'));
    assert.equal(service.read_only, true);
    assert.deepEqual(service.cap_drop, ['ALL']);
    assert.equal(service.network_mode, 'host');
  });
});
