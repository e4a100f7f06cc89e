import type { Member, RelayReport, RelayView, RetainedMessage } from '@flotilla/contracts';
import { assignRelay } from '../relay-choice.ts';
import { nodeTimeoutMs, type RelayStore, type RetainedKey, retainedSeconds } from '../store.ts';

/** Relays and retained values within one process. */
export class MemoryRelays implements RelayStore {
  readonly #relays = new Map<string, { report: RelayReport; lastSeenAt: number }>();
  readonly #assigned = new Map<string, string>();
  readonly #retained = new Map<string, { messages: Map<string, RetainedMessage>; until: number }>();
  /** By room and publisher: since when it is barred, ms. */
  readonly #barred = new Map<string, Map<string, number>>();

  constructor(private readonly now: () => number) {}

  async report(report: RelayReport): Promise<void> {
    this.#relays.set(report.id, { report, lastSeenAt: this.now() });
  }

  async list(): Promise<RelayView[]> {
    const oldest = this.now() - nodeTimeoutMs;
    return [...this.#relays.values()].map(({ report, lastSeenAt }) => ({
      ...report,
      lastSeenAt,
      alive: lastSeenAt >= oldest,
    }));
  }

  async remove(relayId: string): Promise<void> {
    this.#relays.delete(relayId);
  }

  async assign(roomId: string, exclude: readonly string[], avoid?: string): Promise<string> {
    const { ofLink, ofRoom } = assignRelay(await this.list(), this.#assigned.get(roomId), exclude, avoid);
    this.#assigned.set(roomId, ofRoom);
    return ofLink;
  }

  async retain(roomId: string, message: RetainedMessage): Promise<void> {
    if (this.#barred.get(roomId)?.has(message.publisherId)) return;
    let kept = this.#retained.get(roomId);
    if (!kept || kept.until <= this.now()) this.#retained.set(roomId, (kept = { messages: new Map(), until: 0 }));
    kept.messages.set(`${message.publisherId} ${message.topic}`, message);
    kept.until = this.now() + retainedSeconds * 1000;
  }

  async forget(roomId: string, { topic, publisherId }: RetainedKey): Promise<void> {
    this.#retained.get(roomId)?.messages.delete(`${publisherId} ${topic}`);
  }

  async retained(roomId: string): Promise<RetainedMessage[]> {
    const kept = this.#retained.get(roomId);
    return kept && kept.until > this.now() ? [...kept.messages.values()] : [];
  }

  async barred(roomId: string): Promise<string[]> {
    return [...(this.#barred.get(roomId)?.keys() ?? [])];
  }

  /** As stage_bar of includes/retained.lua. `members`: those of the room. */
  bar(roomId: string, { id, userId }: Pick<Member, 'id' | 'userId'>, members: ReadonlyMap<string, Member>): void {
    const barred = this.#barred.get(roomId) ?? new Map<string, number>();
    this.#barred.set(roomId, barred);
    const now = this.now();
    for (const [publisher, at] of barred) if (at <= now - retainedSeconds * 1000) barred.delete(publisher);
    barred.set(id, now);
    const messages = this.#retained.get(roomId)?.messages ?? new Map<string, RetainedMessage>();
    for (const [key, message] of messages) {
      const { publisherId } = message;
      if (publisherId !== id && (message.userId !== userId || members.has(publisherId))) continue;
      barred.set(publisherId, now);
      messages.delete(key);
    }
  }

  unbar(roomId: string, participantId: string): void {
    this.#barred.get(roomId)?.delete(participantId);
  }

  /** Deletes what is kept for a room, when the room is deleted. */
  dropRoom(roomId: string): void {
    this.#retained.delete(roomId);
    this.#barred.delete(roomId);
    this.#assigned.delete(roomId);
  }
}
