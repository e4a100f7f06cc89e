import { mediaAt } from '@flotilla/local-fleet';
import { localAddresses } from '@flotilla/runtime';
import { type Firefox, launchBrowser, launchFirefox, type Topology } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { fleet, standalone } from '../src/index.ts';
import { mixedScenarios } from './scenarios/mixed-calls.ts';

let firefox: Firefox | undefined;
let chromium: Browser | undefined;
beforeAll(async () => {
  [firefox, chromium] = await Promise.all([launchFirefox(), launchBrowser()]);
});
afterAll(async () => {
  await Promise.all([firefox?.close(), chromium?.close()]);
});

/** Where a browser on this machine reaches media, other than on loopback, whose ICE candidates Firefox ignores. */
async function reachableMedia(): Promise<Record<string, string>> {
  const addresses = await localAddresses();
  if (addresses.length < 2)
    throw new Error(
      'Firefox gets no media on loopback, and this machine has no other address. Run: npx nx firefox @flotilla/e2e',
    );
  return mediaAt(addresses);
}

// Each scenario runs with Firefox on either side, one on each topology.
describe.each([
  { name: 'standalone', start: standalone, inFirefox: 'ada' },
  { name: 'fleet', start: fleet, inFirefox: 'bob' },
])('on $name, $inFirefox in Firefox and the others in Chromium', ({ name, start, inFirefox }) => {
  let topology: Topology | undefined;
  beforeAll(async () => {
    topology = await start(await reachableMedia());
  });
  afterAll(() => topology?.stop());

  test.each(mixedScenarios)('$title', ({ run }) =>
    run(
      topology!,
      (participant) => (participant === inFirefox ? firefox! : chromium!),
      (line) => console.log(`[${name}] ${line}`),
    ),
  );
});
