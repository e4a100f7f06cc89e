import { describe, expect, test } from 'vitest';
import {
  addCrash,
  addSample,
  type ComparedSide,
  confidenceOf,
  noCrashEvidence,
  noMeanEvidence,
} from '../../src/canary/evidence.ts';

type Random = () => number;

/** Mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const runs = 200;
const samplesOfRun = 400;
const confidence = 0.95;
const tolerance = 0.05;

/** Costs in [0, 1] with the given means, of different shapes. */
const shapes: Record<string, (mean: number) => (random: Random) => number> = {
  constant: (mean) => () => mean,
  'all or nothing': (mean) => (random) => Number(random() < mean),
  uniform: (mean) => (random) => random() * 2 * mean,
  'mostly none, rarely all': (mean) => (random) => (random() < mean / 0.9 ? 0.9 : 0),
};

interface Found {
  readonly worse: boolean;
  readonly asGood: boolean;
  /** Those of the candidate until then. */
  readonly samples: number;
}

/** One observation that is looked at after each sample, until something is shown. */
function observe(
  seed: number,
  share: number,
  costs: Record<ComparedSide, (random: Random) => number>,
  longest = samplesOfRun,
): Found {
  const random = randomOf(seed);
  let evidence = noMeanEvidence;
  for (let count = 0; count < longest; count++) {
    const side = random() < share ? 'candidate' : 'stable';
    evidence = addSample(evidence, side, costs[side](random), tolerance);
    const worse = confidenceOf(evidence.worse) >= confidence;
    const asGood = confidenceOf(evidence.asGood) >= confidence;
    if (worse || asGood) return { worse, asGood, samples: evidence.candidate.samples };
  }
  return { worse: false, asGood: false, samples: evidence.candidate.samples };
}

function observations(
  share: number,
  stable: (random: Random) => number,
  candidate: (random: Random) => number,
): { worse: number; asGood: number } {
  const found = Array.from({ length: runs }, (_, run) => observe(run + 1, share, { stable, candidate }));
  const part = (key: 'worse' | 'asGood'): number => found.filter((each) => each[key]).length / runs;
  return { worse: part('worse'), asGood: part('asGood') };
}

describe.each(Object.entries(shapes))('the comparison of means, costs %s', (_name, costOf) => {
  test.each([{ share: 0.05 }, { share: 0.5 }])(
    'calls a version at the tolerance worse, or as good, in at most one of 20 observations, at a share of $share',
    ({ share }) => {
      const { worse, asGood } = observations(share, costOf(0.2), costOf(0.2 + tolerance));
      expect(worse).toBeLessThanOrEqual(1 - confidence);
      expect(asGood).toBeLessThanOrEqual(1 - confidence);
    },
  );

  test('calls a version of the same mean worse in at most one of 20 observations, whatever its spread', () => {
    for (const other of Object.values(shapes))
      expect(observations(0.3, costOf(0.2), other(0.2)).worse).toBeLessThanOrEqual(1 - confidence);
  });

  test('calls a version that is much worse that in 19 of 20 observations', () => {
    expect(observations(0.2, costOf(0.05), costOf(0.4)).worse).toBeGreaterThanOrEqual(0.95);
  });
});

test('a pair is made of all samples of one version since the last pair', () => {
  let evidence = noMeanEvidence;
  for (const cost of [0, 0.2, 0.4]) evidence = addSample(evidence, 'stable', cost, 0);
  expect(confidenceOf(evidence.worse)).toBe(0);
  const bet = addSample(evidence, 'candidate', 1, 0);
  const single = addSample(addSample(noMeanEvidence, 'stable', 0.2, 0), 'candidate', 1, 0);
  for (const [index, capital] of bet.worse.entries()) expect(capital).toBeCloseTo(single.worse[index]!, 10);
  expect(bet.unpaired).toEqual(noMeanEvidence.unpaired);
});

test('equal costs show after a hundred pairs that a version is as good', () => {
  let evidence = noMeanEvidence;
  for (let pair = 0; pair < 110; pair++)
    for (const side of ['stable', 'candidate'] as const) evidence = addSample(evidence, side, 0.1, tolerance);
  expect(confidenceOf(evidence.asGood)).toBeGreaterThan(confidence);
  expect(confidenceOf(evidence.worse)).toBe(0);
});

test('how many participants of the candidate it takes until something is shown', () => {
  const spread = shapes['uniform']!;
  const lines: string[] = [];
  for (const [share, stable, candidate] of [
    [0.05, 0.1, 0.1],
    [0.5, 0.1, 0.1],
    [0.05, 0.1, 0.3],
    [0.5, 0.1, 0.3],
    [0.05, 0.1, 0.5],
    [0.5, 0.1, 0.5],
  ] as const) {
    const found = Array.from({ length: runs }, (_, run) =>
      observe(run + 1, share, { stable: spread(stable), candidate: spread(candidate) }, 20_000),
    );
    const counts = found.map(({ samples }) => samples).toSorted((a, b) => a - b);
    lines.push(
      `${share * 100} %: ${stable} and ${candidate}: median ${counts[runs / 2]}, 95 % ${counts[Math.floor(runs * 0.95)]}`,
    );
    expect(found.every(({ worse, asGood }) => worse !== asGood)).toBe(true);
  }
  console.log(`candidate's samples, by share and mean costs\n${lines.join('\n')}`);
});

describe('the comparison of crash rates', () => {
  /** The share of observations of 60 crashes in which the candidate is found to crash more often. */
  function found(nodes: Record<ComparedSide, number>, ratio: number): number {
    let count = 0;
    for (let run = 1; run <= runs; run++) {
      const random = randomOf(run);
      let evidence = noCrashEvidence;
      for (let crash = 0; crash < 60; crash++) {
        const ofCandidate = (nodes.candidate * ratio) / (nodes.candidate * ratio + nodes.stable);
        evidence = addCrash(evidence, random() < ofCandidate ? 'candidate' : 'stable', nodes);
        if (confidenceOf(evidence.worse) < confidence) continue;
        count++;
        break;
      }
    }
    return count / runs;
  }

  test.each([
    { stable: 19, candidate: 1 },
    { stable: 5, candidate: 5 },
    { stable: 1, candidate: 9 },
  ])('errs in at most one of 20 observations of $stable stable nodes and $candidate of the candidate', (nodes) => {
    expect(found(nodes, 1)).toBeLessThanOrEqual(1 - confidence);
    expect(found(nodes, 0.2)).toBeLessThanOrEqual(1 - confidence);
  });

  test('finds a candidate that crashes twenty times as often', () => {
    expect(found({ stable: 19, candidate: 1 }, 20)).toBeGreaterThanOrEqual(0.95);
    expect(found({ stable: 5, candidate: 5 }, 20)).toBeGreaterThanOrEqual(0.95);
  });

  test('crashes while only one version runs show nothing', () => {
    let evidence = noCrashEvidence;
    for (let crash = 0; crash < 9; crash++) evidence = addCrash(evidence, 'candidate', { stable: 0, candidate: 1 });
    expect(confidenceOf(evidence.worse)).toBe(0);
    expect(evidence.candidate.crashes).toBe(9);
  });
});
