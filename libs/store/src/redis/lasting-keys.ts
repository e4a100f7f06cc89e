import type { Redis } from 'ioredis';
import { fleetKeysOf } from './keys.ts';
import { answersOf } from './script-client.ts';

/** See RedisStore.lastingKeys. */
export async function lastingKeys(redis: Redis, namespace: string): Promise<string[]> {
  const found = new Set<string>();
  const pages = redis.scanStream({ match: `${namespace}:*`, count: 1000 });
  for await (const page of pages as AsyncIterable<string[]>) for (const key of page) found.add(key);
  for (const key of fleetKeysOf(namespace)) found.delete(key);
  const keys = [...found];
  if (keys.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const key of keys) pipeline.pttl(key);
  const ttls = answersOf(await pipeline.exec());
  // -1: without a time to live. -2: deleted meanwhile.
  return keys.filter((_, index) => ttls[index] === -1).toSorted();
}
