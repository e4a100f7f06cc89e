import type { CommandBus } from '@flotilla/bus';
import { createLogger } from '@flotilla/runtime';
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
/** Names of pods whose annotations are refused. */
const refused = new Set<string>();
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
  scale: async (count: number) => void (replicas = count),
  setCondition: async () => undefined,
  createEvent: async () => undefined,
} as unknown as KubernetesApi;

/** What the API server has of the Deployment and its pods. */
const watches = {
  get deployment(): V1Deployment {
    return {
      spec: { replicas, selector: {}, template: {} },
      status: { replicas: pods.size, updatedReplicas: pods.size },
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
  refused.clear();
  warn.mockClear();
  pods = new Map(['a', 'b', 'c'].map((name, at) => [name, { annotations: {}, sessions: at * 100, cordoned: false }]));
  replicas = pods.size;
  controller = new ReplicaController({
    api,
    watches,
    leadership: { leads: true },
    bus: {
      call: (async (queue: string, _type: string, { state }: { state: string }) => {
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
