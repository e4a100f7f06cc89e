import type { Canary } from '@flotilla/contracts';
import { expect, test } from 'vitest';
import { startRegistry } from './harness.ts';

const observing: Canary = {
  stable: 'v1',
  candidate: 'v2',
  share: 0.05,
  phase: 'observing',
  since: 1,
  excluded: [],
  decision: { at: 1, by: 'nodes', reasons: ['nodes of version v2 appeared'] },
  comparisons: [],
};
const { candidate: _candidate, ...stable } = observing;
const notFound = { status: 404, body: { error: { code: 'NOT_FOUND' } } };

test('while the canary is off, it is answered NOT_FOUND', async () => {
  const { api } = await startRegistry();
  expect(await api.request('GET', '/v1/canary')).toMatchObject(notFound);
  for (const order of ['promote', 'evacuate', 'reset'])
    expect(await api.request('POST', `/v1/canary/${order}`)).toMatchObject(notFound);
});

test('an order is left for the leading autoscaler, and answered with the state before', async () => {
  const { api, backplane } = await startRegistry();
  const { canary } = backplane.store;
  await canary.write(1, observing, '');
  expect(await api.request('GET', '/v1/canary')).toEqual({ status: 200, body: observing });
  for (const kind of ['promote', 'evacuate', 'reset'] as const) {
    expect(await api.request('POST', `/v1/canary/${kind}`)).toEqual({ status: 202, body: observing });
    expect((await canary.read())?.order?.kind).toBe(kind);
  }
});

test('without a candidate there is nothing to promote or evacuate, and an evacuated one can be promoted', async () => {
  const { api, backplane } = await startRegistry();
  const { canary } = backplane.store;
  await canary.write(1, { ...stable, phase: 'promoted' }, '');
  expect(await api.request('POST', '/v1/canary/promote')).toMatchObject(notFound);
  expect(await api.request('POST', '/v1/canary/evacuate')).toMatchObject(notFound);
  await canary.write(1, { ...observing, phase: 'evacuated', excluded: ['v2'] }, '');
  expect(await api.request('POST', '/v1/canary/evacuate')).toMatchObject(notFound);
  expect(await api.request('POST', '/v1/canary/promote')).toMatchObject({ status: 202 });
});

test('an order about another version than the candidate is refused, and one without a version is about the candidate of that moment', async () => {
  const { api, backplane } = await startRegistry();
  const { canary } = backplane.store;
  await canary.write(1, observing, '');
  for (const kind of ['promote', 'evacuate'])
    expect(await api.request('POST', `/v1/canary/${kind}`, { candidate: 'v9' })).toMatchObject({
      status: 409,
      body: { error: { code: 'WRONG_STATE' } },
    });
  expect((await canary.read())?.order).toBeUndefined();
  expect(await api.request('POST', '/v1/canary/promote')).toMatchObject({ status: 202 });
  expect((await canary.read())?.order).toMatchObject({ kind: 'promote', candidate: 'v2' });
});

test('orders need a known key', async () => {
  const { stranger } = await startRegistry();
  expect(await stranger.request('GET', '/v1/canary')).toMatchObject({ status: 403 });
  expect(await stranger.request('POST', '/v1/canary/promote')).toMatchObject({ status: 403 });
});
