import { randomUUID } from 'node:crypto';
import { type Fleet, type FleetOptions, startFleet } from '@flotilla/local-fleet';
import { adminUrlOf } from '@flotilla/processes';

/** A fleet for one test file, in a namespace of its own. With SHOW_LOGS set, what its processes write is shown. */
export function ownFleet(name: string, options: Omit<FleetOptions, 'port' | 'onLine'>): Promise<Fleet> {
  return startFleet({
    ...options,
    port: 0,
    env: { FLOTILLA_NAMESPACE: `${name}-${randomUUID().slice(0, 8)}`, ...options.env },
    onLine: (process_, line) => process.env['SHOW_LOGS'] && console.log(process_, line),
  });
}

/** The metrics of a process of the fleet, as Prometheus reads them. */
export async function metricsOf(fleet: Fleet, name: string): Promise<string> {
  return (await fetch(`${await adminUrlOf(fleet.processes.get(name)!)}/metrics`)).text();
}
