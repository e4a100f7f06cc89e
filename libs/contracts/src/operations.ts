/** The state of the fleet for operators: the reply of GET /v1/operations, and what its parts are written from. */
import { z } from 'zod';
import { ApiScope } from './api-scope.ts';
import { Canary } from './canary.ts';
import { MigrationRecord } from './migration.ts';
import { knownOf, orElse } from './newer.ts';
import { Timestamp } from './room.ts';
import { NodeVertex, OpenBreaker } from './topology.ts';

export const ScalingCause = z
  .enum(['sessions', 'cpu', 'minimum', 'maximum', 'stabilization', 'unknown'])
  .describe(
    'What determined a number of SFU nodes. `sessions`, `cpu`: the demand. `minimum`, `maximum`: a bound. `stabilization`: an earlier demand within the stabilisation window. `unknown`: no node reports.',
  );
export type ScalingCause = z.infer<typeof ScalingCause>;

export const ScalingRecord = z
  .object({
    at: Timestamp.describe('When it was made, in milliseconds since the Unix epoch.'),
    nodes: z.int().nonnegative().describe('Number of SFU nodes that the fleet needs.'),
    before: z.int().nonnegative().optional().describe('The number of the decision before. Absent for the first one.'),
    cause: orElse(ScalingCause, 'unknown'),
    sessions: z.int().nonnegative().describe('Sessions that were assigned to SFU nodes.'),
    expectedSessions: z.number().describe('Sessions that were expected once a new node serves.'),
    cpu: z.number().describe('Sum of the CPU of the nodes, each that of its busiest worker, as a share of one core.'),
    replicas: z
      .int()
      .nonnegative()
      .optional()
      .describe('Number of pods that the Deployment had. Absent when the autoscaler scales none.'),
  })
  .describe('A decision of the autoscaler that differs from the one before.');
export type ScalingRecord = z.infer<typeof ScalingRecord>;

/** Number of scaling decisions that are kept; the newest. */
export const keptScalings = 50;

export const ExperimentName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and "-"')
  .describe('Name of a chaos experiment.');

/** The longest experiment that is announced at a time, s. */
const maxExperimentSeconds = 4 * 3600;

export const AnnounceExperiment = z.strictObject({
  name: ExperimentName,
  summary: z.string().trim().min(1).max(300).describe('What it does, in words.'),
  seconds: z
    .int()
    .min(1)
    .max(maxExperimentSeconds)
    .describe('Time after which it is over unless it was ended or announced again, in seconds.'),
});

export const RunningExperiment = z
  .object({
    name: ExperimentName,
    summary: z.string().max(300).describe('What it does, in words.'),
    by: z.string().max(256).describe('Who announced it.'),
    startedAt: Timestamp.describe('When it was announced, in milliseconds since the Unix epoch.'),
    endsAt: Timestamp.describe('When it is over unless it is ended before, in milliseconds since the Unix epoch.'),
  })
  .describe('A chaos experiment that was announced and is not over.');
export type RunningExperiment = z.infer<typeof RunningExperiment>;

/** Number of experiments that are announced at a time. */
export const maxExperiments = 16;

export const Operations = z
  .object({
    at: Timestamp.describe('When the fleet was read, in milliseconds since the Unix epoch.'),
    nodes: z.array(NodeVertex).describe('The SFU nodes.'),
    migrations: z
      .array(MigrationRecord)
      .describe('Active migrations and the last that ended, those that began last in front.'),
    breakers: z.array(OpenBreaker).describe('Circuit breakers of calls between services that are not closed.'),
    canary: Canary.optional().describe('The canary with its evidence. Absent while it is off.'),
    scalings: z.array(ScalingRecord).describe('The last decisions on the number of SFU nodes, the newest in front.'),
    experiments: z.array(RunningExperiment).describe('The chaos experiments that run.'),
  })
  .describe('The state of the fleet for operators.');
export type Operations = z.infer<typeof Operations>;

export const ApiKeyInfo = z
  .object({
    name: z.string().optional().describe('Its name. Absent when the REST API asks for no key.'),
    scopes: knownOf(ApiScope).describe('What it allows.'),
  })
  .describe('The API key of a request.');
export type ApiKeyInfo = z.infer<typeof ApiKeyInfo>;
