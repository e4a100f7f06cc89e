import { z } from 'zod';

/** One of the two versions that are compared. */
export type ComparedSide = 'stable' | 'candidate';

/** Stakes of the bets on a difference of means, as fractions of the largest. Small ones find small differences, large ones large differences sooner. */
const stakes = [0.05, 0.2, 0.5, 0.9] as const;
/** Alternatives of the bets on the crash rate: how many times as often as the stable version the candidate crashes. */
const ratios = [3, 10, 50] as const;

const bets = (count: number) => z.array(z.number()).length(count);
const Total = z.object({ samples: z.int().nonnegative(), sum: z.number() });
const Exposure = z.object({ crashes: z.int().nonnegative(), nodeMinutes: z.number().nonnegative() });

/** What is known of the difference of two mean costs. Logarithms of the capital of each bet. */
export const MeanEvidence = z.object({
  worse: bets(stakes.length),
  asGood: bets(stakes.length),
  stable: Total,
  candidate: Total,
  /** Samples without a counterpart yet. */
  unpaired: z.object({ stable: Total, candidate: Total }),
});
export type MeanEvidence = z.infer<typeof MeanEvidence>;

/** What is known of the crash rates. */
export const CrashEvidence = z.object({ worse: bets(ratios.length), stable: Exposure, candidate: Exposure });
export type CrashEvidence = z.infer<typeof CrashEvidence>;

const nothing = { samples: 0, sum: 0 };
export const noMeanEvidence: MeanEvidence = {
  worse: stakes.map(() => 0),
  asGood: stakes.map(() => 0),
  stable: nothing,
  candidate: nothing,
  unpaired: { stable: nothing, candidate: nothing },
};
export const noCrashEvidence: CrashEvidence = {
  worse: ratios.map(() => 0),
  stable: { crashes: 0, nodeMinutes: 0 },
  candidate: { crashes: 0, nodeMinutes: 0 },
};

const add = ({ samples, sum }: z.infer<typeof Total>, cost: number) => ({ samples: samples + 1, sum: sum + cost });
const meanOf = ({ samples, sum }: z.infer<typeof Total>): number => (samples === 0 ? 0 : sum / samples);

/**
 * Adds a sample, a cost in [0, 1]. As soon as both versions have unpaired samples, the means of these are a pair, whose difference is bet
 * on twice: that the candidate is worse by more than the tolerance, and that it is not worse by the tolerance. If the opposite is true, the
 * expected capital of a bet does not grow, however often it is looked at (Ville's inequality): a capital of 20 is seen with a
 * probability of at most 1/20. Nothing is assumed of the distribution but its bounds (Waudby-Smith and Ramdas, "Estimating means of bounded
 * random variables by betting", 2024).
 */
export function addSample(evidence: MeanEvidence, side: ComparedSide, cost: number, tolerance: number): MeanEvidence {
  const unpaired = { ...evidence.unpaired, [side]: add(evidence.unpaired[side], cost) };
  const next = { ...evidence, [side]: add(evidence[side], cost), unpaired };
  if (unpaired.stable.samples === 0 || unpaired.candidate.samples === 0) return next;
  const difference = meanOf(unpaired.candidate) - meanOf(unpaired.stable);
  return {
    ...next,
    unpaired: noMeanEvidence.unpaired,
    // Both gains are at least -1, so that no stake below 1 loses all.
    worse: grown(next.worse, (difference - tolerance) / (1 + tolerance)),
    asGood: grown(next.asGood, (tolerance - difference) / (1 - tolerance)),
  };
}

const grown = (capital: readonly number[], gain: number): number[] =>
  capital.map((each, index) => each + Math.log1p(stakes[index]! * gain));

/**
 * Adds a crash. If the candidate's nodes crash at most as often as those of the stable version, the crash is one of the candidate with at
 * most the probability of its part of the nodes; it is bet on more.
 *
 * @param nodes number of nodes of each version that ran at the time of the crash.
 */
export function addCrash(
  evidence: CrashEvidence,
  side: ComparedSide,
  nodes: Readonly<Record<ComparedSide, number>>,
): CrashEvidence {
  const expected = nodes.candidate / (nodes.candidate + nodes.stable);
  const counted = { ...evidence[side], crashes: evidence[side].crashes + 1 };
  const next = { ...evidence, [side]: counted };
  if (!(expected > 0 && expected < 1)) return next;
  return {
    ...next,
    worse: evidence.worse.map((each, index) => {
      const claimed = (ratios[index]! * expected) / (ratios[index]! * expected + 1 - expected);
      return each + Math.log(side === 'candidate' ? claimed / expected : (1 - claimed) / (1 - expected));
    }),
  };
}

/** Adds the time that nodes ran. */
export function addTime(
  evidence: CrashEvidence,
  nodes: Readonly<Record<ComparedSide, number>>,
  ms: number,
): CrashEvidence {
  const grow = (side: ComparedSide) => ({
    ...evidence[side],
    nodeMinutes: evidence[side].nodeMinutes + (nodes[side] * ms) / 60_000,
  });
  return { ...evidence, stable: grow('stable'), candidate: grow('candidate') };
}

/** The capital of equal bets, by their logarithms. */
function capitalOf(bets: readonly number[]): number {
  return bets.reduce((sum, each) => sum + Math.exp(Math.min(each, 500)), 0) / bets.length;
}

/** The confidence of bets, of which one of `tests` may err: 1 less the probability of such a capital by chance. */
export const confidenceOf = (bets: readonly number[], tests = 1): number => Math.max(0, 1 - tests / capitalOf(bets));

/** Samples and mean cost of one version. */
export const totalOf = (total: z.infer<typeof Total>): { samples: number; mean: number } => ({
  samples: total.samples,
  mean: Math.min(1, Math.max(0, meanOf(total))),
});
