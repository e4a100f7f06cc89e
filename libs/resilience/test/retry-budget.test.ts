import { describe, expect, test } from 'vitest';
import { RetryBudget, withRetries } from '../src/index.ts';

/** The number of retries that are allowed now. */
function taken(budget: RetryBudget): number {
  let count = 0;
  while (budget.take()) count++;
  return count;
}

describe('a budget of retries', () => {
  test('allows one retry for ten calls of the last 10 s', () => {
    let now = 0;
    const budget = new RetryBudget({ now: () => now });
    for (let call = 0; call < 1000; call++) {
      budget.called();
      now += 9;
    }
    expect(taken(budget)).toBe(100);
    now += 5000;
    expect(taken(budget)).toBe(0);
    // All calls and retries have left the window.
    now += 10_000;
    expect(taken(budget)).toBe(10);
  });

  test('allows 10 retries in 10 s to few calls', () => {
    expect(taken(new RetryBudget())).toBe(10);
  });

  test('counts an essential retry, and allows it always', () => {
    const budget = new RetryBudget();
    for (let retry = 0; retry < 15; retry++) expect(budget.take(true)).toBe(true);
    expect(budget.take()).toBe(false);
  });

  test('is forgotten after a long pause', () => {
    let now = 0;
    const budget = new RetryBudget({ now: () => now });
    for (let call = 0; call < 1000; call++) budget.called();
    now = 1e9;
    expect(taken(budget)).toBe(10);
  });
});

describe('work that is repeated', () => {
  const failing = (limits: Partial<Parameters<typeof withRetries>[0]> = {}) => {
    const attempts: number[] = [];
    let taken = 0;
    const take = (): boolean => ++taken <= 2;
    const done = withRetries({ retries: 5, when: () => true, take, ...limits }, async (attempt) => {
      attempts.push(attempt);
      throw new Error(`attempt ${attempt}`);
    });
    return done.catch(({ message }: Error) => ({ message, attempts, taken }));
  };

  test('ends with the last error when the budget is used up', async () => {
    expect(await failing()).toEqual({ message: 'attempt 2', attempts: [0, 1, 2], taken: 3 });
  });

  test('takes nothing from the budget after the last attempt, nor for another error', async () => {
    expect(await failing({ retries: 1 })).toEqual({ message: 'attempt 1', attempts: [0, 1], taken: 1 });
    expect(await failing({ when: () => false })).toEqual({ message: 'attempt 0', attempts: [0], taken: 0 });
  });

  test('ends with the first result', async () => {
    const result = await withRetries({ retries: 3, when: () => true, take: () => true }, async (attempt) => {
      if (attempt < 2) throw new Error('not yet');
      return attempt;
    });
    expect(result).toBe(2);
  });
});
