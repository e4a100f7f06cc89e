import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeAddress } from '@flotilla/image';
import { ControlPlane, hasKubernetes } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chartDirectory, find, helm, manifests, render } from './chart.ts';
import { definitions, hasGo } from './custom-resources.ts';
import { build, objectsOf, overlays } from './kustomize.ts';
import { combinations, shadow } from './values.ts';

describe.runIf(hasKubernetes && hasGo)('the API server, with the custom resources of other projects', () => {
  let plane: ControlPlane;

  /** Runs kubectl with manifests as its input. Throws with what it wrote when it fails. */
  const kubectl = (input: string, ...args: readonly string[]): string =>
    execFileSync(join(process.env['CLUSTER_PROGRAMS']!, 'kubectl'), ['--kubeconfig', plane.kubeconfig, ...args], {
      input,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  const dryRun = (text: string): string[] => kubectl(text, 'apply', '--dry-run=server', '-f', '-').trim().split('\n');

  beforeAll(async () => {
    plane = await ControlPlane.start();
    kubectl(definitions(), 'create', '-f', '-');
    kubectl('', 'wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
  }, 240_000);
  afterAll(() => plane?.stop());

  test.each(combinations)('accepts the chart with exposure %s and every option %s', (_exposure, set, values) => {
    const accepted = dryRun(manifests(...values));
    const others = ['httproute.gateway', 'virtualservice.networking.istio.io/', 'podmonitor.monitoring'];
    for (const kind of [
      'certificate.cert-manager.io/',
      'deployment.apps/',
      ...(set === 'behind proxies' ? others : []),
    ])
      expect(
        accepted.some((line) => line.startsWith(kind)),
        kind,
      ).toBe(true);
    expect(accepted.filter((line) => !line.endsWith('created (server dry run)'))).toEqual([]);
  });

  test('accepts a shadow release', () => {
    const accepted = dryRun(manifests(...shadow));
    expect(accepted.filter((line) => !line.endsWith('created (server dry run)'))).toEqual([]);
  });

  test('keeps API keys that were added to the Secret of the chart', () => {
    const added = `backend:rooms:${'1'.repeat(64)}`;
    const secret = ['secret', 'flotilla-secrets'];
    kubectl('', 'create', 'secret', 'generic', 'flotilla-secrets', `--from-literal=api-keys=${added}`);
    kubectl('', 'label', ...secret, 'app.kubernetes.io/managed-by=Helm');
    const release = ['meta.helm.sh/release-name=flotilla', 'meta.helm.sh/release-namespace=default'];
    kubectl('', 'annotate', ...secret, ...release);
    const args = ['--dry-run=server', '--kubeconfig', plane.kubeconfig, '--show-only', 'templates/secrets.yaml'];
    const upgraded = objectsOf(helm('template', 'flotilla', chartDirectory, ...args));
    const { data } = find(upgraded, 'Secret', 'flotilla-secrets');
    expect(Buffer.from(data!['api-keys']!, 'base64').toString()).toBe(added);
  });

  /** A release of the chart in a namespace of its own. */
  function releaseIn(namespace: string, ...options: readonly string[]) {
    const inNamespace = ['--kubeconfig', plane.kubeconfig, '--namespace', namespace];
    const deployments = ['flotilla-sfu', 'flotilla-gateway'];
    return {
      upgrade: (...values: readonly string[]) =>
        helm(
          ...['upgrade', '--install', '--create-namespace', ...options, 'flotilla', chartDirectory, ...inNamespace],
          ...values.flatMap((value) => ['--set', value]),
        ),
      rollback: () => helm('rollback', 'flotilla', ...inNamespace),
      /** Numbers of SFU pods and of gateways. */
      numbers: () =>
        deployments.map((name) =>
          Number(kubectl('', 'get', 'deployment', name, '-n', namespace, '-o', 'jsonpath={.spec.replicas}')),
        ),
      /** Those that the last revision sets. */
      storedNumbers: () => {
        const applied = objectsOf(helm('get', 'manifest', 'flotilla', ...inNamespace));
        return deployments.map((name) => find(applied, 'Deployment', name).spec['replicas']);
      },
      /** Sets both, as a scaler does. */
      scale: (replicas: number) => {
        for (const name of deployments)
          kubectl(
            '',
            ...['patch', 'deployment', name, '-n', namespace, '--subresource=scale', '--field-manager=scaler'],
            ...['--type=merge', '--patch', JSON.stringify({ spec: { replicas } })],
          );
      },
    };
  }
  const scaling = ['sfu.autoscaling.enabled=true', 'gateway.autoscaling.enabled=true'];

  test('keeps the number of pods when scaling is turned on, and leaves it to the scaler afterwards', () => {
    const { upgrade, rollback, numbers, storedNumbers, scale } = releaseIn('numbers');
    upgrade('sfu.replicas=3', 'gateway.replicas=4');
    expect(numbers()).toEqual([3, 4]);
    upgrade(...scaling);
    expect(numbers()).toEqual([3, 4]);
    // Before the scaler has changed the number, Helm still owns it.
    upgrade(...scaling, 'sfu.capacity=100');
    expect(numbers()).toEqual([3, 4]);
    scale(6);
    upgrade(...scaling, 'sfu.capacity=50');
    expect([numbers(), storedNumbers()]).toEqual([
      [6, 6],
      [undefined, undefined],
    ]);
    scale(7);
    upgrade(...scaling, 'sfu.capacity=60');
    rollback();
    expect(numbers()).toEqual([7, 7]);
  }, 240_000);

  test('never owns the number of pods of a release that is scaled from its start', () => {
    const { upgrade, rollback, numbers, storedNumbers, scale } = releaseIn('fresh');
    upgrade(...scaling);
    upgrade(...scaling, 'sfu.capacity=50');
    expect([numbers(), storedNumbers()]).toEqual([
      [1, 1],
      [undefined, undefined],
    ]);
    scale(3);
    rollback();
    expect(numbers()).toEqual([3, 3]);
  }, 120_000);

  test('lets the autoscaler create the Lease again, and write no other', () => {
    const user = ['--namespace=numbers', '--as=system:serviceaccount:numbers:flotilla-autoscaler'];
    const leaseOf = (name: string): string =>
      JSON.stringify({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace: 'numbers' } });
    kubectl('', 'delete', 'lease', 'flotilla-sfu-scaling', '--namespace=numbers');
    kubectl(leaseOf('flotilla-sfu-scaling'), 'create', '-f', '-', ...user);
    kubectl('', 'get', 'lease', 'flotilla-sfu-scaling', ...user);
    kubectl(leaseOf('other'), 'create', '-f', '-', '--namespace=numbers');
    expect(() => kubectl('', 'get', 'lease', 'other', ...user)).toThrow('forbidden');
    expect(() => kubectl(leaseOf('other'), 'replace', '-f', '-', ...user)).toThrow('forbidden');
  });

  test('leaves the number of pods to the scaler without server-side apply, also in a rollback', () => {
    const { upgrade, rollback, numbers, scale } = releaseIn('clientside', '--server-side=false');
    upgrade(...scaling);
    scale(5);
    upgrade(...scaling, 'sfu.capacity=50');
    expect(numbers()).toEqual([5, 5]);
    scale(7);
    rollback();
    expect(numbers()).toEqual([7, 7]);
  }, 120_000);

  test.each(overlays)('accepts the overlay %s', (overlay) => {
    const text = build(overlay);
    const { name } = objectsOf(text).find(({ kind }) => kind === 'Namespace')!.metadata;
    kubectl('', 'create', 'namespace', name);
    const accepted = dryRun(text);
    expect(accepted).toHaveLength(objectsOf(text).length);
    expect(accepted.some((line) => line.startsWith('externalsecret.'))).toBe(overlay !== 'dev');
  });

  test('lets an SFU pod read the external address of its node with the rights that it has', async () => {
    const account = mkdtempSync(join(tmpdir(), 'flotilla-account-'));
    try {
      const objects = render('sfu.announce=externalIP').filter(
        ({ kind, metadata }) => /^(ClusterRole|ServiceAccount)/.test(kind) && metadata.name.endsWith('-sfu'),
      );
      expect(objects).toHaveLength(3);
      for (const object of objects) kubectl(JSON.stringify(object), 'apply', '-f', '-');
      kubectl(JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }), 'create', '-f', '-');
      const addresses = [{ type: 'ExternalIP', address: '203.0.113.11' }];
      const patch = JSON.stringify({ status: { addresses } });
      kubectl('', 'patch', 'node', 'n1', '--subresource=status', '--type=merge', '--patch', patch);
      writeFileSync(join(account, 'token'), kubectl('', 'create', 'token', 'flotilla-sfu'));
      const { clusters } = JSON.parse(readFileSync(plane.kubeconfig, 'utf8')) as {
        clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
      };
      const { cluster } = clusters[0];
      writeFileSync(join(account, 'ca.crt'), Buffer.from(cluster['certificate-authority-data'], 'base64'));
      const { hostname, port } = new URL(cluster.server);
      const server = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
      const announced = join(account, 'announced');
      expect(await nodeAddress(announced, { ...server, NODE_NAME: 'n1', LISTEN_IPS: '10.88.1.5' }, account)).toBe(0);
      expect(readFileSync(announced, 'utf8')).toBe('203.0.113.11');
    } finally {
      rmSync(account, { recursive: true });
    }
  });
});
