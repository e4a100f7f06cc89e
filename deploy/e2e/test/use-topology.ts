import { launchBrowser, type Topology } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, test } from 'vitest';
import { fleet, standalone } from '../src/index.ts';

/** Started by the first test file that uses them, for all files of the run. */
const shared = test
  .extend('standalone', { scope: 'worker' }, async ({}, { onCleanup }) => {
    const topology = await standalone();
    onCleanup(() => topology.stop());
    return topology;
  })
  .extend('fleet', { scope: 'worker' }, async ({}, { onCleanup }) => {
    const topology = await fleet();
    onCleanup(() => topology.stop());
    return topology;
  });

type Assign<T> = (value: T) => void;

/** Gives the tests of a block the shared standalone. They make rooms of their own and break nothing. */
export function useStandalone(assign: Assign<Topology>): void {
  shared.beforeAll(({ standalone: topology }) => assign(topology));
}

/** Gives the tests of a block the shared fleet. They make rooms of their own and break nothing. */
export function useFleet(assign: Assign<Topology>): void {
  shared.beforeAll(({ fleet: topology }) => assign(topology));
}

/** The shared topologies by name, for `describe.each`. */
export const topologies: [string, (assign: Assign<Topology>) => void][] = [
  ['standalone', useStandalone],
  ['fleet', useFleet],
];

/** Gives the tests of a block a browser of their own. */
export function useBrowser(assign: Assign<Browser>): void {
  let browser: Browser | undefined;
  beforeAll(async () => {
    browser = await launchBrowser();
    assign(browser);
  });
  afterAll(() => browser?.close());
}

/** Starts a topology for the tests of a block alone, for those that count what is in it or need their own settings. */
export function useOwnTopology(start: () => Promise<Topology>, assign: Assign<Topology>): void {
  let topology: Topology | undefined;
  beforeAll(async () => {
    topology = await start();
    assign(topology);
  });
  afterAll(() => topology?.stop());
}
