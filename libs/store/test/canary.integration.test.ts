import type { Canary } from '@flotilla/contracts';
import { joinAs, newcomer, nodeReport, roomRecord } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { plannerLease, type Store } from '../src/index.ts';
import { adapters } from './adapters.ts';

const observing: Canary = {
  stable: 'v1',
  candidate: 'v2',
  share: 0,
  phase: 'observing',
  since: 1,
  excluded: [],
  decision: { at: 1, by: 'start', reasons: [] },
  comparisons: [],
};

describe.each(adapters)('the canary in %s', (_name, open) => {
  let store: Store;
  let close: () => Promise<void>;
  beforeEach(async () => {
    ({ store, close } = await open());
    await store.rooms.create(roomRecord('a'));
    await store.sessions.gatewayAlive('gw_test');
  });
  afterEach(() => close());

  /** The nodes report again, so that placement applies the record. */
  async function written(canary: Canary): Promise<void> {
    await store.canary.write(1, canary, '');
    for (const [id, revision] of [
      ['nd_1', 'v1'],
      ['nd_2', 'v2'],
      ['nd_3', 'v3'],
    ] as const)
      await store.nodes.report(nodeReport(id, { revision, capacity: 4 }));
  }
  const joined = async (count: number): Promise<string[]> => {
    const nodes: string[] = [];
    for (let index = 0; index < count; index++) nodes.push((await joinAs(store, newcomer('rm_a'))).member.nodeId);
    return nodes;
  };

  test('without a record, versions do not count', async () => {
    await store.nodes.report(nodeReport('nd_1', { revision: 'v1' }));
    await store.nodes.report(nodeReport('nd_2', { revision: 'v2', load: { cpu: 0.5 } }));
    expect(await store.canary.read()).toBeUndefined();
    expect(await store.canary.order({ kind: 'reset', by: 'test' })).toBe(false);
    expect(await joined(1)).toEqual(['nd_1']);
  });

  test('all joins go to the candidate with a share of 1, none with a share of 0', async () => {
    await written({ ...observing, share: 1 });
    expect(await joined(2)).toEqual(['nd_2', 'nd_2']);
    await written(observing);
    expect(await joined(2)).toEqual(['nd_1', 'nd_1']);
  });

  test('a join goes to the other side when its own has no capacity, and to no third version', async () => {
    await written(observing);
    expect(await joined(8)).toEqual([...Array<string>(4).fill('nd_1'), ...Array<string>(4).fill('nd_2')]);
    await expect(joined(1)).rejects.toMatchObject({ code: 'NO_CAPACITY' });
  });

  test('an excluded version gets no participants, even without another', async () => {
    await written({ ...observing, phase: 'evacuating', excluded: ['v2'] });
    await store.nodes.remove('nd_1');
    await expect(joined(1)).rejects.toMatchObject({ code: 'NO_CAPACITY' });
  });

  test('an order stays until the leader has carried it out, and a later one survives that', async () => {
    await written(observing);
    const [first, second] = [
      { kind: 'promote', by: 'ada' },
      { kind: 'evacuate', by: 'bob' },
    ] as const;
    expect(await store.canary.order(first)).toBe(true);
    expect(await store.canary.read()).toEqual({ canary: observing, evidence: '', order: first });
    await store.canary.order(second);
    await store.canary.write(1, observing, 'x', first);
    expect(await store.canary.read()).toEqual({ canary: observing, evidence: 'x', order: second });
    await store.canary.write(1, observing, 'x', second);
    expect((await store.canary.read())?.order).toBeUndefined();
    await store.canary.remove(1);
    expect(await store.canary.read()).toBeUndefined();
  });

  test('the topology shows versions and the canary without its figures', async () => {
    await written(observing);
    const { comparisons: _comparisons, ...shown } = observing;
    for (const vertices of [(await store.topology()).vertices, await store.pulse()]) {
      expect(vertices).toContainEqual({ kind: 'canary', id: 'canary', ...shown });
      expect(vertices).toContainEqual(expect.objectContaining({ kind: 'node', id: 'nd_2', version: 'v2' }));
    }
  });
});

test('a leader whose term has ended writes nothing', async () => {
  const { store, close } = await adapters[1]![1]();
  await store.leases.acquire(plannerLease, 'first', 10_000);
  await store.leases.release(plannerLease, 'first');
  const term = (await store.leases.acquire(plannerLease, 'second', 10_000))!;
  expect(await store.canary.write(term, observing, '')).toBe(true);
  expect(await store.canary.write(term - 1, { ...observing, stable: 'v0' }, '')).toBe(false);
  await store.canary.remove(term - 1);
  expect((await store.canary.read())?.canary).toEqual(observing);
  await close();
});
