import { memoryBackplane } from '@flotilla/backplane';
import { createLogger } from '@flotilla/runtime';
import { ControlPlane, hasKubernetes, notYet, waitFor } from '@flotilla/testkit';
import { type CoreV1Event, PatchStrategy, setHeaderOptions, type V1Deployment } from '@kubernetes/client-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { KubernetesApi } from '../src/kubernetes/api.ts';
import { KubernetesScaling } from '../src/kubernetes/kubernetes-scaling.ts';
import { ScalingRecords } from '../src/scaling/records.ts';
import { decideEveryMs, Scaler } from '../src/scaling/scaler.ts';
import { scalingSettings } from '../src/scaling/settings.ts';
import { PodFleet } from './kubernetes/fleet.ts';

const log = createLogger({ service: 'test', level: 'fatal' });
const settings = { ...scalingSettings, min: 2, max: 6, stabilizationMs: 3000, trendMs: 2000 };
const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);

let plane: ControlPlane;
let workload: { readonly namespace: string; readonly name: string };
let fleet: PodFleet;
let instances: Instance[];
let namespaces = 0;

/** One autoscaler's scaling. */
class Instance {
  readonly kubernetes = new KubernetesScaling({
    workload,
    maxReplicas: settings.max,
    watchMachines: true,
    bus: { call: (...args) => fleet.bus.call(...args) },
    log,
  });
  readonly scaler = new Scaler({
    nodes: { list: () => fleet.list() },
    settings,
    target: this.kubernetes,
    leads: () => this.kubernetes.leads,
    isFrozen: () => false,
    records: new ScalingRecords(memoryBackplane(log).store.operations, log),
    log,
  });
  readonly #timer = setInterval(() => void this.scaler.decide(), decideEveryMs);

  constructor() {
    this.kubernetes.start();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.scaler.settled();
    await this.kubernetes.stop();
  }
}

const deployment = (): Promise<V1Deployment> => fleet.apps.readNamespacedDeployment({ ...workload });

async function events(reason: string): Promise<CoreV1Event[]> {
  const { items } = await fleet.core.listNamespacedEvent({ namespace: workload.namespace });
  return items.filter((event) => event.reason === reason && event.involvedObject.kind === 'Deployment');
}

const pods = (count: number) =>
  waitFor(
    `${count} pods with an SFU node each`,
    async () => {
      const found = await fleet.pods();
      if (found.length !== count || fleet.nodes.size !== count)
        notYet(`there are ${found.length} pods and ${fleet.nodes.size} nodes`);
      return found;
    },
    { timeoutMs: 30_000 },
  );

const condition = (reason: string) =>
  waitFor(`the condition ${reason}`, async () => {
    const { status } = await deployment();
    const found = status?.conditions?.find(({ type }) => type === 'FlotillaScaling');
    if (found?.reason !== reason) notYet(`it is ${found?.reason}`);
    return found;
  });

const annotate = (annotations: Record<string, string | null>) =>
  fleet.apps.patchNamespacedDeployment({ ...workload, body: { metadata: { annotations } } }, merge);

describe.skipIf(!hasKubernetes)('scaling on Kubernetes', () => {
  beforeAll(async () => {
    plane = await ControlPlane.start();
    process.env['KUBECONFIG'] = plane.kubeconfig;
  });
  afterAll(async () => {
    delete process.env['KUBECONFIG'];
    await plane?.stop();
  });

  beforeEach(async () => {
    const namespace = `fleet-${++namespaces}`;
    workload = { namespace, name: 'sfu' };
    const labels = { app: 'sfu' };
    fleet = new PodFleet(namespace, () => new Set(instances.flatMap(({ kubernetes }) => [...kubernetes.leaving])));
    instances = [];
    await fleet.core.createNamespace({ body: { metadata: { name: namespace } } });
    await fleet.apps.createNamespacedDeployment({
      namespace,
      body: {
        metadata: { name: 'sfu' },
        spec: {
          replicas: 1,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: 'sfu', image: 'sfu' }] } },
        },
      },
    });
    fleet.start();
    instances.push(new Instance());
    await pods(2);
  });
  afterEach(async () => {
    await Promise.all(instances.map((instance) => instance.stop()));
    await fleet.stop();
    await fleet.apps.deleteNamespacedDeployment({ ...workload });
  });

  test('raises one pod to the minimum, says so in an Event, and reports a steady number in a condition', async () => {
    expect(await condition('Steady')).toMatchObject({ status: 'True' });
    const [event] = await events('ScaledOut');
    expect(event?.message).toContain('1 to 2 pods');
  });

  test('scales out when sessions are joined', async () => {
    const began = performance.now();
    fleet.setSessions(300, 300);
    await waitFor('more replicas', async () => {
      const { spec } = await deployment();
      if (spec?.replicas === 2) notYet('there are 2');
    });
    console.log(`scaled ${Math.round(performance.now() - began)} ms after the joins`);
    await pods(settings.max);
    await condition('AtMaximum');
  });

  test('scales in to the minimum by emptying one pod after another, and loses no session', async () => {
    fleet.setSessions(300, 300);
    await pods(settings.max);
    fleet.setSessions(20, 3, 15, 4, 6, 2);
    await pods(2);
    expect(fleet.lost).toBe(0);
    expect([...fleet.nodes.values()].reduce((sum, { reserved }) => sum + reserved, 0)).toBe(50);
    expect((await events('EmptyingPod')).length).toBe(4);
    expect((await events('ScaledIn')).length).toBe(4);
  });

  test('lets a pod serve again whose removal is no longer needed', async () => {
    fleet.moves = false;
    fleet.setSessions(300, 300);
    await pods(settings.max);
    fleet.setSessions(10, 10, 10, 10, 10, 10);
    await waitFor('a cordoned node', () => {
      if (![...fleet.nodes.values()].some(({ state }) => state === 'cordoned')) notYet('all are active');
    });
    fleet.setSessions(80, 80, 80, 80, 80, 80);
    await waitFor('active nodes and unmarked pods', async () => {
      if ([...fleet.nodes.values()].some(({ state }) => state !== 'active')) notYet('one is cordoned');
      const marked = (await fleet.pods()).filter(({ metadata }) => metadata?.annotations?.['flotilla/leaving']);
      if (marked.length > 0) notYet('one is marked');
    });
    expect((await fleet.pods()).length).toBe(settings.max);
  });

  test('keeps the number of pods while the Deployment is annotated as paused', async () => {
    await annotate({ 'flotilla/scaling': 'paused' });
    await condition('Paused');
    fleet.setSessions(300, 300);
    await waitFor('the decision', () => {
      const nodes = instances[0]!.scaler.status?.nodes;
      if (nodes !== settings.max) notYet(`${nodes} nodes are wanted`);
    });
    await instances[0]!.scaler.decide();
    expect((await deployment()).spec?.replicas).toBe(2);
    await annotate({ 'flotilla/scaling': null });
    await pods(settings.max);
  });

  test('moves the peers of a pod whose machine is cordoned, and has another pod in its place', async () => {
    await fleet.core.createNode({
      body: { metadata: { name: `machine-${namespaces}` }, spec: { unschedulable: true } },
    });
    fleet.setSessions(10, 20);
    const [pod] = await fleet.pods();
    const { name, namespace } = pod!.metadata!;
    const target = { apiVersion: 'v1', kind: 'Node', name: `machine-${namespaces}` };
    await fleet.core.createNamespacedPodBinding({
      name: name!,
      namespace: namespace!,
      body: { metadata: { name: name! }, target },
    });
    await waitFor('an emptied node', () => {
      const node = fleet.nodes.get(name!)!;
      if (node.reserved > 0 || node.state !== 'cordoned') notYet(`${node.reserved} sessions are on it`);
    });
    await pods(3);
    expect(fleet.lost).toBe(0);
    await fleet.core.deleteNode({ name: `machine-${namespaces}` });
    await fleet.core.deleteNamespacedPod({ name: name!, namespace: namespace!, gracePeriodSeconds: 0 });
    await pods(2);
  });

  test('is continued by another instance when the leader stops', async () => {
    instances.push(new Instance());
    await instances.shift()!.stop();
    fleet.setSessions(300, 300);
    await pods(settings.max);
  });

  test('continues when the Lease of its leader is deleted', async () => {
    const { config, client } = await KubernetesApi.connect(workload);
    const leases = config.makeApiClient(client.CoordinationV1Api);
    await leases.deleteNamespacedLease({ namespace: workload.namespace, name: 'sfu-scaling' });
    fleet.setSessions(300, 300);
    await pods(settings.max);
  });

  test('sets the number of pods only of the Deployment that was observed', async () => {
    const api = await KubernetesApi.connect(workload);
    await Promise.all(instances.splice(0).map((instance) => instance.stop()));
    const { metadata } = await deployment();
    await annotate({ changed: 'meanwhile' });
    expect(await api.scale(5, metadata?.resourceVersion)).toBe(false);
    expect((await deployment()).spec?.replicas).toBe(2);
    expect(await api.scale(5, (await deployment()).metadata?.resourceVersion)).toBe(true);
    expect((await deployment()).spec?.replicas).toBe(5);
  });

  test('changes nothing while the API server is down, and continues afterwards', async () => {
    await plane.stopApiServer();
    fleet.setSessions(300, 300);
    await instances[0]!.scaler.decide();
    await plane.startApiServer();
    await pods(settings.max);
    expect(fleet.lost).toBe(0);
  }, 120_000);
});
