import type { CommandBus } from '@flotilla/bus';
import { FlotillaError } from '@flotilla/contracts';
import { createLogger, metricsRegistry } from '@flotilla/runtime';
import { nodeReport } from '@flotilla/testkit';
import type { V1Deployment, V1Pod } from '@kubernetes/client-node';
import { beforeEach, expect, test, vi } from 'vitest';
import type { KubernetesApi } from '../src/kubernetes/api.ts';
import { ReplicaController } from '../src/kubernetes/replica-controller.ts';
import type { Watches } from '../src/kubernetes/watches.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const costAnnotation = 'controller.kubernetes.io/pod-deletion-cost';

/** Pods by name, with their annotations, and the sessions on their nodes. */
let pods: Map<string, { annotations: Record<string, string>; sessions: number; cordoned: boolean }>;
let replicas: number;
/** The pods of the new version, which a canary holds back, and whether the rollout to it is paused. */
let rollout: { readonly heldBack: readonly string[]; readonly paused: boolean } | undefined;
/** Names of pods whose annotations are refused. */
const refused = new Set<string>();
/** The version of the Deployment; another than `observed` after a change that the watch has not delivered. */
let version: string;
let observed: string;
let leadership: { leads: boolean; term: number };
/** Terms of the orders to nodes, and the node that refuses them. */
let terms: (number | undefined)[];
let refusing: string | undefined;
let now: number;
let controller: ReplicaController;
const warn = vi.spyOn(log, 'warn');

/** The requests of the controller to an API server that refuses some. */
const api = {
  annotatePod: async (name: string, annotations: Record<string, string | null>) => {
    if (refused.has(name)) throw new Error('admission webhook denied the request');
    for (const [key, value] of Object.entries(annotations))
      if (value === null) delete pods.get(name)!.annotations[key];
      else pods.get(name)!.annotations[key] = value;
    return true;
  },
  scale: async (count: number, resourceVersion: string | undefined) => {
    if (resourceVersion !== version) return false;
    replicas = count;
    return true;
  },
  setCondition: async () => undefined,
  createEvent: async () => undefined,
} as unknown as KubernetesApi;

/** What the API server has of the Deployment and its pods. */
const watches = {
  get deployment(): V1Deployment {
    return {
      metadata: { resourceVersion: observed },
      spec: { replicas, selector: {}, template: {}, ...(rollout && { paused: rollout.paused }) },
      status: { replicas: pods.size, updatedReplicas: rollout?.heldBack.length ?? pods.size },
    };
  },
  get pods(): V1Pod[] {
    return [...pods].map(([name, { annotations }]) => ({
      metadata: { name, annotations },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    }));
  },
  machines: new Map(),
} as unknown as Watches;

beforeEach(() => {
  now = 0;
  version = observed = '1';
  leadership = { leads: true, term: 7 };
  terms = [];
  refusing = undefined;
  rollout = undefined;
  refused.clear();
  warn.mockClear();
  pods = new Map(['a', 'b', 'c'].map((name, at) => [name, { annotations: {}, sessions: at * 100, cordoned: false }]));
  replicas = pods.size;
  controller = new ReplicaController({
    api,
    watches,
    leadership: {
      get leads() {
        return leadership.leads;
      },
      get term() {
        return leadership.term;
      },
    },
    bus: {
      call: (async (queue: string, _type: string, { state, term }: { state: string; term?: number }) => {
        terms.push(term);
        if (refusing === queue.at(-1)) throw new FlotillaError('STALE_TERM');
        pods.get(queue.at(-1)!)!.cordoned = state === 'cordoned';
        return { state };
      }) as CommandBus['call'],
    },
    bounds: { max: 10, emptyWithinMs: 60_000 },
    log,
    now: () => now,
  });
});

/** Some steps of the controller towards a number of nodes, 10 s apart. */
async function apply(wanted: number, steps = 1): Promise<void> {
  for (let step = 0; step < steps; step++) {
    now += 10_000;
    const nodes = [...pods].map(([instance, { sessions, cordoned }]) => ({
      ...nodeReport(`nd_${instance}`, { instance, state: cordoned ? 'cordoned' : 'active' }),
      reserved: sessions,
      lastSeenAt: now,
      alive: true,
      isHeldBack: rollout?.heldBack.includes(instance) ?? false,
    }));
    await controller.apply({ nodes: wanted, cause: 'sessions', growth: 0, expectedSessions: 0 } as never, nodes);
  }
}

test('a pod whose annotations are refused holds up neither those of other pods nor a rise, and is logged once', async () => {
  refused.add('b');
  await apply(5, 3);
  expect(replicas).toBe(5);
  expect(pods.get('c')!.annotations[costAnnotation]).toBeDefined();
  expect(warn.mock.calls.filter(([fields]) => (fields as { pod?: string }).pod === 'b')).toHaveLength(1);
});

test('another pod is marked, cordoned and removed while the annotations of one are refused', async () => {
  refused.add('c');
  await apply(2, 3);
  expect(pods.get('a')).toMatchObject({ annotations: { 'flotilla/leaving': 'scale-in' }, cordoned: true });
  expect(replicas).toBe(2);
});

test('no pod is removed whose deletion cost is refused', async () => {
  pods.get('a')!.sessions = 1;
  await apply(2, 2);
  expect(pods.get('a')!.cordoned).toBe(true);
  pods.get('a')!.sessions = 0;
  refused.add('a');
  await apply(2, 3);
  expect(replicas).toBe(3);
  refused.clear();
  await apply(2);
  expect(pods.get('a')!.annotations[costAnnotation]).toBe('-1000');
  expect(replicas).toBe(2);
});

test('another pod is in the place of one that a canary holds back while its rollout is paused', async () => {
  rollout = { heldBack: ['c'], paused: false };
  await apply(3);
  expect(replicas).toBe(3);
  rollout = { heldBack: ['c'], paused: true };
  await apply(3);
  expect(replicas).toBe(4);
});

test('orders to nodes carry the term of the leadership', async () => {
  await apply(2, 2);
  expect(terms).toEqual([7]);
});

test('the mark of a pod stays until its node has taken the order to serve', async () => {
  await apply(2, 2);
  expect(pods.get('a')).toMatchObject({ annotations: { 'flotilla/leaving': 'scale-in' }, cordoned: true });
  // Another leader set it to serve, and this one has to make sure that no late order of that one follows.
  pods.get('a')!.cordoned = false;
  refusing = 'a';
  await apply(3, 2);
  expect(pods.get('a')!.annotations['flotilla/leaving']).toBe('scale-in');
  refusing = undefined;
  await apply(3);
  expect(pods.get('a')).toMatchObject({ annotations: {}, cordoned: false });
});

test('the number of pods is not changed on an outdated observation of the Deployment', async () => {
  const events = vi.spyOn(api, 'createEvent');
  version = '2';
  await apply(5);
  expect(replicas).toBe(3);
  expect(events).not.toHaveBeenCalledWith(expect.anything(), expect.anything(), 'ScaledOut', expect.anything());
  observed = '2';
  await apply(5);
  expect(replicas).toBe(5);
  events.mockRestore();
});

test('an instance that no longer scales exports no pods', async () => {
  const exported = async () =>
    Promise.all(
      ['autoscaler_scaling_leader', 'autoscaler_replicas'].map(async (name) => {
        const { values } = await metricsRegistry.getSingleMetric(name)!.get();
        return values[0]?.value;
      }),
    );
  await apply(3);
  expect(await exported()).toEqual([1, 3]);
  leadership.leads = false;
  await apply(3);
  expect(await exported()).toEqual([0, 0]);
});
