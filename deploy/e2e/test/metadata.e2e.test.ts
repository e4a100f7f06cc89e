import type { Topology } from '@flotilla/testkit';
import { metadataScenarios } from './scenarios/metadata.ts';
import { describe, test } from 'vitest';
import { topologies } from './use-topology.ts';

describe.each(topologies)('metadata on %s', (_name, use) => {
  let topology: Topology;
  use((it) => (topology = it));

  test.each(metadataScenarios)('$title', ({ run }) => run(topology));
});
