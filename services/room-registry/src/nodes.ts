import type { CommandBus } from '@flotilla/bus';
import { FlotillaError, type NodeStateChange, type NodeState, type NodeSummary, sfuQueue } from '@flotilla/contracts';
import type { NodeStore } from '@flotilla/store';

/** The SFU nodes of the REST API, and commands to them. */
export class Nodes {
  constructor(
    private readonly store: NodeStore,
    private readonly bus: CommandBus,
  ) {}

  async list(): Promise<NodeSummary[]> {
    const nodes = await this.store.list();
    return nodes.map(({ rtpCapabilities: _rtpCapabilities, ...summary }) => summary);
  }

  /**
   * Changes the state of a node. Placement applies it when this resolves. Throws NOT_FOUND for an unknown node, NODE_UNAVAILABLE
   * when the node does not answer.
   */
  async setState(id: string, state: NodeState, drainSeconds?: number): Promise<NodeStateChange> {
    await this.#require(id);
    const reply = await this.bus.call(sfuQueue(id), 'sfu.cordon', { state, drainSeconds });
    return { id, state: reply.state };
  }

  /** Throws NOT_FOUND, NODE_UNAVAILABLE, DRILL_REFUSED. Returns the index of the worker that was killed. */
  async killWorker(id: string, worker: number | undefined): Promise<number> {
    await this.#require(id);
    return (await this.bus.call(sfuQueue(id), 'sfu.kill_worker', { worker })).worker;
  }

  /** Throws NOT_FOUND, NODE_UNAVAILABLE, DRILL_REFUSED. */
  async kill(id: string): Promise<void> {
    await this.#require(id);
    await this.bus.call(sfuQueue(id), 'sfu.kill_node', {});
  }

  async #require(id: string): Promise<void> {
    const nodes = await this.store.list();
    if (!nodes.some((node) => node.id === id)) throw new FlotillaError('NOT_FOUND', `there is no node ${id}`);
  }
}
