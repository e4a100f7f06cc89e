import type { Topology } from '@flotilla/testkit';
import { routingScenarios } from './scenarios/routing.ts';
import { describe, test } from 'vitest';
import { topologies } from './use-topology.ts';

describe.each(topologies)('on %s', (_name, use) => {
  let topology: Topology;
  use((it) => (topology = it));

  test.each(routingScenarios)('$title', ({ run }) => run(topology));
});
