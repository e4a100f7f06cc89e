import { createLogger } from '@flotilla/runtime';
import type { V1Deployment, V1DeploymentCondition } from '@kubernetes/client-node';
import { beforeEach, expect, test } from 'vitest';
import type { KubernetesApi } from '../src/kubernetes/api.ts';
import type { Reconciliation } from '../src/kubernetes/reconcile.ts';
import { ScalingReport } from '../src/kubernetes/report.ts';
import type { ScalingDecision } from '../src/scaling/decision.ts';

const log = createLogger({ service: 'test', level: 'silent' });

let version: number;
let condition: V1DeploymentCondition | undefined;
let events: string[];

const api = {
  setCondition: async (written: V1DeploymentCondition) => {
    condition = written;
    version++;
  },
  createEvent: async (_deployment: V1Deployment, _type: string, reason: string) => void events.push(reason),
} as unknown as KubernetesApi;

const observed = (): V1Deployment => ({
  metadata: { resourceVersion: String(version) },
  status: { conditions: condition ? [condition] : [] },
});

beforeEach(() => {
  version = 1;
  condition = undefined;
  events = [];
});

const report = (of: ScalingReport, outcome: Reconciliation['outcome'], deployment = observed()) => {
  const step = { marks: [], states: [], replicas: undefined, victim: undefined, outcome };
  return of.condition(step, { nodes: 2, cause: 'sessions' } as ScalingDecision, deployment);
};

test('a leader that leads again replaces the condition of the one in between', async () => {
  const [one, other] = [new ScalingReport(api, log), new ScalingReport(api, log)];
  await report(one, 'Steady');
  await report(other, 'Paused');
  expect(condition).toMatchObject({ reason: 'Paused', status: 'False' });
  await report(one, 'Steady');
  expect(condition).toMatchObject({ reason: 'Steady', status: 'True' });
  expect(events).toEqual(['Paused']);
});

test('a new leader repeats neither the condition of the one before nor its Event', async () => {
  await report(new ScalingReport(api, log), 'Paused');
  await report(new ScalingReport(api, log), 'Paused');
  expect({ version, events }).toEqual({ version: 2, events: ['Paused'] });
});

test('a condition is written once while the watch has not delivered it', async () => {
  const one = new ScalingReport(api, log);
  const before = observed();
  await report(one, 'Paused', before);
  await report(one, 'Paused', before);
  expect({ version, events }).toEqual({ version: 2, events: ['Paused'] });
});
