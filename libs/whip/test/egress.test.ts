import { FlotillaError } from '@flotilla/contracts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { subscribeAgain } from '../src/egress.ts';

type Session = Parameters<typeof subscribeAgain>[0];

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the subscription to a replaced producer', () => {
  /** A session whose first requests fail. */
  function sessionFailing(times: number) {
    const session = { requests: 0, ended: false, end: vi.fn() };
    const request = async () => {
      session.requests++;
      if (session.requests <= times) throw new FlotillaError('UNAVAILABLE');
      return { subscriptions: [], failed: [] };
    };
    return Object.assign(session, { request: request as unknown as Session['request'] });
  }

  test('is requested again after a failure', async () => {
    const session = sessionFailing(4);
    const done = subscribeAgain(session, 'pub_1', () => true);
    await vi.runAllTimersAsync();
    await done;
    expect(session.requests).toBe(5);
    expect(session.end).not.toHaveBeenCalled();
  });

  test('ends the session when all attempts fail', async () => {
    const session = sessionFailing(100);
    const done = subscribeAgain(session, 'pub_1', () => true);
    await vi.runAllTimersAsync();
    await done;
    expect(session.requests).toBe(5);
    expect(session.end).toHaveBeenCalledExactlyOnceWith('subscription_failed');
  });

  test('is given up without an end of the session when there is yet another producer', async () => {
    const session = sessionFailing(100);
    const done = subscribeAgain(session, 'pub_1', () => session.requests < 2);
    await vi.runAllTimersAsync();
    await done;
    expect(session.requests).toBe(2);
    expect(session.end).not.toHaveBeenCalled();
  });
});
