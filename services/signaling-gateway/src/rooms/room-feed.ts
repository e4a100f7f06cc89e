import {
  type EventLog,
  type Following,
  followRoom,
  inTraceOf,
  parseRoomEvents,
  type PlacedRoomEvent,
  roomStream,
} from '@flotilla/bus';
import { compareOffsets, type Offset, roomAddress } from '@flotilla/contracts';
import type { Session } from '../sessions/session.ts';

interface Listener {
  /** The last event it has. */
  after: Offset;
  /** While older events are read for it, what comes meanwhile waits here. */
  waiting: PlacedRoomEvent[] | undefined;
}

const readBatch = 500;

/**
 * A room's events on their way to the sessions of this gateway: one reader of the stream, one frame per event, however many
 * listen. Each listener gets every event after its own offset once, in order.
 */
export class RoomFeed {
  readonly #listeners = new Map<Session, Listener>();
  readonly #following: Following;
  /** The last event that went out. */
  #position: Offset;

  constructor(
    readonly roomId: string,
    after: Offset,
    private readonly events: EventLog,
    private readonly onEvent: (feed: RoomFeed, placed: PlacedRoomEvent) => void,
  ) {
    this.#position = after;
    this.#following = followRoom(events, roomId, after, (placed) => this.#deliver(placed));
  }

  get size(): number {
    return this.#listeners.size;
  }

  get listeners(): IterableIterator<Session> {
    return this.#listeners.keys();
  }

  /**
   * Sends the session all events after the offset. Resolves when it has caught up with the others; false when events it
   * misses are gone, and then it does not listen.
   */
  async attach(session: Session, after: Offset): Promise<boolean> {
    if (compareOffsets(after, this.#position) >= 0) {
      this.#listeners.set(session, { after, waiting: undefined });
      return true;
    }
    const listener: Listener = { after, waiting: [] };
    this.#listeners.set(session, listener);
    for (;;) {
      const entries = await this.events.readAfter(roomStream(this.roomId), listener.after, readBatch);
      if (this.#listeners.get(session) !== listener) return true;
      if (entries === 'gone') {
        this.#listeners.delete(session);
        return false;
      }
      const last = entries.at(-1);
      if (!last) break;
      for (const placed of parseRoomEvents(entries))
        this.#sendTo(session, listener, placed, frameOf(this.roomId, placed));
      listener.after = last.offset;
    }
    const { waiting = [] } = listener;
    listener.waiting = undefined;
    for (const placed of waiting) this.#sendTo(session, listener, placed, frameOf(this.roomId, placed));
    return true;
  }

  detach(session: Session): void {
    this.#listeners.delete(session);
  }

  #deliver(events: readonly PlacedRoomEvent[]): void {
    for (const placed of events) inTraceOf(placed.event, 'deliver', () => this.#deliverOne(placed));
  }

  #deliverOne(placed: PlacedRoomEvent): void {
    this.#position = placed.offset;
    const frame = frameOf(this.roomId, placed);
    for (const [session, listener] of this.#listeners) {
      if (listener.waiting) listener.waiting.push(placed);
      else this.#sendTo(session, listener, placed, frame);
    }
    this.onEvent(this, placed);
  }

  #sendTo(session: Session, listener: Listener, { offset, event }: PlacedRoomEvent, frame: string): void {
    if (compareOffsets(offset, listener.after) <= 0) return;
    listener.after = offset;
    if (!event.only || event.only.includes(session.id)) session.send(frame);
  }

  close(): void {
    this.#following.stop();
    this.#listeners.clear();
  }
}

/** The event as the client gets it. */
function frameOf(roomId: string, { offset, event }: PlacedRoomEvent): string {
  const { type, from, payload } = event;
  return JSON.stringify({ seq: offset, type, from, to: roomAddress(roomId), routedAt: Date.now(), payload });
}
