/** The canary of SFU nodes: a new version gets a share of the participants, is compared with the stable one, and promoted or evacuated. */
import { z } from 'zod';
import { orElse } from './newer.ts';
import { Timestamp } from './room.ts';

/** The version of nodes that report none. */
export const noVersion = 'none';

/** The version of an SFU node: what it was rolled out with. */
export const versionOf = ({ revision = noVersion }: { readonly revision?: string | undefined }): string => revision;

const Version = z.string().min(1).max(63);

/** Maximum number of versions that are excluded at a time; the oldest is dropped. */
export const maxExcludedVersions = 16;

export const CanaryPhase = z
  .enum(['observing', 'promoted', 'evacuating', 'evacuated'])
  .describe(
    'Phase of the canary. `observing`: the candidate gets its share and is compared. `promoted`: all participants are assigned to the stable version. `evacuating`: the participants of the candidate are migrated to the stable version. `evacuated`: the candidate has none left.',
  );
export type CanaryPhase = z.infer<typeof CanaryPhase>;

export const CanaryDecider = z
  .enum(['start', 'comparison', 'crashes', 'time', 'nodes', 'operator'])
  .describe(
    'What a decision rests on. `start`: a version was seen first. `comparison`: the statistical comparison. `crashes`: the rate of crashes, or a crash loop. `time`: the observation ended without proof. `nodes`: a version has no nodes left. `operator`: an order over REST.',
  );
export type CanaryDecider = z.infer<typeof CanaryDecider>;

export const CanarySide = z
  .object({
    samples: z.int().nonnegative().describe('Number of samples: participants, or migrations for `gap`.'),
    mean: z.number().min(0).max(1).describe('Mean cost, from 0 (best) to 1.'),
  })
  .describe('Samples of one version.');

export const CanaryComparison = z
  .object({
    measure: z
      .string()
      .max(32)
      .describe(
        'What is compared, as a cost from 0 (best) to 1. `quality`: the score of a participant; 1 from a score of 0.6 down. `loss`: its lost packets; 1 from 10 % up. `gap`: the gap of a migration to the version; 1 from 1 s up, or when it failed.',
      ),
    stable: CanarySide,
    candidate: CanarySide,
    worse: z.number().min(0).max(1).describe('Confidence that the candidate is worse by more than the tolerance.'),
    asGood: z.number().min(0).max(1).describe('Confidence that it is not worse by the tolerance or more.'),
  })
  .describe('One comparison of the two versions.');
export type CanaryComparison = z.infer<typeof CanaryComparison>;

export const CanaryCrashCount = z
  .object({
    crashes: z.int().nonnegative().describe('Nodes and media workers that died.'),
    nodeMinutes: z.number().nonnegative().describe('Time that its nodes ran, summed up, in minutes.'),
  })
  .describe('Crashes of one version.');

export const CanaryCrashes = z
  .object({
    stable: CanaryCrashCount,
    candidate: CanaryCrashCount,
    worse: z.number().min(0).max(1).describe('Confidence that the candidate crashes more often.'),
  })
  .describe('The crashes of both versions.');
export type CanaryCrashes = z.infer<typeof CanaryCrashes>;

export const CanaryDecision = z
  .object({
    at: Timestamp.describe('When it was made, in milliseconds since the Unix epoch.'),
    by: orElse(CanaryDecider, 'operator'),
    reasons: z.array(z.string().max(300)).max(8).describe('Its reasons, in words.'),
  })
  .describe('The decision that led to the phase.');

export const Canary = z
  .object({
    stable: Version.describe('The version that is proved.'),
    previous: Version.optional().describe(
      'The stable version before the promotion. Its nodes get participants as those of the stable version do, until they are replaced.',
    ),
    candidate: Version.optional().describe('The version that is observed, or was evacuated.'),
    share: z.number().min(0).max(1).describe('Share of the joins that the candidate gets while it is observed.'),
    phase: orElse(CanaryPhase, 'promoted'),
    since: Timestamp.describe('When the phase began, in milliseconds since the Unix epoch.'),
    excluded: z
      .array(Version)
      .describe('Versions whose nodes get no participants until an operator resets the canary.'),
    decision: CanaryDecision,
    comparisons: z.array(CanaryComparison).describe('The comparisons of this observation, or of the last one.'),
    crashes: CanaryCrashes.optional(),
  })
  .describe('State of the canary of SFU nodes.');
export type Canary = z.infer<typeof Canary>;

/** Body of an order about the candidate. */
export const OrderCandidate = z.strictObject({
  candidate: Version.optional().describe(
    'The version that is meant: the order is refused with WRONG_STATE when another one is the candidate by then. Default: the one of that moment.',
  ),
});

export const CanaryOrderKind = z.enum(['promote', 'evacuate', 'reset']);

/** An order of an operator, which the leading autoscaler carries out while its candidate is the same. */
export const CanaryOrder = z.object({
  kind: CanaryOrderKind,
  by: z.string().max(256),
  candidate: Version.optional(),
});
export type CanaryOrder = z.infer<typeof CanaryOrder>;
