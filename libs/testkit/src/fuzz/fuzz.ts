import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Seed } from './corpus.ts';
import { type Bounds, withinBounds } from './measure.ts';
import { type Material, mutateBytes } from './mutate-bytes.ts';
import { mutateJson } from './mutate-json.ts';
import { Random } from './random.ts';

/** A parser of bytes or text from outside, and its contract. */
export interface Parser {
  /** The outcomes that its contract permits: `accepted`, and the codes of its documented errors. */
  readonly outcomes: readonly string[];
  /**
   * Parses an input, and returns the outcome. Throws for any error that is not documented, and when an accepted value breaks the contract:
   * it does not satisfy its schema, or is another one after it was encoded and parsed again.
   */
  readonly outcomeOf: (input: Buffer) => string | Promise<string>;
  /** Maximum length of an input, in bytes: that of the transport in front of the parser. */
  readonly maxBytes: number;
  /** The seeds are JSON text, whose values are changed too. */
  readonly json?: boolean;
  /** Texts that mean something to the parser. */
  readonly words?: readonly string[];
  /** Default: 50 ms, and 4 MiB and 100 bytes for each byte of the input. */
  readonly bounds?: Partial<Bounds>;
}

export interface FuzzOptions {
  /** Duration, in seconds. Default: FUZZ_SECONDS; without it 2,000 runs, but 1 s at most. */
  readonly seconds?: number | undefined;
  /** First value of the random numbers. Default: FUZZ_SEED, or another one in each run. */
  readonly randomSeed?: number | undefined;
}

const defaultRuns = 2000;
const defaultMs = 1000;
/** Runs between two turns of the event loop. */
const runsPerTurn = 50;

const numberOf = (text: string | undefined): number | undefined => (text ? Number(text) : undefined);

/**
 * Runs a parser with one input. Returns the outcome.
 *
 * @throws Error when the parser breaks its contract.
 */
export async function checkedOutcome(parser: Parser, input: Buffer): Promise<string> {
  const { cpuMs = 50, allocatedBytes = 4 * 2 ** 20 + 100 * input.length } = parser.bounds ?? {};
  const outcome = await withinBounds(() => parser.outcomeOf(input), { cpuMs, allocatedBytes });
  if (!parser.outcomes.includes(outcome)) throw new Error(`the outcome ${outcome} is not documented`);
  // Inputs have `__proto__` with this member.
  if ('polluted' in {}) throw new Error('it changed the prototype of all objects');
  return outcome;
}

const problemWith = (parser: Parser, input: Buffer): Promise<Error | undefined> =>
  checkedOutcome(parser, input).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  );

/** The input without the parts that its problem does not need, as far as they are found in 2 s. */
async function minimised(parser: Parser, input: Buffer, problem: Error): Promise<Buffer> {
  let smallest = input;
  const until = performance.now() + 2000;
  for (let size = input.length >> 1; size >= 1; size >>= 1)
    for (let at = 0; at < smallest.length && performance.now() < until;) {
      const candidate = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + size)]);
      if ((await problemWith(parser, candidate))?.name === problem.name) smallest = candidate;
      else at += size;
    }
  return smallest;
}

/** Longer inputs are reported without their middle. */
const mostHex = 1024;
const hexOf = (bytes: Buffer): string => {
  const hex = bytes.toString('hex');
  return hex.length <= mostHex ? hex : `${hex.slice(0, mostHex / 2)}...${hex.slice(-mostHex / 2)}`;
};

/**
 * Runs a parser with mutated seeds. Returns the number of runs.
 *
 * @throws Error with the seed, the input in hexadecimal and the value of FUZZ_SEED when the parser breaks its contract.
 */
export async function fuzz(
  parser: Parser,
  seeds: readonly Seed[],
  {
    seconds = numberOf(process.env['FUZZ_SECONDS']),
    randomSeed = numberOf(process.env['FUZZ_SEED']),
  }: FuzzOptions = {},
): Promise<number> {
  const first = randomSeed ?? Math.floor(Math.random() * 2 ** 32);
  const random = new Random(first);
  const { maxBytes, words = [] } = parser;
  const material: Material = { random, maxBytes, words, others: seeds.map(({ bytes }) => bytes) };
  const until = performance.now() + (seconds === undefined ? defaultMs : seconds * 1000);
  const mostRuns = seconds === undefined ? defaultRuns : Infinity;
  let runs = 0;
  for (; runs < mostRuns && performance.now() < until; runs++) {
    if (runs % runsPerTurn === 0) await nextTurn();
    const seed = random.of(seeds);
    const mutate = parser.json && !random.oneIn(3) ? mutateJson : mutateBytes;
    const input = mutate(seed.bytes, material);
    const problem = await problemWith(parser, input);
    if (!problem) continue;
    const smallest = await minimised(parser, input, problem);
    const found = [
      `${problem.name}: ${problem.message}`,
      `run ${runs} with FUZZ_SEED=${first}, from the seed ${seed.outcome}/${seed.name}`,
      `input of ${input.length} bytes: ${hexOf(input)}`,
      `the same problem with ${smallest.length} bytes: ${hexOf(smallest)}`,
      'Keep it as a seed: a file NAME.hex in the folder of the outcome that it should have.',
    ];
    throw new Error(found.join('\n'), { cause: problem });
  }
  return runs;
}
