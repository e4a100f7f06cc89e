import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../src/index.ts';
import { adapters } from './adapters.ts';

describe.each(adapters)('leases in %s', (_name, open) => {
  let store: Store;
  let close: () => Promise<void>;

  beforeEach(async () => {
    ({ store, close } = await open());
  });
  afterEach(() => close());

  test('one of several parallel requests for a lease succeeds', async () => {
    const terms = await Promise.all(
      Array.from({ length: 20 }, (_, index) => store.leases.acquire('plan', `h${index}`, 10_000)),
    );
    expect(terms.filter((term) => term !== undefined)).toEqual([1]);
  });

  test('leases of different names are independent', async () => {
    expect(await store.leases.acquire('a', 'h', 10_000)).toBe(1);
    expect(await store.leases.acquire('b', 'h', 10_000)).toBe(1);
  });

  test('only the holder renews and releases a lease; the next term is higher', async () => {
    await store.leases.acquire('plan', 'h1', 10_000);
    expect(await store.leases.renew('plan', 'h2', 10_000)).toBe(false);
    expect(await store.leases.renew('plan', 'h1', 10_000)).toBe(true);
    await store.leases.release('plan', 'h2');
    expect(await store.leases.acquire('plan', 'h2', 10_000)).toBeUndefined();
    await store.leases.release('plan', 'h1');
    await store.leases.release('plan', 'h1');
    expect(await store.leases.acquire('plan', 'h2', 10_000)).toBe(2);
  });

  test('a lease expires unless it is renewed, and an expired one can not be renewed', async () => {
    await store.leases.acquire('plan', 'h1', 50);
    const term = await waitFor('it runs out', async () => {
      const term = await store.leases.acquire('plan', 'h2', 10_000);
      return term ?? notYet('h1 has it');
    });
    expect(term).toBe(2);
    expect(await store.leases.renew('plan', 'h1', 10_000)).toBe(false);
    await store.leases.release('plan', 'h1');
    expect(await store.leases.renew('plan', 'h2', 10_000)).toBe(true);
  });

  test('a renewal counts from its own time', async () => {
    await store.leases.acquire('plan', 'h1', 1000);
    expect(await store.leases.renew('plan', 'h1', 60_000)).toBe(true);
    const began = performance.now();
    await waitFor('the first time is over', () => {
      if (performance.now() - began < 1200) notYet('it is not');
    });
    expect(await store.leases.acquire('plan', 'h2', 50)).toBeUndefined();
  });
});
