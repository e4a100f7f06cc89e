import type { CommandBus } from '@flotilla/bus';
import type { NodeView } from '@flotilla/contracts';
import { nodeReport } from '@flotilla/testkit';
import { CoreV1Api, KubeConfig, PatchStrategy, setHeaderOptions, AppsV1Api, type V1Pod } from '@kubernetes/client-node';

const capacity = 100;
const tickMs = 50;

interface FleetNode {
  readonly id: string;
  state: NodeView['state'];
  reserved: number;
}

/** SFU nodes in the pods of a Deployment, and the kubelets that report pods as ready. Peers move off the nodes that are to be emptied. */
export class PodFleet {
  readonly core: CoreV1Api;
  readonly apps: AppsV1Api;
  /** By the name of the pod. */
  readonly nodes = new Map<string, FleetNode>();
  /** Sessions of pods that were removed. */
  lost = 0;
  /** Whether peers move. */
  moves = true;
  #timer: NodeJS.Timeout | undefined;
  #ticking: Promise<void> | undefined;

  constructor(
    private readonly namespace: string,
    /** Pods whose peers are to be moved, as the planner reads them. */
    private readonly leaving: () => ReadonlySet<string>,
  ) {
    const config = new KubeConfig();
    config.loadFromDefault();
    this.core = config.makeApiClient(CoreV1Api);
    this.apps = config.makeApiClient(AppsV1Api);
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#ticking ??= this.#tick()
        .catch(() => undefined)
        .finally(() => (this.#ticking = undefined));
    }, tickMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#ticking;
  }

  async pods(): Promise<V1Pod[]> {
    return (await this.core.listNamespacedPod({ namespace: this.namespace })).items;
  }

  async #tick(): Promise<void> {
    const pods = await this.pods();
    for (const { metadata, status } of pods) {
      const name = metadata!.name!;
      if (this.nodes.has(name)) continue;
      this.nodes.set(name, { id: `nd_${name}`, state: 'active', reserved: 0 });
      const type = 'Ready';
      if (!status?.conditions?.some((condition) => condition.type === type))
        await this.core.patchNamespacedPodStatus(
          { name, namespace: this.namespace, body: { status: { conditions: [{ type, status: 'True' }] } } },
          setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch),
        );
    }
    const names = new Set(pods.map(({ metadata }) => metadata!.name));
    for (const [name, node] of this.nodes) {
      if (names.has(name)) continue;
      this.lost += node.reserved;
      this.nodes.delete(name);
    }
    if (this.moves) this.#movePeers();
  }

  #movePeers(): void {
    const leaving = this.leaving();
    for (const [name, from] of this.nodes) {
      const to = [...this.nodes].find(([other, { state }]) => !leaving.has(other) && state === 'active')?.[1];
      if (!to || !leaving.has(name)) continue;
      to.reserved += from.reserved;
      from.reserved = 0;
    }
  }

  /** The store's list of nodes. */
  readonly list = async (): Promise<NodeView[]> =>
    [...this.nodes].map(([instance, { id, state, reserved }]) => ({
      ...nodeReport(id, { instance, state, capacity }),
      reserved,
      lastSeenAt: Date.now(),
      alive: true,
    }));

  /** A command bus that carries out the states that nodes are given. */
  readonly bus: Pick<CommandBus, 'call'> = {
    call: (async (queue: string, _type: string, { state }: { state: NodeView['state'] }) => {
      const node = [...this.nodes.values()].find(({ id }) => queue.endsWith(id));
      if (!node) throw new Error(`no node serves ${queue}`);
      node.state = state;
      return { state };
    }) as CommandBus['call'],
  };

  /** Sets the number of sessions of each node, in the order of their pods' names. */
  setSessions(...sessions: readonly number[]): void {
    const names = [...this.nodes.keys()].toSorted();
    for (const [index, name] of names.entries()) this.nodes.get(name)!.reserved = sessions[index] ?? 0;
  }
}
