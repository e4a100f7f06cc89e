import type { Topology } from '@flotilla/testkit';
import { hostileClients } from './scenarios/hostile-clients.ts';
import { hostileConnections } from './scenarios/hostile-connections.ts';
import { hostileFrames } from './scenarios/hostile-frames.ts';
import { hostileGrants } from './scenarios/hostile-grants.ts';
import { hostileJson } from './scenarios/hostile-json.ts';
import { hostileMedia } from './scenarios/hostile-media.ts';
import { hostileWork } from './scenarios/hostile-work.ts';
import { hostileLatency } from './scenarios/hostile-latency.ts';
import { describe, test } from 'vitest';
import { topologies } from './use-topology.ts';

describe.each(topologies)('hostile clients, on %s', (name, use) => {
  let topology: Topology;
  use((it) => (topology = it));

  test.each([
    ...hostileFrames,
    ...hostileConnections,
    ...hostileClients,
    ...hostileJson,
    ...hostileMedia,
    ...hostileGrants,
    ...hostileWork,
    ...hostileLatency,
  ])('$title', ({ title, run }) => run(topology, (line) => console.log(`[${name}] ${title.slice(0, 60)}: ${line}`)));
});
