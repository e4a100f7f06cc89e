import { nodeStream } from '@flotilla/bus';
import { NodeReport, type NodeView, type PeerQuality, PeerScore } from '@flotilla/contracts';
import { z } from 'zod';
import { statsOf } from '../node-stats.ts';
import { nodeTimeoutMs, type NodeStore } from '../store.ts';
import type { Keys } from './keys.ts';
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
  ): Promise<void> {
    const { keys } = this;
    const slot = `${report.state} ${report.capacity} ${report.load.cpu}`;
    await this.client.run(
      'reportNode',
      keys.nodes(),
      keys.beats(),
      keys.slots(),
      keys.stream(nodeStream),
      keys.peerScores(),
      report.id,
      JSON.stringify(report),
      slot,
      JSON.stringify(statsOf(report, peers)),
      JSON.stringify(peerScores),
    );
  }

  async list(): Promise<NodeView[]> {
    const { keys } = this;
    const [reports, beats, reserved, now] = await this.client.run<[string[], string[], string[], string]>(
      'listNodes',
      keys.nodes(),
      keys.beats(),
      keys.reserved(),
    );
    const seenAt = pairUp(beats);
    const places = pairUp(reserved);
    return reports.map((text) => {
      const report = NodeReport.parse(JSON.parse(text));
      const lastSeenAt = seenAt.get(report.id) ?? 0;
      return {
        ...report,
        reserved: places.get(report.id) ?? 0,
        lastSeenAt,
        alive: lastSeenAt >= Number(now) - nodeTimeoutMs,
      };
    });
  }

  /** What these nodes say of their peers. */
  async peerScores(ids: readonly string[]): Promise<[string, PeerScore[]][]> {
    if (ids.length === 0) return [];
    const texts = await this.client.do((redis) => redis.hmget(this.keys.peerScores(), ...ids));
    return ids.map((id, index) => [id, z.array(PeerScore).parse(JSON.parse(texts[index] ?? '[]'))]);
  }

  async remove(nodeId: string): Promise<void> {
    const { keys } = this;
    await this.client.do((redis) =>
      redis
        .multi()
        .hdel(keys.nodes(), nodeId)
        .zrem(keys.beats(), nodeId)
        .hdel(keys.slots(), nodeId)
        .hdel(keys.peerScores(), nodeId)
        .exec(),
    );
  }
}

/** `[name, number, name, number, ...]` as a map. */
function pairUp(flat: readonly string[]): Map<string, number> {
  const map = new Map<string, number>();
  for (let index = 0; index + 1 < flat.length; index += 2) map.set(flat[index]!, Number(flat[index + 1]));
  return map;
}
