import type { CanaryComparison, CanaryCrashes } from '@flotilla/contracts';
import { z } from 'zod';
import {
  addSample,
  type ComparedSide,
  confidenceOf,
  CrashEvidence,
  MeanEvidence,
  noCrashEvidence,
  noMeanEvidence,
  totalOf,
} from './evidence.ts';

/** What is compared as a cost, see CanaryComparison. */
export const measures = ['quality', 'loss', 'gap'] as const;
export type Measure = (typeof measures)[number];

/** What each participant gives a sample of. A version is promoted only when these are compared. */
export const requiredMeasures: readonly Measure[] = ['quality', 'loss'];

/** Number of tests of which any may evacuate the candidate: the measures and the crashes. Each may err with a part of the probability. */
const tests = measures.length + 1;

/** All that an observation has found. Persisted, so that the next leader continues. */
export const Evidence = z.object({
  quality: MeanEvidence,
  loss: MeanEvidence,
  gap: MeanEvidence,
  crashes: CrashEvidence,
  /** Deaths of each process of the candidate, by its name. */
  deaths: z.record(z.string(), z.int().positive()),
});
export type Evidence = z.infer<typeof Evidence>;

export const noEvidence: Evidence = {
  quality: noMeanEvidence,
  loss: noMeanEvidence,
  gap: noMeanEvidence,
  crashes: noCrashEvidence,
  deaths: {},
};

/** The evidence of a previous leader; none when this version cannot read it. */
export function parseEvidence(text: string): Evidence {
  try {
    return Evidence.parse(JSON.parse(text));
  } catch {
    return noEvidence;
  }
}

export interface Sample {
  readonly side: ComparedSide;
  readonly measure: Measure;
  /** 0 (best) to 1. */
  readonly cost: number;
}

export const withSample = (evidence: Evidence, { side, measure, cost }: Sample, tolerance: number): Evidence => ({
  ...evidence,
  [measure]: addSample(evidence[measure], side, Math.min(1, Math.max(0, cost)), tolerance),
});

export function comparisonsOf(evidence: Evidence): CanaryComparison[] {
  return measures.map((measure) => {
    const { stable, candidate, worse, asGood } = evidence[measure];
    return {
      measure,
      stable: totalOf(stable),
      candidate: totalOf(candidate),
      worse: confidenceOf(worse, tests),
      // All required measures must show it, so that none needs to be surer than asked.
      asGood: confidenceOf(asGood),
    };
  });
}

export const crashesOf = ({ crashes: { stable, candidate, worse } }: Evidence): CanaryCrashes => ({
  stable,
  candidate,
  worse: confidenceOf(worse, tests),
});
