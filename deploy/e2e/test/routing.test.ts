import type { Topology } from '@flotilla/testkit';
import { routingScenarios } from './scenarios/routing.ts';
import { describe, test } from 'vitest';
import { topologies, useTopology } from './use-topology.ts';

describe.each(topologies)('on %s', (_name, start) => {
  let topology: Topology;
  useTopology(start, (it) => (topology = it));

  test.each(routingScenarios)('$promise', ({ run }) => run(topology));
});
