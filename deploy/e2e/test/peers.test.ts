import { launchBrowser, peerCallScenarios, peerScenarios, type Topology } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { fleet, standalone } from '../src/index.ts';

describe.each([
  ['standalone', standalone],
  ['fleet', fleet],
])('two people without a node between them, on %s', (name, start) => {
  let topology: Topology;
  let browser: Browser;

  beforeAll(async () => {
    [topology, browser] = await Promise.all([start(), launchBrowser()]);
  });
  afterAll(async () => {
    await browser?.close();
    await topology?.stop();
  });

  test.each(peerScenarios)('$promise', ({ run }) => run(topology));

  test.each(peerCallScenarios)('$promise', ({ run }) =>
    run(topology, browser, (line) => console.log(`[${name}] ${line}`)),
  );
});
