import { describe, expect, test } from 'vitest';
import { MessageTimes } from '../src/messages.ts';

describe('the messages of a load', () => {
  test('are as many as the users send, however late the load generator is', () => {
    const messages = new MessageTimes(6);
    const turns = [10, 25, 40, 5040, 5050, 60_000];
    const times = turns.flatMap((now) => messages.due(now, 100));
    expect(times).toHaveLength(600);
    expect(times).toEqual(times.toSorted((one, other) => one - other));
  });

  test('were to be sent evenly during a turn that took long', () => {
    const messages = new MessageTimes(60);
    expect(messages.due(4000, 1)).toEqual([1000, 2000, 3000, 4000]);
    expect(messages.due(4500, 1)).toEqual([]);
    expect(messages.due(5000, 1)).toEqual([5000]);
  });
});
