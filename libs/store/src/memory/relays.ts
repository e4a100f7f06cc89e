import type { RelayReport, RelayView, RetainedMessage } from '@flotilla/contracts';
import { assignRelay } from '../relay-choice.ts';
import { nodeTimeoutMs, type RelayStore, retainedSeconds } from '../store.ts';

/** Relays and retained values within one process. */
export class MemoryRelays implements RelayStore {
  readonly #relays = new Map<string, { report: RelayReport; lastSeenAt: number }>();
  readonly #assigned = new Map<string, string>();
  readonly #retained = new Map<string, { messages: Map<string, RetainedMessage>; until: number }>();

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
    let kept = this.#retained.get(roomId);
    if (!kept || kept.until <= this.now()) this.#retained.set(roomId, (kept = { messages: new Map(), until: 0 }));
    kept.messages.set(`${message.publisherId} ${message.topic}`, message);
    kept.until = this.now() + retainedSeconds * 1000;
  }

  async forget(roomId: string, topic: string, publisherId: string): Promise<void> {
    this.#retained.get(roomId)?.messages.delete(`${publisherId} ${topic}`);
  }

  async retained(roomId: string): Promise<RetainedMessage[]> {
    const kept = this.#retained.get(roomId);
    return kept && kept.until > this.now() ? [...kept.messages.values()] : [];
  }

  /** Deletes what is kept for a room, when the room is deleted. */
  dropRoom(roomId: string): void {
    this.#retained.delete(roomId);
    this.#assigned.delete(roomId);
  }
}
