import { MemoryStore } from '@flotilla/store';
import { MemoryEventLog } from '@flotilla/bus';
import { createLogger } from '@flotilla/runtime';
import { describe, expect, test } from 'vitest';
import { Leadership } from '../src/leadership.ts';

const log = createLogger({ service: 'test', level: 'fatal' });

/** Redis's clock and the monotonic clocks of two instances, which advance together unless an instance is stopped. */
function stage() {
  const clock = { now: 0 };
  const { leases } = new MemoryStore(new MemoryEventLog(), () => clock.now);
  const instance = (store = leases) => new Leadership(store, 'plan', log, () => clock.now);
  return { clock, leases, instance };
}

describe('leadership', () => {
  test('one of two instances leads, and the other after the first stops renewing', async () => {
    const { clock, instance } = stage();
    const [one, other] = [instance(), instance()];
    await one.keep();
    await other.keep();
    expect([one.leads, other.leads]).toEqual([true, false]);
    clock.now += 1500;
    await one.keep();
    clock.now += 1500;
    await other.keep();
    expect([one.leads, other.leads]).toEqual([true, false]);
    clock.now += 500;
    await other.keep();
    expect([one.leads, other.leads, other.term]).toEqual([false, true, 2]);
  });

  test('a leader that was stopped sees its expired lease before its next renewal', async () => {
    const { clock, instance } = stage();
    const [one, other] = [instance(), instance()];
    await one.keep();
    clock.now += 10_000;
    expect(one.leads).toBe(false);
    await other.keep();
    await one.keep();
    expect([one.leads, one.term, other.leads]).toEqual([false, undefined, true]);
  });

  test('the lease counts from the time before the request', async () => {
    const { clock, leases, instance } = stage();
    const slow = {
      acquire: async (...args: Parameters<typeof leases.acquire>) => {
        const term = await leases.acquire(...args);
        clock.now += 1900;
        return term;
      },
      renew: leases.renew.bind(leases),
      release: leases.release.bind(leases),
    };
    const late = new Leadership(slow, 'plan', log, () => clock.now);
    await late.keep();
    expect(late.leads).toBe(false);
    expect(instance().leads).toBe(false);
  });

  test('while the store is unavailable leadership ends with the lease; the term continues if the store returns in time', async () => {
    const { clock, leases } = stage();
    let away = false;
    const flaky = <T>(work: () => Promise<T>): Promise<T> => (away ? Promise.reject(new Error('away')) : work());
    const one = new Leadership(
      {
        acquire: (...args) => flaky(() => leases.acquire(...args)),
        renew: (...args) => flaky(() => leases.renew(...args)),
        release: (...args) => flaky(() => leases.release(...args)),
      },
      'plan',
      log,
      () => clock.now,
    );
    await one.keep();
    away = true;
    clock.now += 1000;
    await one.keep();
    expect(one.leads).toBe(true);
    clock.now += 800;
    expect(one.leads).toBe(false);
    away = false;
    await one.keep();
    expect([one.leads, one.term]).toEqual([true, 1]);
  });

  test('stop releases the lease, and another instance leads at once', async () => {
    const { instance } = stage();
    const [one, other] = [instance(), instance()];
    await one.keep();
    await one.stop();
    await other.keep();
    expect([one.leads, other.leads]).toEqual([false, true]);
  });
});
