import { type NodeQuality, type NodeReport, type PeerQuality, QualityGroup } from '@flotilla/contracts';
import { type MediaNode, routerRtpCapabilities } from '@flotilla/media';
import { gauge, type Logger } from '@flotilla/runtime';
import type { NodeStore } from '@flotilla/store';
import type { OwnState } from './node-state.ts';
import type { PipeChecks } from './pipe-checks.ts';
import { PeerScores } from './peer-scores.ts';
import type { StaleNodes } from './stale-nodes.ts';

const everyMs = 500;

const nodeInfo = gauge({
  name: 'sfu_node_info',
  help: 'Id of the node and name of its process, such as that of the pod. Always 1.',
  labelNames: ['node', 'instance'],
});
const load = gauge({
  name: 'sfu_node_load',
  help: 'CPU time that the node uses, as a fraction of its cores.',
  labelNames: ['node'],
});
const hottestWorker = gauge({
  name: 'sfu_hottest_worker_load',
  help: 'CPU time that the mediasoup worker with the highest load uses, as a fraction of one core.',
  labelNames: ['node'],
});
const sessions = gauge({ name: 'sfu_sessions', help: 'Sessions with media on the node.', labelNames: ['node'] });
const streams = gauge({
  name: 'sfu_streams',
  help: 'Producers, consumers and pipes of the node.',
  labelNames: ['node', 'kind'],
});

const packets = gauge({
  name: 'sfu_packets_per_second',
  help: 'RTP packets that the node receives and sends per second, from and to clients and other nodes.',
  labelNames: ['node'],
});
const bits = gauge({
  name: 'sfu_bits_per_second',
  help: 'Bits that the media transports of the node receive and send per second.',
  labelNames: ['node'],
});
const peersByGroup = gauge({
  name: 'sfu_peers',
  help: 'Peers with media on the node by quality group: stable, watch, move.',
  labelNames: ['node', 'group'],
});
const quality = gauge({
  name: 'sfu_peer_quality',
  help: 'Quality scores of the peers on the node, 0 to 1: the mean and the worst. 1 while there are none.',
  labelNames: ['node', 'of'],
});
const loss = gauge({
  name: 'sfu_peer_loss_ratio',
  help: 'Lost packets of the peers on the node as a fraction of the expected ones: the mean over the peers. 0 while there are none.',
  labelNames: ['node'],
});

const unreachable = gauge({
  name: 'sfu_unreachable_nodes',
  help: 'Other nodes, at most 16, that this one does not reach where they receive pipes.',
  labelNames: ['node'],
});

/** Reports the node and its load twice a second. One report is in flight at a time, so that the last one has the newest state. */
export class Heartbeat {
  readonly #startedAt = Date.now();
  readonly #peerScores = new PeerScores();
  #timer: NodeJS.Timeout | undefined;
  /** The last report, or the one in flight. Never rejects. */
  #lastReport: Promise<void> = Promise.resolve();
  #isReporting = false;
  #missed = 0;
  #stopped = false;

  constructor(
    private readonly node: MediaNode,
    private readonly nodes: NodeStore,
    private readonly settings: {
      readonly capacity: number;
      readonly instance: string;
      readonly revision: string | undefined;
      readonly address: string | undefined;
      readonly pipes: NonNullable<NodeReport['pipes']>;
    },
    private readonly state: OwnState,
    private readonly pipeChecks: Pick<PipeChecks, 'unreachable'>,
    /** Kept up to date. */
    private readonly staleNodes: StaleNodes,
    private readonly log: Logger,
  ) {}

  /** Resolves after the first report: from then on members are assigned to the node. */
  async start(): Promise<void> {
    nodeInfo.set({ node: this.node.options.id, instance: this.settings.instance }, 1);
    await this.reportNow();
    this.#timer = setInterval(() => void this.#reportPeriodically(), everyMs);
  }

  /** Reports at once. Resolves when the report is in the store. Throws UNAVAILABLE. */
  reportNow(): Promise<void> {
    const report = this.#lastReport.then(() => this.#report());
    this.#lastReport = report.catch(() => undefined);
    return report;
  }

  async #reportPeriodically(): Promise<void> {
    // A report that takes longer than the interval.
    if (this.#isReporting) return;
    this.#isReporting = true;
    try {
      await this.reportNow();
      if (this.#missed > 0) this.log.info({ missed: this.#missed }, 'heartbeats are written again');
      this.#missed = 0;
    } catch (error) {
      if (this.#missed++ === 0) this.log.warn({ err: error }, 'heartbeat not written');
    } finally {
      this.#isReporting = false;
    }
  }

  async #report(): Promise<void> {
    if (this.#stopped) return;
    const { load: measured, peers } = await this.node.sample();
    const node = this.node.options.id;
    exportLoad(node, measured);
    const ofPeers = qualityOf(peers);
    exportQuality(node, ofPeers);
    loss.set({ node }, peers.reduce((sum, peer) => sum + peer.loss, 0) / Math.max(1, peers.length));
    const { current: state, drain } = this.state;
    const { unreachable: unreachableNodes } = this.pipeChecks;
    unreachable.set({ node }, unreachableNodes.length);
    const report: NodeReport = {
      id: node,
      startedAt: this.#startedAt,
      instance: this.settings.instance,
      ...(this.settings.revision !== undefined && { revision: this.settings.revision }),
      ...(this.settings.address !== undefined && { address: this.settings.address }),
      pipes: this.settings.pipes,
      ...(unreachableNodes.length > 0 && { unreachableNodes }),
      capacity: this.settings.capacity,
      state,
      ...(drain && { drain: { ...drain, left: measured.sessions } }),
      quality: ofPeers,
      rtpCapabilities: routerRtpCapabilities as NodeReport['rtpCapabilities'],
      workerDeaths: this.node.workerDeaths,
      load: measured,
    };
    this.staleNodes.update(await this.nodes.report(report, peers, this.#peerScores.of(peers)));
  }

  /** Removes the node from the store, so that no member is assigned to it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#lastReport;
    await this.nodes.remove(this.node.options.id);
  }
}

function exportLoad(node: string, measured: NodeReport['load']): void {
  load.set({ node }, measured.cpu);
  hottestWorker.set({ node }, Math.max(0, ...measured.workers.map(({ cpu }) => cpu)));
  sessions.set({ node }, measured.sessions);
  for (const kind of ['producers', 'consumers', 'pipes'] as const) streams.set({ node, kind }, measured[kind]);
  packets.set({ node }, measured.packetsPerSecond);
  bits.set({ node }, measured.bitsPerSecond);
}

function qualityOf(peers: readonly PeerQuality[]): NodeQuality {
  const inGroup = (group: QualityGroup): number => peers.filter((peer) => peer.group === group).length;
  const scores = peers.map(({ score }) => score);
  return {
    stable: inGroup('stable'),
    watch: inGroup('watch'),
    move: inGroup('move'),
    mean: scores.length > 0 ? scores.reduce((sum, each) => sum + each, 0) / scores.length : 1,
    worst: Math.min(1, ...scores),
  };
}

function exportQuality(node: string, ofPeers: NodeQuality): void {
  for (const group of QualityGroup.options) peersByGroup.set({ node, group }, ofPeers[group]);
  for (const which of ['mean', 'worst'] as const) quality.set({ node, of: which }, ofPeers[which]);
}
