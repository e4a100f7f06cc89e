import { MemoryEventLog } from '@flotilla/bus';
import { FlotillaError } from '@flotilla/contracts';
import { createLogger, metricsRegistry } from '@flotilla/runtime';
import { MemoryStore } from '@flotilla/store';
import { nodeReport } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { Autoscaler } from '../src/autoscaler.ts';
import { FleetView } from '../src/fleet-view.ts';
import { Heartbeats } from '../src/heartbeats.ts';
import { LivenessProbe } from '../src/liveness-probe.ts';
import { MigrationDispatcher } from '../src/migration-dispatcher.ts';
import { peers } from './fleets.ts';

const log = createLogger({ service: 'test', level: 'silent' });

test('an instance that no longer leads exports no peers that wait for capacity', async () => {
  let now = 0;
  const leadership: { leads: boolean; term: number | undefined } = { leads: true, term: 1 };
  const store = new MemoryStore(new MemoryEventLog(), () => now);
  const bus = { call: () => Promise.reject(new FlotillaError('UNAVAILABLE')), mayRetry: () => false };
  const autoscaler = new Autoscaler({
    view: new FleetView(),
    heartbeats: new Heartbeats(now),
    livenessProbe: new LivenessProbe(() => Promise.resolve('alive')),
    leadership,
    dispatcher: new MigrationDispatcher({ bus, mayAct: () => false, onRemoved: () => undefined, log }),
    nodes: store.nodes,
    migrations: store.migrations,
    leaving: () => new Set(),
    log,
    now: () => now,
  });
  const waiting = async () =>
    (await metricsRegistry.getSingleMetric('autoscaler_peers_waiting')!.get()).values[0]?.value;
  // The only node drains, and there is no other.
  const report = nodeReport('nd_a', { state: 'draining', capacity: 100 });
  const check = async (): Promise<void> => {
    now += 500;
    await store.nodes.report(report);
    autoscaler.receive([{ ...report, peers: peers(3).map((peer) => ({ ...peer, loss: 0 })) }]);
    await autoscaler.check();
  };
  await check();
  expect(await waiting()).toBe(3);
  Object.assign(leadership, { leads: false, term: undefined });
  await check();
  expect(await waiting()).toBe(0);
});
