import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LatestValue } from '../src/room/latest-value.ts';

describe('LatestValue', () => {
  test('applies one value at a time and the last one last, in whatever order values are set', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 3 })), { minLength: 1 }), async (calls) => {
        const applied: boolean[] = [];
        let running = 0;
        const latest = new LatestValue<boolean>(async (value) => {
          expect(++running).toBe(1);
          await Promise.resolve();
          applied.push(value);
          running--;
        });
        const done: Promise<void>[] = [];
        for (const [value, turns] of calls) {
          done.push(latest.set(value));
          for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        }
        await Promise.all(done);
        expect(applied.at(-1)).toBe(calls.at(-1)![0]);
      }),
    );
  });

  test('rejects when the last value fails, and not when an earlier one does', async () => {
    const latest = new LatestValue<string>(async (value) => {
      if (value === 'bad') throw new Error('refused');
    });
    await expect(latest.set('bad')).rejects.toThrow('refused');
    const done = [latest.set('bad'), latest.set('good')];
    await Promise.all(done);
  });
});
