import type { Topology } from '@flotilla/testkit';
import { peerCallScenarios } from './scenarios/peer-calls.ts';
import { peerScenarios } from './scenarios/peers.ts';
import type { Browser } from 'playwright-core';
import { describe, test } from 'vitest';
import { topologies, useBrowser } from './use-topology.ts';

describe.each(topologies)('peer-to-peer calls on %s', (name, use) => {
  let topology: Topology;
  let browser: Browser;
  use((it) => (topology = it));
  useBrowser((it) => (browser = it));

  test.each(peerScenarios)('$title', ({ run }) => run(topology));

  test.each(peerCallScenarios)('$title', ({ run }) =>
    run(
      topology,
      () => browser,
      (line) => console.log(`[${name}] ${line}`),
    ),
  );
});
