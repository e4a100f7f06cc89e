import { launchBrowser, type Topology } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { fleet, standalone } from '../src/index.ts';

/** What scenarios are run on, by name: for `describe.each`. */
export const topologies: [string, typeof standalone][] = [
  ['standalone', standalone],
  ['fleet', fleet],
];

/** Has a topology running for the tests of a block. It is told of before the first of them. */
export function useTopology(start: () => Promise<Topology>, tell: (topology: Topology) => void): void {
  let topology: Topology | undefined;
  beforeAll(async () => {
    topology = await start();
    tell(topology);
  });
  afterAll(() => topology?.stop());
}

/** The same for a browser. */
export function useBrowser(tell: (browser: Browser) => void): void {
  let browser: Browser | undefined;
  beforeAll(async () => {
    browser = await launchBrowser();
    tell(browser);
  });
  afterAll(() => browser?.close());
}
