import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isRunning, namespace as clusterNamespace } from '@flotilla/cluster';
import type { CommandLine } from './command-line.ts';
import { ChaosMeshDriver, isChaosMeshServed, notServed } from './drivers/chaos-mesh/chaos-mesh-driver.ts';
import { ClusterDriver, clusterUrls } from './drivers/cluster/cluster-driver.ts';
import { type Driver, Refused } from './drivers/driver.ts';
import { FleetDriver } from './drivers/fleet/fleet-driver.ts';
import { contextUrls } from './drivers/kubernetes/context-urls.ts';
import { ApiProxy, Kubectl } from './drivers/kubernetes/kubectl.ts';
import { requirePermission } from './drivers/kubernetes/permission.ts';
import type { Experiment } from './manifests/experiment.ts';
import { localRefusals } from './refusals.ts';

/**
 * Starts the driver that the command line asks for.
 *
 * @param folder of the report, for the logs of a fleet.
 * @throws Refused where the experiment cannot or must not be carried out.
 */
export async function chooseDriver(line: CommandLine, experiment: Experiment, folder: string): Promise<Driver> {
  const { where, yes } = line;
  if (where.kind === 'fleet') {
    mkdirSync(folder, { recursive: true });
    const log = createWriteStream(join(folder, 'fleet.log'));
    return FleetDriver.start({ onLine: (name, text) => void log.write(`${name} ${text}\n`) });
  }
  if (where.kind === 'cluster') return onCluster(experiment, yes);
  const kubectl = Kubectl.ofContext(where.context);
  if (!yes) await requirePermission(kubectl, line.namespace);
  if (!(await isChaosMeshServed(kubectl))) throw notServed(`the cluster of the context ${where.context}`);
  const { urls, end } = await contextUrls(kubectl, line.namespace, line.gateway);
  return new ChaosMeshDriver(kubectl, await ApiProxy.start(kubectl), line.namespace, urls, end);
}

async function onCluster(experiment: Experiment, yes: boolean): Promise<Driver> {
  if (!isRunning()) throw new Refused('no cluster runs on this machine. Start one with: npm run cluster');
  const kubectl = Kubectl.local();
  if (!yes) await requirePermission(kubectl, clusterNamespace);
  if (await isChaosMeshServed(kubectl))
    return new ChaosMeshDriver(kubectl, await ApiProxy.start(kubectl), clusterNamespace, await clusterUrls());
  const reason = localRefusals.cluster(experiment);
  if (reason !== undefined) throw new Refused(reason);
  return ClusterDriver.connect();
}
