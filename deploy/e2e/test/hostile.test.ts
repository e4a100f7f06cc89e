import {
  hostileClients,
  hostileConnections,
  hostileFrames,
  hostileJson,
  hostileLatency,
  type Topology,
} from '@flotilla/testkit';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { fleet, standalone } from '../src/index.ts';

describe.each([
  ['standalone', standalone],
  ['fleet', fleet],
])('on %s', (name, start) => {
  let topology: Topology;
  beforeAll(async () => {
    topology = await start({ FLOTILLA_HEARTBEAT_SECONDS: '1' });
  });
  afterAll(async () => {
    await topology?.stop();
  });

  test.each([...hostileFrames, ...hostileConnections, ...hostileClients, ...hostileJson, ...hostileLatency])(
    '$promise',
    ({ promise, run }) => run(topology, (line) => console.log(`[${name}] ${promise.slice(0, 60)}: ${line}`)),
  );
});
