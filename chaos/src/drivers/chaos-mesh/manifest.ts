import { writeDuration } from '../../manifests/duration.ts';
import type { Experiment } from '../../manifests/experiment.ts';
import type { Manifest } from '../../manifests/schema.ts';

/** Time that a Workflow has beside its steps, ms. */
const workflowSpareMs = 60_000;

/**
 * The manifest as it is applied: in a namespace, under a name of its own, and with the durations of the experiment's steps.
 *
 * @param suffix makes the name unique.
 */
export function manifestFor(experiment: Experiment, namespace: string, suffix: string): Manifest {
  const { steps } = experiment;
  const manifest = inNamespace(structuredClone(experiment.manifest), namespace);
  manifest.metadata.name = `${experiment.name}-${suffix}`;
  if (manifest.kind === 'Workflow') {
    const duration = new Map(steps.map(({ name, durationMs }) => [name, durationMs]));
    const totalMs = steps.reduce((sum, { durationMs }) => sum + durationMs, 0);
    for (const template of manifest.spec.templates)
      template.deadline = writeDuration(Math.round(duration.get(template.name) ?? totalMs + workflowSpareMs));
  } else if (manifest.spec.duration !== undefined)
    manifest.spec.duration = writeDuration(Math.round(steps[0]!.durationMs));
  return manifest;
}

/** Puts a namespace in place of every other. */
function inNamespace<T>(value: T, namespace: string): T {
  if (Array.isArray(value)) return value.map((each: unknown) => inNamespace(each, namespace)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, of]: [string, unknown]) => {
      if (key === 'namespace') return [key, namespace];
      return [key, key === 'namespaces' ? [namespace] : inNamespace(of, namespace)];
    }),
  ) as T;
}
