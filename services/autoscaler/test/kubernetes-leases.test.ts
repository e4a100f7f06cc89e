import type { V1Lease } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { KubernetesLeases, type LeaseRequests, type LeaseSpec } from '../src/kubernetes/lease.ts';

/** The leases of an API server: each write changes the version, and one that is based on another version is refused. */
class Requests implements LeaseRequests {
  #lease: V1Lease | undefined;
  #version = 0;

  async readLease(): Promise<V1Lease | undefined> {
    return this.#lease;
  }

  async writeLease(_name: string, { holder, ttlMs, term }: LeaseSpec, previous: V1Lease | undefined): Promise<boolean> {
    if (previous?.metadata?.resourceVersion !== this.#lease?.metadata?.resourceVersion) return false;
    this.#lease = {
      metadata: { resourceVersion: String(++this.#version) },
      spec: { holderIdentity: holder, leaseDurationSeconds: ttlMs / 1000, leaseTransitions: term },
    };
    return true;
  }
}

function stage() {
  const clock = { now: 0 };
  const requests = new Requests();
  const instance = () => new KubernetesLeases(requests, () => clock.now);
  return { clock, one: instance(), other: instance() };
}

describe('a Lease of Kubernetes', () => {
  test('is held by one of two instances at a time, and its term rises with each holder', async () => {
    const { one, other } = stage();
    expect(await one.acquire('scaling', 'a', 8000)).toBe(1);
    expect(await other.acquire('scaling', 'b', 8000)).toBeUndefined();
    expect(await other.renew('scaling', 'b', 8000)).toBe(false);
    await one.release('scaling', 'a');
    expect(await other.acquire('scaling', 'b', 8000)).toBe(2);
    expect(await one.renew('scaling', 'a', 8000)).toBe(false);
  });

  test('expires for another instance when it was not renewed for its duration by its own clock', async () => {
    const { clock, one, other } = stage();
    await one.acquire('scaling', 'a', 8000);
    clock.now = 7000;
    expect(await other.acquire('scaling', 'b', 8000)).toBeUndefined();
    await one.renew('scaling', 'a', 8000);
    clock.now = 15_000;
    expect(await other.acquire('scaling', 'b', 8000)).toBeUndefined();
    clock.now = 22_999;
    expect(await other.acquire('scaling', 'b', 8000)).toBeUndefined();
    clock.now = 23_000;
    expect(await other.acquire('scaling', 'b', 8000)).toBe(2);
  });

  test('is acquired by one of two instances that try at once', async () => {
    const { one, other } = stage();
    const terms = await Promise.all([one.acquire('scaling', 'a', 8000), other.acquire('scaling', 'b', 8000)]);
    expect(terms.filter((term) => term !== undefined)).toEqual([1]);
  });

  test('is not released by an instance that does not hold it', async () => {
    const { one, other } = stage();
    await one.acquire('scaling', 'a', 8000);
    await other.release('scaling', 'b');
    expect(await one.renew('scaling', 'a', 8000)).toBe(true);
  });
});
