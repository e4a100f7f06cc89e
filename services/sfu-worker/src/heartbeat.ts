import type { NodeReport } from '@flotilla/contracts';
import { type MediaNode, routerRtpCapabilities } from '@flotilla/media';
import { gauge, type Logger } from '@flotilla/runtime';
import type { NodeStore } from '@flotilla/store';

const everyMs = 500;

const load = gauge({ name: 'sfu_node_load', help: 'Share of its cores that the node uses.', labelNames: ['node'] });
const sessions = gauge({ name: 'sfu_sessions', help: 'Sessions homed on the node.', labelNames: ['node'] });
const streams = gauge({
  name: 'sfu_streams',
  help: 'Producers, consumers and pipes of the node.',
  labelNames: ['node', 'kind'],
});

/** Reports the node and its load, again and again. While the store is away it measures on and says so once. */
export class Heartbeat {
  readonly #startedAt = Date.now();
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> | undefined;
  #missed = 0;

  constructor(
    private readonly node: MediaNode,
    private readonly nodes: NodeStore,
    private readonly capacity: number,
    private readonly log: Logger,
  ) {}

  /** The first report is made before this resolves: from then on the node is given members. */
  async start(): Promise<void> {
    await this.#report();
    this.#timer = setInterval(() => {
      // A report that takes longer than the interval is not made twice.
      this.#beating ??= this.#beat().finally(() => (this.#beating = undefined));
    }, everyMs);
  }

  async #beat(): Promise<void> {
    try {
      await this.#report();
      if (this.#missed > 0) this.log.info({ missed: this.#missed }, 'heartbeats are written again');
      this.#missed = 0;
    } catch (error) {
      if (this.#missed++ === 0) this.log.warn({ err: error }, 'heartbeat not written');
    }
  }

  async #report(): Promise<void> {
    const measured = await this.node.sample();
    const node = this.node.options.id;
    load.set({ node }, measured.cpu);
    sessions.set({ node }, measured.sessions);
    for (const kind of ['producers', 'consumers', 'pipes'] as const) streams.set({ node, kind }, measured[kind]);
    const report: NodeReport = {
      id: node,
      startedAt: this.#startedAt,
      capacity: this.capacity,
      state: 'active',
      rtpCapabilities: routerRtpCapabilities as NodeReport['rtpCapabilities'],
      load: measured,
    };
    await this.nodes.report(report);
  }

  /** Takes the node off, so that nobody is placed on it any more. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#beating;
    await this.nodes.remove(this.node.options.id);
  }
}
