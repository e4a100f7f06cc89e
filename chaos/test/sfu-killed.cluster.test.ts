import { endTransports } from '@flotilla/light-peer';
import { install } from '@flotilla/cluster';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ClusterDriver } from '../src/drivers/cluster/cluster-driver.ts';
import { experiments, lasting } from '../src/manifests/experiment.ts';
import { runExperiment } from '../src/run.ts';

let driver: ClusterDriver | undefined;
beforeAll(async () => {
  await install();
  driver = await ClusterDriver.connect();
});
afterAll(async () => {
  endTransports();
  await driver?.close();
});

test('the experiment kill-sfu holds on the cluster: a call of light peers has media again on another node', async () => {
  const experiment = experiments().find(({ name }) => name === 'kill-sfu')!;
  const result = await runExperiment({ ...lasting(experiment, 15_000), recoveryMs: 5000 }, driver!, {
    beforeMs: 5000,
    rooms: 1,
    onEvent: ({ atMs, what }) => console.log(`${(atMs / 1000).toFixed(1)} s  ${what}`),
  });
  for (const { probe, figure, outcome } of result.probes)
    console.log(`${outcome}  ${probe.phase}: ${probe.text} (${figure})`);
  expect(result.verdict).toBe('held');
});
