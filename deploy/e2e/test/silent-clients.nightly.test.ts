import type { Topology } from '@flotilla/testkit';
import { describe, test } from 'vitest';
import { silentClients } from './scenarios/hostile-clients.ts';
import { topologies } from './use-topology.ts';

describe.each(topologies)('silent clients, on %s', (name, use) => {
  let topology: Topology;
  use((it) => (topology = it));

  test.each(silentClients)('$title', ({ run }) => run(topology, (line) => console.log(`[${name}] ${line}`)));
});
