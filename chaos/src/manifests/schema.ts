// The part of Chaos Mesh's v1alpha1 API that the experiments use. Fields beyond it are refused, so that a driver never ignores one.
import { z } from 'zod';
import { readDuration } from './duration.ts';

export const apiVersion = 'chaos-mesh.org/v1alpha1';

/** The pods that the chart makes, by their label `app.kubernetes.io/component`. */
export const components = [
  'gateway',
  'registry',
  'sfu',
  'relay',
  'autoscaler',
  'console',
  'redis',
  'rabbitmq',
] as const;
export type Component = (typeof components)[number];

const Duration = z.string().refine((text) => {
  try {
    return Number.isFinite(readDuration(text));
  } catch {
    return false;
  }
}, 'expected a duration such as 500ms, 30s or 1m30s');
const Percent = z.string().regex(/^(?:100|\d{1,2})(?:\.\d+)?$/, 'expected a percentage in quotation marks');

const Selector = z.strictObject({
  namespaces: z.array(z.string()).length(1),
  labelSelectors: z.strictObject({
    'app.kubernetes.io/name': z.literal('flotilla'),
    /** Without it, every pod of Flotilla. */
    'app.kubernetes.io/component': z.enum(components).optional(),
  }),
});
const selected = { mode: z.enum(['one', 'all']), selector: Selector };

export const PodChaosSpec = z.strictObject({
  action: z.enum(['pod-kill', 'pod-failure', 'container-kill']),
  ...selected,
  duration: Duration.optional(),
  gracePeriod: z.int().min(0).optional(),
  containerNames: z.array(z.string()).min(1).optional(),
});

export const NetworkChaosSpec = z.strictObject({
  action: z.enum(['delay', 'loss', 'partition']),
  ...selected,
  direction: z.enum(['to', 'from', 'both']).default('to'),
  target: z.strictObject({ mode: z.literal('all'), selector: Selector }).optional(),
  delay: z.strictObject({ latency: Duration, jitter: Duration.optional(), correlation: Percent.optional() }).optional(),
  loss: z.strictObject({ loss: Percent, correlation: Percent.optional() }).optional(),
  duration: Duration.optional(),
});

export const StressChaosSpec = z.strictObject({
  ...selected,
  stressors: z.strictObject({
    cpu: z.strictObject({ workers: z.int().min(1), load: z.int().min(0).max(100) }).optional(),
    memory: z.strictObject({ workers: z.int().min(1), size: z.string() }).optional(),
  }),
  containerNames: z.array(z.string()).min(1).optional(),
  duration: Duration.optional(),
});

export const TimeChaosSpec = z.strictObject({
  ...selected,
  timeOffset: Duration,
  clockIds: z.array(z.string()).optional(),
  containerNames: z.array(z.string()).min(1).optional(),
  duration: Duration.optional(),
});

export const DnsChaosSpec = z.strictObject({
  action: z.enum(['error', 'random']),
  ...selected,
  patterns: z.array(z.string()).optional(),
  duration: Duration.optional(),
});

const named = { name: z.string() };
const timed = { ...named, deadline: Duration };
export const Template = z.discriminatedUnion('templateType', [
  z.strictObject({ ...named, templateType: z.literal('Serial'), children: z.array(z.string()), deadline: Duration }),
  z.strictObject({ ...timed, templateType: z.literal('Suspend') }),
  z.strictObject({ ...timed, templateType: z.literal('PodChaos'), podChaos: PodChaosSpec }),
  z.strictObject({ ...timed, templateType: z.literal('NetworkChaos'), networkChaos: NetworkChaosSpec }),
  z.strictObject({ ...timed, templateType: z.literal('StressChaos'), stressChaos: StressChaosSpec }),
  z.strictObject({ ...timed, templateType: z.literal('TimeChaos'), timeChaos: TimeChaosSpec }),
  z.strictObject({ ...timed, templateType: z.literal('DNSChaos'), dnsChaos: DnsChaosSpec }),
]);
export type Template = z.infer<typeof Template>;

export const WorkflowSpec = z.strictObject({ entry: z.string(), templates: z.array(Template).min(1) });

const prefix = 'chaos.flotilla.dev/';
const Metadata = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]*$/),
  namespace: z.string(),
  annotations: z.strictObject({
    /** What is expected to happen, in a sentence. */
    [`${prefix}hypothesis`]: z.string().min(20),
    /** The probes, one per line; see probes.ts. */
    [`${prefix}steady-state`]: z.string().min(1),
    /** What the fault hits at most, in a sentence. */
    [`${prefix}blast-radius`]: z.string().min(10),
    /** Time for which the effect of a fault without a duration is observed. */
    [`${prefix}observe`]: Duration.optional(),
    /** Length of the phase `after`. */
    [`${prefix}recovery`]: Duration.optional(),
  }),
});

const manifest = <Kind extends string, Spec extends z.ZodType>(kind: Kind, spec: Spec) =>
  z.strictObject({ apiVersion: z.literal(apiVersion), kind: z.literal(kind), metadata: Metadata, spec });

export const Manifest = z.discriminatedUnion('kind', [
  manifest('PodChaos', PodChaosSpec),
  manifest('NetworkChaos', NetworkChaosSpec),
  manifest('StressChaos', StressChaosSpec),
  manifest('TimeChaos', TimeChaosSpec),
  manifest('DNSChaos', DnsChaosSpec),
  manifest('Workflow', WorkflowSpec),
]);
export type Manifest = z.infer<typeof Manifest>;

/** The annotations by their names without the prefix. */
export const annotationOf = (
  { metadata: { annotations } }: Manifest,
  name: 'hypothesis' | 'steady-state' | 'blast-radius' | 'observe' | 'recovery',
): string | undefined => (annotations as Record<string, string | undefined>)[prefix + name];
