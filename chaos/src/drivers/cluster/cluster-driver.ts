import {
  apiKey,
  brokerPorts,
  controlPlaneAddress,
  gatewayUrlOf,
  killPart,
  killProcess,
  kubectl,
  namespace,
  pageUrl,
  type Pod,
  pods,
  registryUrl,
  startPart,
} from '@flotilla/cluster';
import { RestApi } from '@flotilla/testkit';
import type { Experiment } from '../../manifests/experiment.ts';
import { describeFault, type Fault, type Selection } from '../../manifests/faults.ts';
import type { Scrape } from '../../measure/metric-history.ts';
import { noDelay } from '../../network/delay-line.ts';
import { type CarryOut, carryOutSteps, type Driver, Refused, refusalOf } from '../driver.ts';
import { ApiProxy, Kubectl } from '../kubernetes/kubectl.ts';
import { scrapePods } from '../kubernetes/pod-metrics.ts';
import { lossRules, relayRules } from './firewall.ts';
import { networkOf, podFirewall, removeFirewall, startPodLoad, startPodRelays } from './pod-processes.ts';
import { relayedPaths } from './relayed-paths.ts';
import { clusterRefusal } from './refusals.ts';

type Undo = () => Promise<void>;
type Network = Extract<Fault, { kind: 'delay' | 'loss' | 'partition' }>;

/** The image of the pods' first process: it runs and does nothing. */
const idleImage = 'flotilla.local/pause:1';

/** Where clients of the cluster of this machine go. They run on the client's machine, which alone has a route to the nodes. */
export async function clusterUrls(): Promise<Driver['urls']> {
  const machines = (await pods('gateway')).map(({ spec }) => Number(spec.nodeName?.slice(1)));
  return {
    pageUrl,
    gatewayUrls: [...new Set(machines)].map(gatewayUrlOf),
    api: new RestApi(registryUrl, await apiKey()),
  };
}

/** Carries experiments out on the cluster of this machine: with kubectl, signals, nftables and relays. */
export class ClusterDriver implements Driver {
  readonly name = 'local cluster';

  private constructor(
    private readonly api: ApiProxy,
    readonly urls: Driver['urls'],
  ) {}

  static async connect(): Promise<ClusterDriver> {
    const urls = await clusterUrls();
    return new ClusterDriver(await ApiProxy.start(Kubectl.local()), urls);
  }

  scrape(): Promise<Scrape[]> {
    return scrapePods(this.api, namespace);
  }

  async carryOut(experiment: Experiment, options: CarryOut): Promise<void> {
    const reason = refusalOf(experiment, clusterRefusal);
    if (reason !== undefined) throw new Refused(reason);
    await carryOutSteps(experiment.steps, (fault, how) => this.#inject(fault, how), options);
  }

  async #inject(fault: Fault, options: CarryOut): Promise<Undo> {
    const { event } = options;
    switch (fault.kind) {
      case 'pod-kill':
      case 'container-kill':
      case 'pod-failure':
      case 'cpu':
        return this.#onPods(fault, options);
      case 'delay':
      case 'loss':
      case 'partition':
        return this.#impair(fault, options);
      case 'dns':
        await killPart('dns');
        event('the DNS server of the cluster is stopped');
        return async () => {
          await startPart('dns');
          event('the DNS server of the cluster runs again');
        };
      default:
        throw new Refused(clusterRefusal(fault));
    }
  }

  /** The running pods that a selection hits. */
  async #chosen({ component, mode }: Selection, { nodeInUse }: CarryOut): Promise<Pod[]> {
    const running = (await pods(component)).filter(
      ({ metadata, status }) => metadata.deletionTimestamp === undefined && status.phase === 'Running',
    );
    if (running.length === 0) throw new Error(`no pod of ${component ?? 'Flotilla'} runs`);
    if (mode === 'all') return running;
    const inUse = component === 'sfu' ? await this.#podOf(await nodeInUse()) : undefined;
    return [running.find(({ metadata }) => metadata.name === inUse) ?? running[0]!];
  }

  async #podOf(nodeId: string | undefined): Promise<string | undefined> {
    const { body } = await this.urls.api.request('GET', '/v1/nodes');
    const { nodes } = body as { nodes: readonly { id: string; instance?: string }[] };
    return nodes.find(({ id }) => id === nodeId)?.instance;
  }

  async #onPods(
    fault: Extract<Fault, { kind: 'pod-kill' | 'container-kill' | 'pod-failure' | 'cpu' }>,
    options: CarryOut,
  ): Promise<Undo> {
    const chosen = await this.#chosen(fault.on, options);
    return onEach(chosen, options, async (pod) => {
      const { name } = pod.metadata;
      const object = ['pod', name, '--namespace', namespace];
      let undo: Undo | undefined;
      if (fault.kind === 'pod-kill')
        await kubectl(['delete', ...object, '--grace-period=0', '--force', '--wait=false']);
      else if (fault.kind === 'container-kill') await killProcess(pod);
      else if (fault.kind === 'cpu') undo = await startPodLoad(pod, fault.workers, fault.percent);
      else undo = await replaceImage(pod);
      options.event(`${name}: ${describeFault(fault)}`);
      return undo;
    });
  }

  async #impair(fault: Network, options: CarryOut): Promise<Undo> {
    const isOfBroker = fault.on.component === 'redis' || fault.on.component === 'rabbitmq';
    // Brokers run outside the nodes: the other end of each path is impaired.
    const chosen = await this.#chosen(isOfBroker ? { component: undefined, mode: 'all' } : fault.on, options);
    const undo = await onEach(chosen, options, async (pod) =>
      fault.kind === 'delay' ? delay(pod, fault) : drop(pod, fault, await this.#addressesOf(fault.target)),
    );
    options.event(`${describeFault(fault)}: in ${chosen.map(({ metadata }) => metadata.name).join(', ')}`);
    return undo;
  }

  /** The addresses of the other end of a path. */
  async #addressesOf(target: Selection | undefined): Promise<string[] | undefined> {
    if (!target) return undefined;
    if (target.component === 'redis' || target.component === 'rabbitmq') return [controlPlaneAddress];
    const addresses = (await pods(target.component)).flatMap(({ status }) => status.podIP ?? []);
    if (addresses.length === 0) throw new Error(`no pod of ${target.component ?? 'Flotilla'} has an address`);
    return addresses;
  }

  async close(): Promise<void> {
    await this.api.stop();
  }
}

/** Injects a fault into one pod after the other. When that fails, it is undone in those before. */
async function onEach(
  chosen: readonly Pod[],
  options: CarryOut,
  inject: (pod: Pod) => Promise<Undo | undefined>,
): Promise<Undo> {
  const undos: Undo[] = [];
  try {
    for (const pod of chosen) {
      const undo = await inject(pod);
      if (undo) undos.push(undo);
    }
  } catch (error) {
    await undoAll(undos, options);
    throw error;
  }
  return () => undoAll(undos, options);
}

async function undoAll(undos: readonly Undo[], { event }: CarryOut): Promise<void> {
  for (const result of await Promise.allSettled(undos.map((undo) => undo())))
    if (result.status === 'rejected') event(`could not be undone: ${String(result.reason)}`);
  if (undos.length > 0) event('the fault is undone');
}

/** Makes a pod fail as Chaos Mesh does: its container gets an image that does nothing. */
async function replaceImage({ metadata, spec }: Pod): Promise<Undo> {
  const { name: container, image } = spec.containers[0]!;
  const set = (to: string): Promise<string> =>
    kubectl(['set', 'image', `pod/${metadata.name}`, `${container}=${to}`, '--namespace', namespace]);
  await set(idleImage);
  return async () => {
    // A pod that was deleted meanwhile has been replaced.
    await set(image).catch((error: unknown) => {
      if (!String(error).includes('NotFound')) throw error;
    });
  };
}

async function drop(
  pod: Pod,
  fault: Exclude<Network, { kind: 'delay' }>,
  addresses: readonly string[] | undefined,
): Promise<Undo> {
  const share = fault.kind === 'loss' ? fault.share : 1;
  const direction = fault.kind === 'partition' && !fault.target ? 'both' : fault.direction;
  const network = await networkOf(pod);
  await podFirewall(network, lossRules({ share, direction, addresses }));
  return () => removeFirewall(network);
}

async function delay(pod: Pod, fault: Extract<Network, { kind: 'delay' }>): Promise<Undo> {
  const component = pod.metadata.labels['app.kubernetes.io/component'];
  const paths = relayedPaths(component, fault, { host: controlPlaneAddress, ports: brokerPorts });
  if (paths.length === 0) return async () => undefined;
  const { latencyMs, jitterMs, direction } = fault;
  const amount = { latencyMs, jitterMs };
  const isOfBroker = fault.on.component === 'redis' || fault.on.component === 'rabbitmq';
  // What the pod sends goes up the relays to brokers, and down the relay to its own server.
  const egress = direction !== (isOfBroker ? 'to' : 'from') ? amount : noDelay;
  const ingress = direction !== (isOfBroker ? 'from' : 'to') ? amount : noDelay;
  const relays = (isServer: boolean) =>
    paths
      .filter((path) => path.isServer === isServer)
      .map(({ relayPort, host, port }) => ({ listen: relayPort, host, port }));
  const network = await networkOf(pod);
  const ends: Undo[] = [];
  const undo = async (): Promise<void> => {
    try {
      await removeFirewall(network);
    } finally {
      await Promise.all(ends.map((end) => end()));
    }
  };
  try {
    ends.push(await startPodRelays(pod, { relays: relays(false), up: egress, down: ingress }));
    ends.push(await startPodRelays(pod, { relays: relays(true), up: ingress, down: egress }));
    await podFirewall(network, relayRules(paths));
  } catch (error) {
    await undo().catch(() => undefined);
    throw error;
  }
  return undo;
}
