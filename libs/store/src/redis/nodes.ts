import { hottestCpu, NodeReport, type NodeView, type PeerQuality, PeerScore, versionOf } from '@flotilla/contracts';
import { z } from 'zod';
import { statsOf } from '../node-stats.ts';
import { nodeTimeoutMs, type NodeStore } from '../store.ts';
import type { Keys } from './keys.ts';
import { readable } from './readable.ts';
import type { ScriptClient } from './script-client.ts';

export class RedisNodes implements NodeStore {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  async report(
    report: NodeReport,
    peers: readonly PeerQuality[] = [],
    peerScores: readonly PeerScore[] = [],
  ): Promise<string[]> {
    return this.client.run('reportNode', {
      nodeId: report.id,
      report: JSON.stringify(report),
      state: report.state,
      version: versionOf(report),
      slot: `${report.capacity} ${hottestCpu(report.load)}`,
      stats: JSON.stringify(statsOf(report, peers)),
      peerScores: JSON.stringify(peerScores),
    });
  }

  async get(nodeId: string): Promise<NodeReport | undefined> {
    const text = await this.client.do((redis) => redis.hget(this.keys.nodes(), nodeId));
    return text === null ? undefined : readable(NodeReport, text);
  }

  /** A report that this version cannot read is left out, so that it does not hide the others. */
  async list(): Promise<NodeView[]> {
    const [reports, beats, reserved, now] = await this.client.run('listNodes', {});
    const seenAt = pairUp(beats);
    const reservedOf = pairUp(reserved);
    return reports.flatMap((text) => {
      const report = readable(NodeReport, text);
      if (!report) return [];
      const { id } = report;
      const lastSeenAt = seenAt.get(id) ?? 0;
      return [
        {
          ...report,
          reserved: reservedOf.get(id) ?? 0,
          lastSeenAt,
          alive: lastSeenAt >= Number(now) - nodeTimeoutMs,
        },
      ];
    });
  }

  async aliveIds(): Promise<string[]> {
    return this.client.do(async (redis) => {
      const [seconds, microseconds] = await redis.time();
      const oldest = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000) - nodeTimeoutMs;
      return redis.zrange(this.keys.beats(), oldest, '+inf', 'BYSCORE');
    });
  }

  /** The peer scores that these nodes reported. */
  async peerScores(ids: readonly string[]): Promise<[string, PeerScore[]][]> {
    if (ids.length === 0) return [];
    const texts = await this.client.do((redis) => redis.hmget(this.keys.peerScores(), ...ids));
    return ids.map((id, index) => [id, readable(z.array(PeerScore), texts[index] ?? '[]') ?? []]);
  }

  async deadOf(nodeIds: readonly string[], deadAfterMs: number): Promise<string[]> {
    if (nodeIds.length === 0) return [];
    const beats = this.keys.beats();
    const [newest, seenAt] = await this.client.do((redis) =>
      // In this order: a heartbeat in between makes no node look older.
      Promise.all([redis.zrange(beats, '-1', '-1', 'WITHSCORES'), redis.zmscore(beats, ...nodeIds)]),
    );
    const deadBefore = Number(newest[1]) - deadAfterMs;
    return nodeIds.filter((_, index) => Number(seenAt[index] ?? -Infinity) < deadBefore);
  }

  async repair(from = 0): Promise<{ repaired: number; next: number | undefined }> {
    const [repaired, next] = await this.client.run('repairNodes', { from });
    return { repaired, next: next === -1 ? undefined : next };
  }

  async remove(nodeId: string): Promise<void> {
    await this.client.run('removeNode', { nodeId });
  }
}

/** `[name, number, name, number, ...]` as a map. */
function pairUp(flat: readonly string[]): Map<string, number> {
  const map = new Map<string, number>();
  for (let index = 0; index + 1 < flat.length; index += 2) map.set(flat[index]!, Number(flat[index + 1]));
  return map;
}
