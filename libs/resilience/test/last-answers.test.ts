import { afterEach, describe, expect, test, vi } from 'vitest';
import { LastAnswers } from '../src/index.ts';

describe('last answers', () => {
  afterEach(() => void vi.useRealTimers());

  test('are kept with their age, each in place of the one before', () => {
    vi.useFakeTimers();
    const answers = new LastAnswers();
    answers.set('a', 'one');
    answers.set('a', 'two');
    vi.advanceTimersByTime(1500);
    expect(answers.get('a')).toEqual({ text: 'two', ageMs: 1500 });
    answers.delete('a');
    expect(answers.get('a')).toBeUndefined();
  });

  test('are bounded in number, length and age', () => {
    vi.useFakeTimers();
    const answers = new LastAnswers({ maxAnswers: 3, maxLength: 10, keptMs: 1000 });
    for (const key of ['a', 'b', 'c', 'd']) answers.set(key, '12');
    expect(['a', 'b', 'c', 'd'].filter((key) => answers.get(key))).toEqual(['b', 'c', 'd']);
    answers.set('e', '1234567');
    expect(['b', 'c', 'd', 'e'].filter((key) => answers.get(key))).toEqual(['d', 'e']);
    answers.set('f', '12345678901');
    expect(answers.get('f')).toBeUndefined();
    vi.advanceTimersByTime(1001);
    expect(answers.get('e')).toBeUndefined();
  });
});
