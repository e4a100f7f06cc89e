import type { Canary, Operations, ScalingRecord } from '@flotilla/contracts';
import { nodeReport } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { startRegistry } from './harness.ts';

const canary: Canary = {
  ...{ stable: 'v1', candidate: 'v2', share: 0.05, phase: 'observing', since: 1, excluded: [] },
  decision: { at: 1, by: 'nodes', reasons: ['nodes of version v2 appeared'] },
  comparisons: [
    {
      measure: 'quality',
      stable: { samples: 40, mean: 0.1 },
      candidate: { samples: 12, mean: 0.11 },
      worse: 0.3,
      asGood: 0.6,
    },
  ],
};
const scaling: ScalingRecord = {
  ...{ at: 5, nodes: 3, before: 2, cause: 'sessions', sessions: 210, expectedSessions: 230, cpu: 1.2 },
};

test('the state for operators has nodes, migrations, breakers, the canary with its evidence, decisions and experiments', async () => {
  const { api, backplane } = await startRegistry(undefined, { scopes: ['read', 'faults'] });
  const { store } = backplane;
  expect((await api.request('GET', '/v1/operations')).body).toEqual({
    ...{ at: expect.any(Number), nodes: [], migrations: [], breakers: [], scalings: [], experiments: [] },
  });
  await store.nodes.report(nodeReport('nd_b', { revision: 'v2' }));
  await store.nodes.report(nodeReport('nd_a', { revision: 'v1' }));
  const breaker = { caller: 'gateway gw_a', target: 'nd_a', state: 'open', since: 3 } as const;
  await store.breakers.report('p1', [breaker]);
  await store.canary.write(1, canary, '');
  await store.operations.recordScaling(scaling);
  const announced = await api.request('POST', '/v1/experiments', {
    ...{ name: 'kill-sfu', summary: 'kills an SFU node', seconds: 60 },
  });
  expect(announced).toMatchObject({ status: 201, body: { name: 'kill-sfu', by: 'API key test' } });
  const state = (await api.request('GET', '/v1/operations')).body as Operations;
  expect(state.nodes).toMatchObject([
    { id: 'nd_a', version: 'v1', state: 'active' },
    { id: 'nd_b', version: 'v2', state: 'active' },
  ]);
  expect(state).toMatchObject({ breakers: [breaker], canary, scalings: [scaling], experiments: [announced.body] });
  expect(await api.request('DELETE', '/v1/experiments/kill-sfu')).toMatchObject({ status: 204 });
  expect((await api.request('GET', '/v1/operations')).body).toMatchObject({ experiments: [] });
});

test('an announcement without a summary, of a day, or with another name is refused', async () => {
  const { api } = await startRegistry();
  const right = { name: 'kill-sfu', summary: 'kills an SFU node', seconds: 60 };
  for (const wrong of [{ summary: ' ' }, { seconds: 86_400 }, { name: '<b>' }])
    expect(await api.request('POST', '/v1/experiments', { ...right, ...wrong })).toMatchObject({ status: 400 });
  expect(await api.request('DELETE', '/v1/experiments/Kill_SFU')).toMatchObject({ status: 404 });
});

test('the holder of a key can read its name and scopes', async () => {
  const { api, stranger } = await startRegistry(undefined, { scopes: ['read', 'operate'] });
  expect(await api.request('GET', '/v1/api-key')).toEqual({
    status: 200,
    body: { name: 'test', scopes: ['read', 'operate'] },
  });
  expect(await stranger.request('GET', '/v1/api-key')).toMatchObject({ status: 403 });
});
