import { describe, expect, test } from 'vitest';
import { fuzz, type Parser, seedsIn } from '../src/fuzz/index.ts';

const seeds = seedsIn(new URL('corpus/length-prefixed/', import.meta.url));

/** Parses a byte with a length, and so many bytes. */
function payloadOf(input: Buffer): Buffer | undefined {
  const [length] = input;
  return length === undefined || input.length !== 1 + length ? undefined : input.subarray(1);
}
const correct: Parser = {
  outcomes: ['accepted', 'refused'],
  outcomeOf: (input) => (payloadOf(input) ? 'accepted' : 'refused'),
  maxBytes: 16_384,
};
const fuzzed = (changes: Partial<Parser>, randomSeed = 1) => fuzz({ ...correct, ...changes }, seeds, { randomSeed });

describe('fuzz', () => {
  test('a seed has the outcome of its folder, and a hexadecimal one is read without its comments', () => {
    const byName = new Map(seeds.map((seed) => [seed.name, seed]));
    expect(byName.get('three-bytes.hex')).toMatchObject({ outcome: 'accepted', bytes: Buffer.from('\x03abc') });
    expect(byName.get('cut-off.txt')).toMatchObject({ outcome: 'refused', bytes: Buffer.from('\tab') });
  });

  test('a parser that keeps its contract is run 2,000 times, or for a second', async () => {
    const startedAt = performance.now();
    const runs = await fuzzed({});
    expect(runs === 2000 || performance.now() - startedAt >= 1000).toBe(true);
  });

  test('a run with the same random seed has the same inputs', async () => {
    const inputsOf = async (randomSeed: number) => {
      const inputs: string[] = [];
      await fuzzed({ outcomeOf: (input) => (inputs.push(input.toString('hex')), 'accepted') }, randomSeed);
      return inputs.slice(0, 100);
    };
    expect(await inputsOf(7)).toEqual(await inputsOf(7));
    expect(await inputsOf(7)).not.toEqual(await inputsOf(8));
  });

  test.each<[string, Partial<Parser>, RegExp]>([
    [
      'an exception that is not documented',
      { outcomeOf: (input) => (input.readUInt8(2) === 0 ? 'accepted' : 'refused') },
      /^RangeError: /,
    ],
    ['an outcome that is not documented', { outcomes: ['accepted'] }, /^Error: the outcome refused is not documented/],
    [
      'time that grows with the square of the length',
      { outcomeOf: (input) => (/(\S+)\s+(\S+)$/.test(input.toString('latin1')) ? 'accepted' : 'refused') },
      /^Error: it took [\d.]+ ms of CPU time, above 50 ms/,
    ],
    [
      'memory for a length that is claimed only',
      {
        outcomeOf: (input) =>
          input.length > 4 && Buffer.alloc(input.readUInt32BE(1) % 2 ** 28).length > 0 ? 'accepted' : 'refused',
      },
      /^Error: it allocated \d+ bytes, above \d+/,
    ],
    ['a rejected promise', { outcomeOf: () => Promise.reject(new TypeError('none')) }, /^TypeError: none/],
  ])('%s is found, and reported with its seed and its input', async (_what, changes, message) => {
    const problem = await fuzzed(changes).catch((error: Error) => error);
    if (!(problem instanceof Error)) return expect.fail('nothing was found');
    expect(problem.message).toMatch(message);
    expect(problem.message).toMatch(/with FUZZ_SEED=1, from the seed (accepted|refused)\/\S+/);
    const [, hex = '-'] = /with \d+ bytes: ([\da-f.]*)/.exec(problem.message) ?? [];
    expect(hex).toMatch(/^([\da-f]{2})*(\.\.\.[\da-f]+)?$/);
  });

  test('JSON is changed value by value, so that most inputs are still JSON', async () => {
    let valid = 0;
    const isJson = (input: Buffer): string => {
      try {
        JSON.parse(input.toString());
        valid++;
        return 'accepted';
      } catch {
        return 'refused';
      }
    };
    const request = { outcome: 'accepted', name: 'one', bytes: Buffer.from('{"id":"1","list":[1,{"a":null}]}') };
    const runs = await fuzz({ ...correct, outcomeOf: isJson, json: true }, [request], { randomSeed: 1 });
    expect(valid / runs).toBeGreaterThan(0.4);
  });
});
