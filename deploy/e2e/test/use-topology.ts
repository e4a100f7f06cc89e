import { adminUrlOf } from '@flotilla/processes';
import { launchBrowser, notYet, RawClient, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, test } from 'vitest';
import {
  deleteRooms,
  fleet,
  type FleetTopology,
  standalone,
  startTestFleet,
  type TestFleet,
  type TestFleetOptions,
} from '../src/index.ts';

/** The resume window of the shared topologies. Connections that tests cut are resumed within it. */
export const resumeWindowSeconds = 15;

const sharedSettings = {
  FLOTILLA_RESUME_WINDOW_SECONDS: String(resumeWindowSeconds),
  // Silent connections are closed within 12 s.
  FLOTILLA_HEARTBEAT_SECONDS: '3',
  // A thousand clients have one address.
  FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: '2000',
  FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS: '1000',
  FLOTILLA_SFU_CAPACITY: '1000',
};

/** Each is started by the first file of a vitest worker that uses it, for all files of that worker. */
const shared = test
  .extend('standalone', { scope: 'worker' }, async ({}, { onCleanup }) => {
    const topology = await standalone(sharedSettings);
    onCleanup(() => topology.stop());
    return topology;
  })
  .extend('fleet', { scope: 'worker' }, async ({}, { onCleanup }) => {
    const topology = await fleet(sharedSettings);
    onCleanup(() => topology.stop());
    return topology;
  })
  .extend('faultFleet', { scope: 'worker' }, async ({}, { onCleanup }) => {
    const started = await startTestFleet('faults', {
      sfuNodes: 3,
      gateways: 2,
      relays: 2,
      env: { ...sharedSettings, FLOTILLA_DRAIN_SECONDS: '6', FLOTILLA_STOP_DELAY_SECONDS: '2' },
      // On a busy machine a migration is timed out and repeated.
      sfuEnv: () => ({ FLOTILLA_DRAIN_SECONDS: '60', FLOTILLA_SHUTDOWN_SECONDS: '65' }),
    });
    onCleanup(() => started.stop());
    return started;
  })
  .extend('browser', { scope: 'worker' }, async ({}, { onCleanup }) => {
    const browser = await launchBrowser({ args: ['--js-flags=--expose-gc'] });
    onCleanup(() => browser.close());
    return browser;
  });

type Assign<T> = (value: T) => void;

/** Gives the tests of a block the shared standalone, without rooms and sessions. They stop nothing, and everybody leaves. */
export function useStandalone(assign: Assign<Topology>): void {
  let topology: Topology | undefined;
  shared.beforeAll(({ standalone: started }) => assign((topology = started)));
  afterAll(() => {
    RawClient.closeAll();
    return topology && emptied(topology);
  });
}

/**
 * Gives the tests of a block the shared fleet, without rooms and sessions. They stop nothing, and everybody leaves: the store is
 * checked after each test and at the end.
 */
export function useFleet(assign: Assign<FleetTopology>): void {
  let topology: FleetTopology | undefined;
  shared.beforeAll(({ fleet: started }) => assign((topology = started)));
  afterEach(async () => {
    await topology?.store.settled();
  });
  afterAll(() => {
    RawClient.closeAll();
    return topology?.store.emptied();
  });
}

/**
 * Gives the tests of a block a fleet of three SFU nodes, two gateways and two relays whose processes they may stop and kill. They
 * are started again, and the store is checked, after each test; at the end everybody must have left.
 */
export function useFaultFleet(assign: Assign<TestFleet>): void {
  let own: TestFleet | undefined;
  shared.beforeAll(({ faultFleet }) => assign((own = faultFleet)));
  afterEach(async () => {
    await own?.restore();
    await own?.store.settled();
  });
  afterAll(() => {
    RawClient.closeAll();
    return own?.store.emptied();
  });
}

/** Starts a fleet for the tests of a block alone, which need settings of their own. The store is checked as that of `useFaultFleet`. */
export function useOwnFleet(name: string, options: () => TestFleetOptions, assign: Assign<TestFleet>): void {
  let own: TestFleet | undefined;
  beforeAll(async () => {
    own = await startTestFleet(name, options());
    assign(own);
  });
  afterEach(async () => {
    await own?.store.settled();
  });
  afterAll(async () => {
    try {
      await own?.restore();
      RawClient.closeAll();
      await own?.store.emptied();
    } finally {
      await own?.stop();
    }
  });
}

/** The shared topologies by name, for `describe.each`. */
export const topologies: [string, (assign: Assign<Topology>) => void][] = [
  ['standalone', useStandalone],
  ['fleet', useFleet],
];

/** Gives the tests of a block the shared browser, which has `gc()`. Pages that they leave open are closed at the end of the block. */
export function useBrowser(assign: Assign<Browser>): void {
  let browser: Browser | undefined;
  shared.beforeAll(({ browser: started }) => assign((browser = started)));
  afterAll(async () => {
    await Promise.all(browser?.contexts().map((context) => context.close()) ?? []);
  });
}

/** Starts a topology for the tests of a block alone, which need settings of their own. */
export function useOwnTopology(start: () => Promise<Topology>, assign: Assign<Topology>): void {
  let topology: Topology | undefined;
  beforeAll(async () => {
    topology = await start();
    assign(topology);
  });
  afterAll(() => topology?.stop());
}

/** Deletes the rooms of a topology and waits until it has no session. */
async function emptied({ api }: Topology): Promise<void> {
  await deleteRooms(api);
  await waitFor(
    'the sessions have ended',
    async () => {
      const { body } = await api.request('GET', '/v1/topology');
      const { vertices } = body as { vertices: { kind: string; id: string }[] };
      const remaining = vertices.filter(({ kind }) => !['gateway', 'node', 'migration'].includes(kind));
      if (remaining.length > 0) notYet(`there are ${remaining.map(({ id }) => id).join(', ')}`);
    },
    { timeoutMs: (resumeWindowSeconds + 45) * 1000, everyMs: 200 },
  );
}

/** The metrics of a process of the fleet, in the Prometheus text format. */
export async function metricsOf({ processes }: TestFleet, name: string): Promise<string> {
  return (await fetch(`${await adminUrlOf(processes.get(name)!)}/metrics`)).text();
}
