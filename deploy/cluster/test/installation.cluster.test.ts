import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { apply, helm, install, kubectl, loadImage, namespace, pods, tagImage, waitUntil } from '@flotilla/cluster';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Call } from './call.ts';
import { Figures } from './figures.ts';
import { restApi, settled } from './fleet.ts';

/** All objects in the namespace of Flotilla but those that Kubernetes makes in every namespace, and events. */
async function objects(): Promise<string[]> {
  const kinds = await kubectl(['api-resources', '--namespaced', '--verbs=list', '--output=name']);
  const listed = kinds
    .trim()
    .split('\n')
    .filter((kind) => !/^(events|pods\.metrics)/.test(kind));
  const names = await kubectl([
    'get',
    listed.join(','),
    '--namespace',
    namespace,
    '--output=name',
    '--ignore-not-found',
  ]);
  return names
    .trim()
    .split('\n')
    .filter((name) => !['', 'configmap/kube-root-ca.crt', 'serviceaccount/default'].includes(name));
}

/** All objects of the release outside namespaces. */
async function clusterObjects(): Promise<string[]> {
  const kinds = (await kubectl(['api-resources', '--namespaced=false', '--verbs=list', '--output=name']))
    .trim()
    .split('\n');
  const selector = 'app.kubernetes.io/instance=flotilla';
  const listed = kinds.filter((kind) => !kind.includes('metrics.k8s.io')).join(',');
  const names = await kubectl(['get', listed, '--selector', selector, '--output=name', '--ignore-not-found']);
  return names.split('\n').filter(Boolean);
}

/** Uninstalls the chart and waits until nothing is left but what is expected and the Secret of the brokers outside. */
async function uninstall(kept: readonly string[]): Promise<void> {
  await helm(['uninstall', 'flotilla', '--wait']);
  await waitUntil('the installation is deleted', 120_000, async () => {
    const left = (await objects()).filter((name) => ![...kept, 'secret/external-brokers'].includes(name));
    if (left.length > 0) throw new Error(`there are ${left.join(', ')}`);
  });
  expect(await objects()).toEqual(expect.arrayContaining([...kept]));
  expect(await clusterObjects()).toEqual([]);
}

const brokers = ['redis', 'rabbitmq'] as const;
const brokerSecret = 'secret/flotilla-brokers';
const ownBrokers = ['--values', fileURLToPath(new URL('own-brokers.yaml', import.meta.url))];
const claimOf = (broker: string): string => `data-flotilla-${broker}-0`;

/** A volume on the disk that all nodes share. */
async function createVolume(broker: string): Promise<void> {
  const path = join(tmpdir(), 'flotilla-cluster', 'volumes', broker);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o777);
  await apply([
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: broker },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        hostPath: { path },
        persistentVolumeReclaimPolicy: 'Retain',
        claimRef: { namespace, name: claimOf(broker) },
      },
    },
  ]);
}

describe('the installation', () => {
  const figures = new Figures();
  let call: Call | undefined;

  beforeAll(() => install());
  afterEach(async () => {
    await call?.end();
    call = undefined;
  });

  test('is removed completely, and serves a call after it was installed again', async () => {
    await settled();
    const began = performance.now();
    await uninstall([]);
    figures.add('uninstalled, every pod gone', performance.now() - began);

    const again = performance.now();
    await install();
    figures.add('installed, every pod ready', performance.now() - again);
    call = await Call.start('installed');
    figures.add('since the installation began: call of two decoded by both', performance.now() - again);

    const check = performance.now();
    expect(await helm(['test', 'flotilla', '--logs', '--timeout=90s'])).toContain(
      'two participants received audio and video of each other',
    );
    figures.add('helm test, a call between two light peers inside', performance.now() - check);
  });

  test('is upgraded to another image under a call, which continues', async () => {
    await settled();
    call = await Call.start('upgrade');
    const before = await pods();
    const { image } = before[0]!.spec.containers[0]!;
    await tagImage(image, image.replace(/:[^:]+$/, ':next'));
    await call.during(figures, 'upgrade of everything to another image', async () => {
      await install({}, ['--set', 'image.tag=next']);
      await settled();
    });
    const previous = new Set(before.map(({ metadata }) => metadata.name));
    const after = await pods();
    expect(after.filter(({ metadata }) => previous.has(metadata.name))).toEqual([]);
    expect(new Set(after.map(({ spec }) => spec.containers[0]!.image))).toEqual(new Set(['flotilla/flotilla:next']));
  }, 600_000);

  test('is rolled back from an image that does not start, and the call continues', async () => {
    await settled();
    call = await Call.start('rollback');
    await call.during(figures, 'upgrade to an image that does not exist', async () => {
      const broken = ['--set', 'image.tag=missing', '--set', 'image.pullPolicy=Never', '--timeout=30s'];
      await expect(install({}, broken)).rejects.toThrow(/not ready|context deadline exceeded|timed out/i);
    });
    await call.during(figures, 'rollback', async () => {
      await helm(['rollback', 'flotilla', '--wait', '--timeout=180s']);
      await settled();
    });
  }, 600_000);

  test('with Redis and RabbitMQ of its own continues a call while their pods are deleted, and uses their volumes again', async () => {
    await uninstall([]);
    await loadImage(process.env['FLOTILLA_SERVERS_ARCHIVE']!);
    for (const broker of brokers) await createVolume(broker);
    try {
      await install({}, ownBrokers);
      call = await Call.start('own-brokers');
      const api = await restApi();
      for (const broker of brokers) {
        await call.during(figures, `pod of ${broker} deleted, until a participant is migrated`, async () => {
          await kubectl(['delete', 'pod', `flotilla-${broker}-0`, '--namespace', namespace], { timeoutMs: 60_000 });
          const set = [
            'rollout',
            'status',
            `statefulset/flotilla-${broker}`,
            '--namespace',
            namespace,
            '--timeout=90s',
          ];
          await kubectl(set, { timeoutMs: 100_000 });
          await settled();
          await call!.migrate(api);
        });
      }
      await call.end();
      // The volumes hold the state of the fleet, and RabbitMQ's password.
      await uninstall([...brokers.map((broker) => `persistentvolumeclaim/${claimOf(broker)}`), brokerSecret]);
      await install({}, ownBrokers);
      call = await Call.start('kept-volumes');
    } finally {
      await helm(['uninstall', 'flotilla', '--wait', '--ignore-not-found']);
      await kubectl(['delete', 'pvc', '--namespace', namespace, ...brokers.map(claimOf)], { timeoutMs: 60_000 });
      await kubectl(['delete', brokerSecret, '--namespace', namespace, '--ignore-not-found']);
      await kubectl(['delete', 'pv', ...brokers]);
    }
  }, 600_000);
});
