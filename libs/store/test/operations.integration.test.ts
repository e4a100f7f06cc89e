import { keptScalings, maxExperiments, type RunningExperiment, type ScalingRecord } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { notYet, testBrokers, uniqueName, waitFor } from '@flotilla/testkit';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RedisStore, type Store } from '../src/index.ts';
import { adapters } from './adapters.ts';

const scaling = (at: number): ScalingRecord => ({
  ...{ at, nodes: 3, before: 2, cause: 'sessions', sessions: 210, expectedSessions: 230.5, cpu: 1.2 },
});
const experiment = (name: string, ms = 60_000): RunningExperiment => ({
  ...{ name, summary: 'kills an SFU node', by: 'API key ops', startedAt: 1000, endsAt: 1000 + ms },
});

describe.each(adapters)('the state for operators in %s', (_name, open) => {
  let store: Store;
  let close: () => Promise<void>;
  beforeEach(async () => {
    ({ store, close } = await open());
  });
  afterEach(() => close());

  test(`keeps the newest ${keptScalings} decisions`, async () => {
    expect(await store.operations.scalings()).toEqual([]);
    for (let at = 1; at <= keptScalings + 3; at++) await store.operations.recordScaling(scaling(at));
    const kept = await store.operations.scalings();
    expect(kept).toHaveLength(keptScalings);
    expect(kept[0]).toEqual(scaling(keptScalings + 3));
    expect(kept.at(-1)).toEqual(scaling(4));
  });

  test('lists an experiment until it is over, was ended, or is replaced by one of its name', async () => {
    const { operations } = store;
    await operations.announce(experiment('short', 50));
    await operations.announce(experiment('kill-sfu'));
    await operations.announce({ ...experiment('kill-sfu'), summary: 'another' });
    await operations.announce(experiment('delay'));
    const names = async () => (await operations.experiments()).map(({ name, summary }) => [name, summary]);
    await waitFor('the short one is over', async () => (await names()).length === 2 || notYet('it is listed'));
    expect(await names()).toEqual([
      ['delay', 'kills an SFU node'],
      ['kill-sfu', 'another'],
    ]);
    await operations.end('delay');
    await operations.end('unknown');
    expect(await names()).toEqual([['kill-sfu', 'another']]);
  });

  test(`takes at most ${maxExperiments} experiments`, async () => {
    for (let index = 0; index < maxExperiments; index++)
      expect(await store.operations.announce(experiment(`e-${index}`))).toBe(true);
    expect(await store.operations.announce(experiment('one-more'))).toBe(false);
    expect(await store.operations.announce(experiment('e-0'))).toBe(true);
  });
});

test('damaged records of decisions and experiments hide no others, and experiments expire', async () => {
  const { redisUrl: url } = testBrokers();
  const namespace = uniqueName('t');
  const store = await RedisStore.connect({ url, namespace, log: createLogger({ service: 'test', level: 'error' }) });
  const redis = new Redis(url);
  await store.operations.recordScaling(scaling(5));
  await redis.zadd(`${namespace}:scalings`, 6, '{"at":6,');
  expect(await store.operations.scalings()).toEqual([scaling(5)]);
  await redis.hset(`${namespace}:experiments`, 'damaged', 'x', 'other', `${Date.now() + 60_000} {}`);
  await store.operations.announce(experiment('kill-sfu', 5000));
  expect(await store.operations.experiments()).toEqual([experiment('kill-sfu', 5000)]);
  expect(await redis.hkeys(`${namespace}:experiments`)).not.toContain('damaged');
  expect(await redis.pttl(`${namespace}:experiments`)).toBeGreaterThan(5000);
  expect(await store.lastingKeys()).toEqual([]);
  redis.disconnect();
  await store.close();
});
