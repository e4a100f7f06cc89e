import { type MemoryEventLog, nodeStream } from '@flotilla/bus/events';
import type { NodeReport, NodeView, PeerQuality, PeerScore } from '@flotilla/contracts';
import { statsOf } from '../node-stats.ts';
import { type NodeStore, nodeTimeoutMs } from '../store.ts';

export class MemoryNodes implements NodeStore {
  readonly #nodes = new Map<string, { report: NodeReport; peerScores: readonly PeerScore[]; lastSeenAt: number }>();
  readonly #reserved = new Map<string, number>();

  constructor(
    private readonly log: MemoryEventLog,
    private readonly now: () => number,
  ) {}

  async report(
    report: NodeReport,
    peers: readonly PeerQuality[] = [],
    peerScores: readonly PeerScore[] = [],
  ): Promise<string[]> {
    this.#nodes.set(report.id, { report, peerScores, lastSeenAt: this.now() });
    this.log.appendNow(nodeStream, JSON.stringify(statsOf(report, peers)));
    return this.view().flatMap(({ id, alive }) => (alive ? [] : [id]));
  }

  async get(nodeId: string): Promise<NodeReport | undefined> {
    return this.#nodes.get(nodeId)?.report;
  }

  async list(): Promise<NodeView[]> {
    return this.view();
  }

  async aliveIds(): Promise<string[]> {
    return this.view().flatMap(({ id, alive }) => (alive ? [id] : []));
  }

  async deadOf(nodeIds: readonly string[], deadAfterMs: number): Promise<string[]> {
    if (this.#nodes.size === 0) return [];
    const deadBefore = Math.max(...[...this.#nodes.values()].map(({ lastSeenAt }) => lastSeenAt)) - deadAfterMs;
    return nodeIds.filter((id) => (this.#nodes.get(id)?.lastSeenAt ?? -Infinity) < deadBefore);
  }

  view(): NodeView[] {
    const oldest = this.now() - nodeTimeoutMs;
    return [...this.#nodes.values()].map(({ report, lastSeenAt }) => ({
      ...report,
      reserved: this.#reserved.get(report.id) ?? 0,
      lastSeenAt,
      alive: lastSeenAt >= oldest,
    }));
  }

  /** The peer scores that live nodes report. */
  peerScores(): [string, readonly PeerScore[]][] {
    const oldest = this.now() - nodeTimeoutMs;
    return [...this.#nodes].flatMap(([id, { peerScores, lastSeenAt }]) =>
      lastSeenAt >= oldest ? [[id, peerScores]] : [],
    );
  }

  /** The node gets no member and no request for a pipe until it reports again. */
  markStale(nodeId: string): void {
    const node = this.#nodes.get(nodeId);
    if (node) node.lastSeenAt = Math.min(node.lastSeenAt, this.now() - nodeTimeoutMs - 1);
  }

  reserve(nodeId: string, change: 1 | -1): void {
    this.#reserved.set(nodeId, Math.max(0, (this.#reserved.get(nodeId) ?? 0) + change));
  }

  /** There is no index: a choice reads all nodes. */
  async repair(): Promise<{ repaired: number; next: undefined }> {
    return { repaired: 0, next: undefined };
  }

  async remove(nodeId: string): Promise<void> {
    this.#nodes.delete(nodeId);
    if (this.#reserved.get(nodeId) === 0) this.#reserved.delete(nodeId);
  }
}
