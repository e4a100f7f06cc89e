import type { Experiment } from './manifests/experiment.ts';
import type { Fault } from './manifests/faults.ts';
import type { CommandLine } from './command-line.ts';
import { clusterRefusal } from './drivers/cluster/refusals.ts';
import { Refused, refusalOf } from './drivers/driver.ts';
import { fleetRefusal } from './drivers/fleet/refusals.ts';

/** Why an experiment cannot be carried out by a local driver; undefined when it can. */
export const localRefusals = {
  fleet: (experiment: Experiment) => refusalOf(experiment, fleetRefusal),
  cluster: (experiment: Experiment) => refusalOf(experiment, clusterRefusal),
} as const;

/** Whether a fault ends connections of clients to a gateway. */
const cutsClients = ({ kind, on, ...fault }: Fault): boolean =>
  (on.component === 'gateway' || on.component === undefined) &&
  (kind.startsWith('pod-') ||
    kind === 'container-kill' ||
    (kind === 'partition' && !('target' in fault && fault.target)));

/** Why light peers cannot be the participants of an experiment. */
export const lightPeerRefusal = (experiment: Experiment): string | undefined =>
  experiment.steps.some(({ fault }) => fault && cutsClients(fault))
    ? 'it ends connections to gateways, and light peers do not resume their sessions. Add --browser.'
    : undefined;

/**
 * Checks what can be checked before anything is started.
 *
 * @throws Refused
 */
export function requirePossible(
  { where, browser }: Pick<CommandLine, 'where' | 'browser'>,
  experiment: Experiment,
): void {
  const reason =
    (where.kind === 'fleet' ? localRefusals.fleet(experiment) : undefined) ??
    (browser ? undefined : lightPeerRefusal(experiment));
  if (reason !== undefined) throw new Refused(reason);
}

/** The drivers that refuse an experiment, for the table. */
export function refusedBy(experiment: Experiment): string {
  return [
    localRefusals.fleet(experiment) && 'fleet',
    localRefusals.cluster(experiment) && 'cluster',
    lightPeerRefusal(experiment) && 'light peers',
  ]
    .filter(Boolean)
    .join(', ');
}
