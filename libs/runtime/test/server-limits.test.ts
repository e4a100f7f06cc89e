import { describe, expect, test } from 'vitest';
import { AddressMap } from '../src/address-map.ts';
import { AddressRates } from '../src/address-rates.ts';
import { ServerLimits } from '../src/server-limits.ts';
import { TokenBucket } from '../src/token-bucket.ts';

describe('server limits', () => {
  const limits = (settings = {}) =>
    new ServerLimits({ sockets: 6, socketsPerSecond: 100, requestsPerSecond: 1, ...settings });

  test('accept sockets of an address up to their number, and more when some have closed', () => {
    const server = limits();
    const releases = Array.from({ length: 6 }, () => server.accept('a', 0));
    expect(server.accept('a', 0)).toBeUndefined();
    expect(server.accept('b', 0)).toBeDefined();
    releases[0]!();
    releases[0]!();
    expect(server.accept('a', 0)).toBeDefined();
    expect(server.accept('a', 0)).toBeUndefined();
  });

  test('accept sockets of an address at their rate, and requests at theirs', () => {
    const server = limits({ sockets: 1000, socketsPerSecond: 2 });
    const accepted = Array.from({ length: 30 }, () => server.accept('a', 0)).filter(Boolean);
    expect(accepted).toHaveLength(20);
    expect([server.accept('a', 500), server.accept('a', 500)].map(Boolean)).toEqual([true, false]);
    const taken = Array.from({ length: 30 }, () => server.mayRequest('a', 0)).filter(Boolean);
    expect(taken).toHaveLength(10);
    expect(['b', 'a', 'a'].map((address) => server.mayRequest(address, 1000))).toEqual([true, true, false]);
  });

  test('take a /64 network of IPv6 for one address', () => {
    const server = limits();
    const counts = Array.from({ length: 10 }, (_, host) => server.accept(`2001:db8::${host}`, 0)).filter(Boolean);
    expect(counts).toHaveLength(6);
    expect(server.accept('2001:db8:0:1::1', 0)).toBeDefined();
  });
});

describe('addresses', () => {
  const newMap = () =>
    new AddressMap((now) => {
      const rate = new TokenBucket(1, 10, now);
      return { open: 0, rate, rates: [rate] };
    });

  test('are tracked in a bounded number, and never evicted with an open connection', () => {
    const addresses = newMap();
    const kept = addresses.of('open', 0);
    const disconnect = addresses.connect(kept);
    for (let index = 0; index < 50_000; index++) addresses.connect(addresses.of(`address-${index}`, 0))();
    expect(addresses.size).toBeLessThanOrEqual(10_001);
    expect(addresses.of('open', 0)).toBe(kept);
    expect(addresses.open).toBe(1);
    disconnect();
    disconnect();
    expect(addresses.open).toBe(0);
  });

  test('whose rate is in use stay when others are evicted', () => {
    const addresses = newMap();
    addresses.of('busy', 0).rate.take(0, 10);
    for (let index = 0; index < 20_000; index++) addresses.of(`address-${index}`, 0);
    expect(addresses.of('busy', 0).rate.has(0)).toBe(false);
  });

  test('have a rate each', () => {
    const rates = new AddressRates(1);
    const taken = Array.from({ length: 11 }, () => rates.take('a', 0));
    expect(taken).toEqual([...Array.from({ length: 10 }, () => true), false]);
    expect([rates.take('b', 0), rates.take('a', 0), rates.take('a', 1000)]).toEqual([true, false, true]);
  });
});
