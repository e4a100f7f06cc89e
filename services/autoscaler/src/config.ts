import { brokerConfig, commonConfig, flag, wholeNumber } from '@flotilla/runtime';
import { z } from 'zod';
import { canarySettings as canaryPresets, type CanarySettings } from './canary/settings.ts';
import { type ScalingSettings, scalingSettings as presets } from './scaling/settings.ts';

const name = () =>
  z
    .string()
    .regex(
      /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
      'must be a Kubernetes name: lower-case letters, digits, "-" and "."',
    );

const settings = z.object({
  ...commonConfig.shape,
  ...brokerConfig.shape,
  FLOTILLA_SCALE_DEPLOYMENT: name()
    .optional()
    .describe(
      'Name of the Deployment of SFU workers whose number of pods is set. Default: the number is only exported, as the metric autoscaler_nodes_wanted and at /scaling of the admin port.',
    ),
  FLOTILLA_SCALE_NAMESPACE: name()
    .optional()
    .describe('Kubernetes namespace of that Deployment. Default: that of the pod of this process.'),
  FLOTILLA_SCALE_MIN: wholeNumber().min(1).default(presets.min).describe('Minimum number of SFU nodes.'),
  FLOTILLA_SCALE_MAX: wholeNumber().min(1).default(presets.max).describe('Maximum number of SFU nodes.'),
  FLOTILLA_SCALE_HEADROOM_PERCENT: wholeNumber()
    .default(presets.headroomShare * 100)
    .describe('Free capacity, in percent of the expected sessions. The greater of the two headrooms counts.'),
  FLOTILLA_SCALE_HEADROOM_SESSIONS: wholeNumber()
    .default(presets.headroomSessions)
    .describe('Free capacity, in sessions.'),
  FLOTILLA_SCALE_CPU_PERCENT: wholeNumber()
    .min(1)
    .max(100)
    .default(presets.meanCpu * 100)
    .describe(
      'Maximum mean CPU of the SFU nodes, in percent; each node counts as its busiest worker. Above it, nodes are added.',
    ),
  FLOTILLA_SCALE_IN_SECONDS: wholeNumber()
    .default(presets.stabilizationMs / 1000)
    .describe(
      'Stabilisation window, in seconds: nodes are removed down to the greatest number that was required within it.',
    ),
  FLOTILLA_SCALE_WATCH_MACHINES: flag()
    .default(false)
    .describe(
      'Moves the peers of SFU pods whose machine is cordoned, tainted or being deleted, before the pods are evicted. Needs the right to watch Kubernetes nodes.',
    ),
  FLOTILLA_CANARY: flag()
    .default(false)
    .describe(
      'true gives SFU nodes of a new version (FLOTILLA_REVISION) a share of the joins, compares them with the stable version, and promotes or evacuates them. See docs/operations/canary.md.',
    ),
  FLOTILLA_CANARY_SHARE_PERCENT: wholeNumber()
    .min(1)
    .max(50)
    .default(canaryPresets.share * 100)
    .describe('Share of the joins that a new version gets, in percent.'),
  FLOTILLA_CANARY_CONFIDENCE_PERCENT: wholeNumber()
    .min(50)
    .max(99)
    .default(canaryPresets.confidence * 100)
    .describe('Confidence that a decision of the canary needs, in percent.'),
  FLOTILLA_CANARY_TOLERANCE_PERCENT: wholeNumber()
    .max(50)
    .default(canaryPresets.tolerance * 100)
    .describe('By how much a new version may be worse, in percent of the range of each cost.'),
  FLOTILLA_CANARY_MIN_SAMPLES: wholeNumber()
    .min(1)
    .default(canaryPresets.minSamples)
    .describe('Participants of each version that are compared before the comparison decides.'),
  FLOTILLA_CANARY_SAMPLE_SECONDS: wholeNumber()
    .min(1)
    .default(canaryPresets.sampleMs / 1000)
    .describe('Time that a participant is measured after its join, in seconds.'),
  FLOTILLA_CANARY_MIN_SECONDS: wholeNumber()
    .default(canaryPresets.minMs / 1000)
    .describe('Minimum duration of the observation before a promotion, in seconds.'),
  FLOTILLA_CANARY_MAX_SECONDS: wholeNumber()
    .min(1)
    .default(canaryPresets.maxMs / 1000)
    .describe('Duration of the observation after which the mean figures decide, in seconds.'),
  FLOTILLA_CANARY_CRASH_LOOP: wholeNumber()
    .min(1)
    .default(canaryPresets.crashLoop)
    .describe('Number of times that one process of a new version may die; the last of them evacuates the version.'),
});

/** The settings of the canary; undefined while it is off. */
export function canarySettings(config: AutoscalerConfig): CanarySettings | undefined {
  if (!config.FLOTILLA_CANARY) return undefined;
  return {
    ...canaryPresets,
    share: config.FLOTILLA_CANARY_SHARE_PERCENT / 100,
    confidence: config.FLOTILLA_CANARY_CONFIDENCE_PERCENT / 100,
    tolerance: config.FLOTILLA_CANARY_TOLERANCE_PERCENT / 100,
    minSamples: config.FLOTILLA_CANARY_MIN_SAMPLES,
    sampleMs: config.FLOTILLA_CANARY_SAMPLE_SECONDS * 1000,
    minMs: config.FLOTILLA_CANARY_MIN_SECONDS * 1000,
    maxMs: config.FLOTILLA_CANARY_MAX_SECONDS * 1000,
    crashLoop: config.FLOTILLA_CANARY_CRASH_LOOP,
  };
}

/** Also reports a minimum above the maximum. */
export const autoscalerConfig = settings.superRefine(
  ({ FLOTILLA_SCALE_MIN: min, FLOTILLA_SCALE_MAX: max }, context) => {
    if (min <= max) return;
    context.addIssue({
      code: 'custom',
      path: ['FLOTILLA_SCALE_MIN'],
      message: `${min} is above FLOTILLA_SCALE_MAX, which is ${max}`,
    });
  },
);

export type AutoscalerConfig = z.output<typeof autoscalerConfig>;

export function scalingSettings(config: AutoscalerConfig): ScalingSettings {
  const { FLOTILLA_SCALE_MIN: min, FLOTILLA_SCALE_MAX: max } = config;
  return {
    ...presets,
    min,
    max,
    headroomShare: config.FLOTILLA_SCALE_HEADROOM_PERCENT / 100,
    headroomSessions: config.FLOTILLA_SCALE_HEADROOM_SESSIONS,
    meanCpu: config.FLOTILLA_SCALE_CPU_PERCENT / 100,
    stabilizationMs: config.FLOTILLA_SCALE_IN_SECONDS * 1000,
  };
}
