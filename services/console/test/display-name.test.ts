import { describe, expect, test } from 'vitest';
import { displayNameProblem } from '../web/call/room-name.ts';

describe('the name field of the lobby', () => {
  test('takes a name with characters that cannot be seen, which the server removes', () => {
    expect(displayNameProblem('\u200Fمحمد\u200Cرضا')).toBeUndefined();
    expect(displayNameProblem(`${'a'.repeat(64)}\u200B`)).toBeUndefined();
  });

  test('asks for a name when nothing can be seen, and for a shorter one above 64 characters', () => {
    for (const blank of ['', ' ', '\u200B', '\u2800', '\uE000'])
      expect(displayNameProblem(blank)).toBe('Enter your name. Others in the call see it.');
    expect(displayNameProblem('a'.repeat(65))).toBe('A name has at most 64 characters.');
  });
});
