import type { Topology } from '@flotilla/testkit';
import { callScenarios } from './scenarios/calls.ts';
import { misuseScenarios } from './scenarios/misuse.ts';
import type { Browser } from 'playwright-core';
import { describe, test } from 'vitest';
import { topologies, useBrowser } from './use-topology.ts';

describe.each(topologies)('on %s', (name, use) => {
  let topology: Topology;
  let browser: Browser;
  use((it) => (topology = it));
  useBrowser((it) => (browser = it));

  test.each(misuseScenarios)('$title', ({ run }) => run(topology));

  test.each(callScenarios)('$title', ({ run }) =>
    run(
      topology,
      () => browser,
      (line) => console.log(`[${name}] ${line}`),
    ),
  );
});
