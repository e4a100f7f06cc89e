import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { readDuration } from './duration.ts';
import { type Step, stepsOf } from './faults.ts';
import { type Probe, readProbes } from './probes.ts';
import { annotationOf, Manifest } from './schema.ts';

/** An experiment: the manifest that Chaos Mesh takes, and what its annotations say. */
export interface Experiment {
  readonly name: string;
  readonly kind: Manifest['kind'];
  readonly namespace: string;
  readonly hypothesis: string;
  readonly blastRadius: string;
  readonly probes: readonly Probe[];
  readonly steps: readonly Step[];
  /** Length of the phase `after`, ms. */
  readonly recoveryMs: number;
  /** As it is applied to a cluster. */
  readonly manifest: Manifest;
}

const defaults = { observe: '20s', recovery: '30s' } as const;
const directory = fileURLToPath(new URL('../../experiments', import.meta.url));

const oneLine = (text: string): string => text.trim().replaceAll(/\s+/g, ' ');

/**
 * Reads a manifest.
 *
 * @throws Error that names the source and the field.
 */
export function readExperiment(text: string, source: string): Experiment {
  try {
    const manifest = Manifest.parse(parse(text));
    const duration = (name: 'observe' | 'recovery'): number =>
      readDuration(annotationOf(manifest, name) ?? defaults[name]);
    return {
      name: manifest.metadata.name,
      kind: manifest.kind,
      namespace: manifest.metadata.namespace,
      hypothesis: oneLine(annotationOf(manifest, 'hypothesis')!),
      blastRadius: oneLine(annotationOf(manifest, 'blast-radius')!),
      probes: readProbes(annotationOf(manifest, 'steady-state')!),
      steps: stepsOf(manifest, duration('observe')),
      recoveryMs: duration('recovery'),
      manifest,
    };
  } catch (error) {
    throw new Error(`${source}: ${(error as Error).message}`, { cause: error });
  }
}

/** The experiments of this folder, by name. */
export function experiments(): Experiment[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.yaml'))
    .toSorted()
    .map((file) => readExperiment(readFileSync(join(directory, file), 'utf8'), `chaos/experiments/${file}`));
}

/** The same experiment with another duration of its fault. A Workflow keeps the durations of its steps in proportion. */
export function lasting(experiment: Experiment, durationMs: number): Experiment {
  const total = experiment.steps.reduce((sum, step) => sum + step.durationMs, 0);
  return {
    ...experiment,
    steps: experiment.steps.map((step) => ({ ...step, durationMs: (step.durationMs * durationMs) / total })),
  };
}
