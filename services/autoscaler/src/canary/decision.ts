import {
  type Canary,
  type CanaryDecider,
  type CanaryOrder,
  type CanaryPhase,
  maxExcludedVersions,
} from '@flotilla/contracts';
import { rulesOf, sideOf } from '@flotilla/store';
import { comparisonsOf, crashesOf, type Evidence, requiredMeasures } from './comparison.ts';
import type { CanarySettings } from './settings.ts';

/** The nodes of a version. */
export interface VersionNodes {
  /** Number of those that are alive. */
  readonly nodes: number;
  /** Start of the newest of their processes, in milliseconds since the Unix epoch. */
  readonly newestStart: number;
}

export interface DecisionInput {
  readonly canary: Canary | undefined;
  readonly order: CanaryOrder | undefined;
  readonly evidence: Evidence;
  /** The versions that have nodes alive. */
  readonly versions: ReadonlyMap<string, VersionNodes>;
  /** Sessions that are assigned to nodes of the version, dead ones included. */
  readonly sessionsOf: (version: string) => number;
  /** How long no node of the version has been alive, ms. */
  readonly absentMs: (version: string) => number;
  readonly settings: CanarySettings;
  /** In milliseconds since the Unix epoch. */
  readonly now: number;
}

/** The next state of the canary; the given one, unchanged, when there is nothing to decide. A pure function. */
export function decide(input: DecisionInput): Canary | undefined {
  const { canary, order, sessionsOf } = input;
  if (!canary) return first(input);
  const ordered = order && carryOut(order, canary, input);
  if (ordered) return ordered;
  if (canary.phase === 'observing') return observed(canary, input);
  if (canary.phase === 'evacuating')
    return sessionsOf(canary.candidate!) === 0
      ? moved(canary, 'evacuated', input, canary.decision.by, canary.decision.reasons)
      : canary;
  return nextCandidate(canary, input) ?? canary;
}

function moved(
  canary: Canary,
  phase: CanaryPhase,
  { now }: Pick<DecisionInput, 'now'>,
  by: CanaryDecider,
  reasons: readonly string[],
): Canary {
  return {
    ...canary,
    phase,
    since: now,
    decision: { at: now, by, reasons: reasons.map((each) => each.slice(0, 300)) },
  };
}

/** The stable version is the one with the most nodes. */
function first({ versions, settings, now }: DecisionInput): Canary | undefined {
  const [largest] = [...versions].toSorted(([, a], [, b]) => b.nodes - a.nodes || a.newestStart - b.newestStart);
  if (!largest) return undefined;
  const decision = {
    at: now,
    by: 'start',
    reasons: ['the version of most nodes when the canary was switched on'],
  } as const;
  const { share } = settings;
  return {
    stable: largest[0],
    share,
    phase: 'promoted',
    since: now,
    excluded: [],
    decision: { ...decision, reasons: [...decision.reasons] },
    comparisons: [],
  };
}

/** The version of the newest node that is neither stable nor excluded is observed. */
function nextCandidate(canary: Canary, input: DecisionInput): Canary | undefined {
  const { versions, settings } = input;
  const restored = withPreviousStable(canary, input);
  if (restored) return restored;
  const rules = rulesOf(canary);
  const [newest] = [...versions]
    .filter(([version]) => sideOf(rules, version) === 'waiting')
    .toSorted(([, a], [, b]) => b.newestStart - a.newestStart);
  if (!newest) return undefined;
  const [candidate] = newest;
  const observing = { ...canary, candidate, share: settings.share, comparisons: [], crashes: undefined };
  return moved(observing, 'observing', input, 'nodes', [`nodes of version ${candidate} appeared`]);
}

/** The previous stable version is the stable one again when it has nodes and the stable one has none left: the fleet was rolled back. */
function withPreviousStable(canary: Canary, input: DecisionInput): Canary | undefined {
  const { versions, settings, absentMs } = input;
  const { previous, ...rest } = canary;
  if (previous === undefined || !versions.has(previous) || absentMs(canary.stable) < settings.absentMs)
    return undefined;
  const reason = `no node of version ${canary.stable} is left, and nodes of the previous stable version are`;
  return moved({ ...rest, stable: previous }, canary.phase, input, 'nodes', [reason]);
}

const promoted = (canary: Canary, input: DecisionInput, by: CanaryDecider, reasons: readonly string[]): Canary => {
  const { candidate, ...rest } = canary;
  const stable = candidate!;
  const excluded = canary.excluded.filter((version) => version !== stable);
  return moved({ ...rest, stable, previous: canary.stable, excluded }, 'promoted', input, by, reasons);
};

const evacuating = (canary: Canary, input: DecisionInput, by: CanaryDecider, reasons: readonly string[]): Canary => {
  const excluded = [...canary.excluded, canary.candidate!].slice(-maxExcludedVersions);
  return moved({ ...canary, excluded }, 'evacuating', input, by, reasons);
};

/** Undefined for an order that does not apply any more. */
function carryOut(
  { kind, by, candidate: meant }: CanaryOrder,
  canary: Canary,
  input: DecisionInput,
): Canary | undefined {
  const { candidate, ...rest } = canary;
  const reasons = [`${kind} ordered by ${by}`];
  if (kind === 'reset') return moved({ ...rest, excluded: [] }, 'promoted', input, 'operator', reasons);
  if (candidate === undefined || (meant !== undefined && meant !== candidate)) return undefined;
  if (kind === 'promote') return promoted(canary, input, 'operator', reasons);
  return canary.phase === 'observing' ? evacuating(canary, input, 'operator', reasons) : undefined;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

function observed(canary: Canary, input: DecisionInput): Canary {
  const { evidence, settings, absentMs, now } = input;
  const { confidence, minSamples, tolerance, crashLoop } = settings;
  const comparisons = comparisonsOf(evidence);
  const crashes = crashesOf(evidence);
  const figures = { ...canary, comparisons, crashes };

  const looping = Object.entries(evidence.deaths).find(([, deaths]) => deaths >= crashLoop);
  if (looping) return evacuating(figures, input, 'crashes', [`crash loop: ${looping[0]} died ${looping[1]} times`]);
  if (crashes.worse >= confidence) {
    const { stable, candidate } = crashes;
    const rate = ({ crashes: count, nodeMinutes }: typeof stable): string =>
      `${count} in ${nodeMinutes.toFixed(1)} node-minutes`;
    return evacuating(figures, input, 'crashes', [
      `it crashes more often: ${rate(candidate)}, stable ${rate(stable)}; confidence ${percent(crashes.worse)}`,
    ]);
  }
  const isSampled = ({ stable, candidate }: (typeof comparisons)[number]): boolean =>
    Math.min(stable.samples, candidate.samples) >= minSamples;
  const sampled = comparisons.filter(isSampled);
  const reasonOf = (word: string, { measure, stable, candidate }: (typeof comparisons)[number], sure: number): string =>
    `${measure} ${word}: mean cost ${candidate.mean.toFixed(3)} of ${candidate.samples}, stable ${stable.mean.toFixed(3)} of ${stable.samples}; confidence ${percent(sure)}`;
  const worse = sampled.filter((each) => each.worse >= confidence);
  if (worse.length > 0)
    return evacuating(
      figures,
      input,
      'comparison',
      worse.map((each) => reasonOf('is worse', each, each.worse)),
    );
  const restored = withPreviousStable({ ...canary, comparisons: [], crashes: undefined }, input);
  if (restored) return restored;
  if (absentMs(canary.stable) >= settings.absentMs)
    return promoted(figures, input, 'nodes', ['no node of the stable version is left']);
  if (absentMs(canary.candidate!) >= settings.absentMs) {
    const { candidate, ...rest } = figures;
    return moved(rest, 'promoted', input, 'nodes', [`no node of version ${candidate} is left`]);
  }

  const isComplete = requiredMeasures.every((measure) => sampled.some((each) => each.measure === measure));
  const isAsGood = isComplete && sampled.every((each) => each.asGood >= confidence);
  const ranMs = now - canary.since;
  if (isAsGood && ranMs >= settings.minMs)
    return promoted(
      figures,
      input,
      'comparison',
      sampled.map((each) => reasonOf('is as good', each, each.asGood)),
    );
  if (!isComplete || ranMs < settings.maxMs) return figures;
  // Nothing was shown either way: the means decide.
  const behind = sampled.filter(({ stable, candidate }) => candidate.mean - stable.mean > tolerance);
  return behind.length > 0
    ? evacuating(
        figures,
        input,
        'time',
        behind.map((each) => reasonOf('is worse, not shown', each, each.worse)),
      )
    : promoted(
        figures,
        input,
        'time',
        sampled.map((each) => reasonOf('is as good, not shown', each, each.asGood)),
      );
}
