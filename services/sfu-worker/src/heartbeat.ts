import { type NodeQuality, type NodeReport, type PeerQuality, QualityGroup } from '@flotilla/contracts';
import { type MediaNode, routerRtpCapabilities } from '@flotilla/media';
import { gauge, type Logger } from '@flotilla/runtime';
import type { NodeStore } from '@flotilla/store';
import type { OwnState } from './node-state.ts';
import { PeerScores } from './peer-scores.ts';

const everyMs = 500;

const load = gauge({ name: 'sfu_node_load', help: 'Share of its cores that the node uses.', labelNames: ['node'] });
const sessions = gauge({ name: 'sfu_sessions', help: 'Sessions homed on the node.', labelNames: ['node'] });
const streams = gauge({
  name: 'sfu_streams',
  help: 'Producers, consumers and pipes of the node.',
  labelNames: ['node', 'kind'],
});

const packets = gauge({
  name: 'sfu_packets_per_second',
  help: 'RTP packets that the node receives and sends, of clients and of other nodes.',
  labelNames: ['node'],
});
const bits = gauge({
  name: 'sfu_bits_per_second',
  help: 'What the media transports of the node receive and send.',
  labelNames: ['node'],
});
const peersByGroup = gauge({
  name: 'sfu_peers',
  help: 'Peers with media on the node, by their quality: stable, watch, move.',
  labelNames: ['node', 'group'],
});
const quality = gauge({
  name: 'sfu_peer_quality',
  help: 'Quality scores of the peers on the node, 0 to 1: the mean and the worst. 1 while there are none.',
  labelNames: ['node', 'of'],
});

/** Reports the node and its load, again and again. While the store is away it measures on and says so once. */
export class Heartbeat {
  readonly #startedAt = Date.now();
  readonly #peerScores = new PeerScores();
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> | undefined;
  #missed = 0;
  #stopped = false;

  constructor(
    private readonly node: MediaNode,
    private readonly nodes: NodeStore,
    private readonly capacity: number,
    private readonly state: OwnState,
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

  /** Reports at once, for what should not wait: resolves when the fleet knows. Rejects with UNAVAILABLE. */
  async now(): Promise<void> {
    await this.#beating;
    if (!this.#stopped) await this.#report();
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
    const { load: measured, peers } = await this.node.sample();
    const node = this.node.options.id;
    showLoad(node, measured);
    const fares = qualityOf(peers);
    showQuality(node, fares);
    const { current: state, drain } = this.state;
    const report: NodeReport = {
      id: node,
      startedAt: this.#startedAt,
      capacity: this.capacity,
      state,
      ...(drain && { drain: { ...drain, left: measured.sessions } }),
      quality: fares,
      rtpCapabilities: routerRtpCapabilities as NodeReport['rtpCapabilities'],
      load: measured,
    };
    await this.nodes.report(report, peers, this.#peerScores.of(peers));
  }

  /** Takes the node off, so that nobody is placed on it any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#beating;
    await this.nodes.remove(this.node.options.id);
  }
}

function showLoad(node: string, measured: NodeReport['load']): void {
  load.set({ node }, measured.cpu);
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

function showQuality(node: string, fares: NodeQuality): void {
  for (const group of QualityGroup.options) peersByGroup.set({ node, group }, fares[group]);
  for (const which of ['mean', 'worst'] as const) quality.set({ node, of: which }, fares[which]);
}
