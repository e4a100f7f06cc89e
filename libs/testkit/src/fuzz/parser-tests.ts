import { describe, expect, test } from 'vitest';
import { seedsIn } from './corpus.ts';
import { checkedOutcome, fuzz, type Parser } from './fuzz.ts';

/**
 * Declares the tests of a parser: each seed of its corpus has the outcome that its folder names, and with mutated seeds the parser keeps its
 * contract.
 */
export function testParser(name: string, corpus: URL, parser: Parser): void {
  const seeds = seedsIn(corpus);
  describe.each([name])('%s', () => {
    test.each(seeds)('seed $name has the outcome $outcome', async ({ outcome, bytes }) => {
      expect(await checkedOutcome(parser, bytes)).toBe(outcome);
    });

    test(
      'mutated seeds are accepted or refused with a documented error, within bounds of time and memory',
      async () => {
        expect(await fuzz(parser, seeds)).toBeGreaterThan(0);
      },
      (Number(process.env['FUZZ_SECONDS'] ?? 0) + 60) * 1000,
    );
  });
}
