import {
  hostileClients,
  hostileConnections,
  hostileFrames,
  hostileJson,
  hostileLatency,
  type Topology,
} from '@flotilla/testkit';
import { describe, test } from 'vitest';
import { topologies, useTopology } from './use-topology.ts';

describe.each(topologies)('on %s', (name, start) => {
  let topology: Topology;
  useTopology(
    () => start({ FLOTILLA_HEARTBEAT_SECONDS: '1' }),
    (it) => (topology = it),
  );

  test.each([...hostileFrames, ...hostileConnections, ...hostileClients, ...hostileJson, ...hostileLatency])(
    '$promise',
    ({ promise, run }) => run(topology, (line) => console.log(`[${name}] ${promise.slice(0, 60)}: ${line}`)),
  );
});
