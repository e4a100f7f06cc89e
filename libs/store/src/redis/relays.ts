import { RelayReport, type RelayView, RetainedMessage } from '@flotilla/contracts';
import { assignRelay } from '../relay-choice.ts';
import { nodeTimeoutMs, type RelayStore, type RetainedKey, retainedSeconds } from '../store.ts';
import type { Keys } from './keys.ts';
import { readable } from './readable.ts';
import type { ScriptClient } from './script-client.ts';

export class RedisRelays implements RelayStore {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  async report(report: RelayReport): Promise<void> {
    await this.client.run('reportRelay', { relayId: report.id, report: JSON.stringify(report) });
  }

  /** A report that this version cannot read is left out, so that it does not hide the others. */
  async list(): Promise<RelayView[]> {
    const [reports, beats, now] = await this.client.run('listRelays', {});
    return reports.flatMap((text) => {
      const report = readable(RelayReport, text);
      if (!report) return [];
      const lastSeenAt = Number(beats[beats.indexOf(report.id) + 1] ?? 0);
      return [{ ...report, lastSeenAt, alive: lastSeenAt >= Number(now) - nodeTimeoutMs }];
    });
  }

  async remove(relayId: string): Promise<void> {
    await this.client.run('removeRelay', { relayId });
  }

  async assign(roomId: string, exclude: readonly string[], avoid?: string): Promise<string> {
    const key = this.keys.roomRelay(roomId);
    const [relays, preferred] = await Promise.all([this.list(), this.client.do((redis) => redis.get(key))]);
    const { ofLink, ofRoom } = assignRelay(relays, preferred ?? undefined, exclude, avoid);
    // Parallel first links of a room may choose two relays; the room then spans both.
    await this.client.do((redis) => redis.set(key, ofRoom, 'EX', retainedSeconds));
    return ofLink;
  }

  async retain(roomId: string, message: RetainedMessage): Promise<void> {
    const { publisherId, topic, userId } = message;
    const [field, unnamed] = fieldsOf({ publisherId, topic, userId });
    await this.client.run('retain', { roomId, publisherId, field, unnamed, message: JSON.stringify(message) });
  }

  async forget(roomId: string, value: RetainedKey): Promise<void> {
    await this.client.do((redis) => redis.hdel(this.keys.retained(roomId), ...fieldsOf(value)));
  }

  async retained(roomId: string): Promise<RetainedMessage[]> {
    const values = await this.client.do((redis) => redis.hvals(this.keys.retained(roomId)));
    return values.map((text) => readable(RetainedMessage, text)).filter((message) => message !== undefined);
  }

  async barred(roomId: string): Promise<string[]> {
    return this.client.do((redis) => redis.zrange(this.keys.barred(roomId), 0, '-1'));
  }
}

/** The field of a value, and the one that versions before it use. */
function fieldsOf({ publisherId, topic, userId }: RetainedKey): [field: string, unnamed: string] {
  const unnamed = `${publisherId} ${topic}`;
  return [userId === undefined ? unnamed : `${unnamed} ${userId}`, unnamed];
}
