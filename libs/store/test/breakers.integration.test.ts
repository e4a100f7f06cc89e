import { Redis } from 'ioredis';
import { testBrokers, uniqueName } from '@flotilla/testkit';
import { createLogger } from '@flotilla/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { maxShownBreakers, RedisStore, type Store } from '../src/index.ts';
import { adapters } from './adapters.ts';

const breaker = (target: string) => ({ caller: 'gateway a', target, state: 'open', since: 1 }) as const;

describe.each(adapters)('open breakers in %s', (_name, open) => {
  let store: Store;
  let close: () => Promise<void>;
  beforeEach(async () => {
    ({ store, close } = await open());
  });
  afterEach(() => close());

  test('a report replaces the one before, and an empty one removes it', async () => {
    await store.breakers.report('p1', [breaker('nd_a'), breaker('nd_b')]);
    await store.breakers.report('p2', [breaker('registry')]);
    await store.breakers.report('p1', [breaker('nd_b')]);
    const targets = async () => (await store.breakers.list()).map(({ target }) => target).toSorted();
    expect(await targets()).toEqual(['nd_b', 'registry']);
    await store.breakers.report('p1', []);
    expect(await targets()).toEqual(['registry']);
  });

  test('they are in the topology and in the pulse', async () => {
    await store.breakers.report('p1', [breaker('nd_a')]);
    const vertex = { kind: 'breaker', id: 'gateway a/nd_a', ...breaker('nd_a') };
    expect((await store.topology()).vertices).toEqual([vertex]);
    expect(await store.pulse()).toEqual([vertex]);
  });

  test(`a process has at most ${maxShownBreakers}`, async () => {
    await store.breakers.report(
      'p1',
      Array.from({ length: 100 }, (_, index) => breaker(`nd_${index}`)),
    );
    expect(await store.breakers.list()).toHaveLength(maxShownBreakers);
  });

  test('a snapshot is written by the holder of its lock alone, and read unless its version is known', async () => {
    const snapshot = { version: 'v1', ageMs: 100, text: '{}' };
    expect(await store.snapshots.write('topology', 'h1', snapshot)).toBe(false);
    expect(await store.snapshots.read('topology', '')).toBeUndefined();
    expect(await store.snapshots.lock('topology', 'h1', 10_000)).toBe(true);
    expect(await store.snapshots.lock('topology', 'h2', 10_000)).toBe(false);
    expect(await store.snapshots.renew('topology', 'h2', 10_000)).toBe(false);
    await store.snapshots.unlock('topology', 'h2');
    expect(await store.snapshots.write('topology', 'h2', snapshot)).toBe(false);
    expect(await store.snapshots.write('topology', 'h1', snapshot)).toBe(true);
    const read = await store.snapshots.read('topology', 'v0');
    expect(read).toMatchObject({ version: 'v1', text: '{}' });
    expect(read!.ageMs).toBeGreaterThanOrEqual(100);
    expect(await store.snapshots.read('topology', 'v1')).toBeUndefined();
    expect(await store.snapshots.read('other', '')).toBeUndefined();
    expect(await store.snapshots.renew('topology', 'h1', 10_000)).toBe(true);
    await store.snapshots.unlock('topology', 'h1');
    expect(await store.snapshots.lock('topology', 'h2', 10_000)).toBe(true);
  });
});

test('reports of processes that have ended are not listed, and removed by the next report', async () => {
  const { redisUrl: url } = testBrokers();
  const namespace = uniqueName('t');
  const store = await RedisStore.connect({ url, namespace, log: createLogger({ service: 'test', level: 'error' }) });
  const redis = new Redis(url);
  await store.breakers.report('p1', [breaker('nd_a')]);
  await redis.hset(`${namespace}:breakers`, 'ended', `1 ${JSON.stringify([breaker('nd_b')])}`, 'damaged', 'x');
  expect(await store.breakers.list()).toEqual([breaker('nd_a')]);
  await store.breakers.report('p2', [breaker('nd_c')]);
  expect((await redis.hkeys(`${namespace}:breakers`)).toSorted()).toEqual(['p1', 'p2']);
  expect(await redis.pttl(`${namespace}:breakers`)).toBeGreaterThan(0);
  await store.breakers.report('p1', []);
  await store.breakers.report('p2', []);
  expect(await redis.exists(`${namespace}:breakers`)).toBe(0);
  redis.disconnect();
  await store.close();
});
