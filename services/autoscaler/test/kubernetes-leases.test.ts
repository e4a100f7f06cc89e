import { createLogger } from '@flotilla/runtime';
import type { V1Lease } from '@kubernetes/client-node';
import { describe, expect, test, vi } from 'vitest';
import { KubernetesLeases, type LeaseRequests, type LeaseSpec } from '../src/kubernetes/lease.ts';

const log = createLogger({ service: 'test', level: 'silent' });

/** The leases of an API server: each write changes the version, and one that is based on another version is refused. */
class Requests implements LeaseRequests {
  #lease: V1Lease | undefined;
  #version = 0;
  createdAt: Date | undefined;
  mayCreate = true;

  delete(): void {
    this.#lease = undefined;
  }

  async readLease(): Promise<V1Lease | undefined> {
    return this.#lease;
  }

  async writeLease(
    _name: string,
    { holder, ttlMs, transitions }: LeaseSpec,
    previous: V1Lease | undefined,
  ): Promise<V1Lease | undefined> {
    if (!previous && !this.mayCreate) throw new Error('403');
    if (previous?.metadata?.resourceVersion !== this.#lease?.metadata?.resourceVersion) return undefined;
    const creationTimestamp = previous ? previous.metadata?.creationTimestamp : this.createdAt;
    this.#lease = {
      metadata: { ...(creationTimestamp && { creationTimestamp }), resourceVersion: String(++this.#version) },
      spec: { holderIdentity: holder, leaseDurationSeconds: ttlMs / 1000, leaseTransitions: transitions },
    };
    return this.#lease;
  }
}

function stage() {
  const clock = { now: 0 };
  const requests = new Requests();
  const instance = () => new KubernetesLeases(requests, log, () => clock.now);
  return { clock, requests, one: instance(), other: instance() };
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

  test('is created again when it was deleted, with a term above those before', async () => {
    const { requests, one, other } = stage();
    requests.createdAt = new Date('2026-11-30T00:00:00Z');
    const before = [await one.acquire('scaling', 'a', 8000)];
    await one.release('scaling', 'a');
    before.push(await other.acquire('scaling', 'b', 8000));
    requests.delete();
    requests.createdAt = new Date('2026-11-30T00:00:01Z');
    expect(await other.renew('scaling', 'b', 8000)).toBe(false);
    const after = await one.acquire('scaling', 'a', 8000);
    expect(after).toBeGreaterThan(Math.max(...before.map(Number)));
    expect(Number.isSafeInteger(after)).toBe(true);
  });

  test('that is missing and may not be created is warned of once, until it is there again', async () => {
    const { requests, one } = stage();
    const warn = vi.spyOn(log, 'warn');
    requests.mayCreate = false;
    const fails = async (): Promise<void> => expect(one.acquire('scaling', 'a', 8000)).rejects.toThrow('403');
    await fails();
    await fails();
    expect(warn.mock.calls.map(([fields]) => (fields as { lease?: string }).lease)).toEqual(['scaling']);
    requests.mayCreate = true;
    await one.acquire('scaling', 'a', 8000);
    await one.acquire('scaling', 'a', 8000);
    requests.delete();
    requests.mayCreate = false;
    await fails();
    expect(warn).toHaveBeenCalledTimes(2);
    warn.mockRestore();
  });

  test('is not released by an instance that does not hold it', async () => {
    const { one, other } = stage();
    await one.acquire('scaling', 'a', 8000);
    await other.release('scaling', 'b');
    expect(await one.renew('scaling', 'a', 8000)).toBe(true);
  });
});
