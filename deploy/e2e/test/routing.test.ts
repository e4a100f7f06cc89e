import { routingScenarios, type Topology } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { fleet, standalone } from '../src/index.ts';

describe.each([
  ['standalone', standalone],
  ['fleet', fleet],
])('on %s', (_name, start) => {
  let topology: Topology;

  beforeAll(async () => {
    topology = await start();
  });
  afterAll(() => topology?.stop());

  test.each(routingScenarios)('$promise', ({ run }) => run(topology));
});
