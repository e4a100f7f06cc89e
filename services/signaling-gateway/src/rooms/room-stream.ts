import {
  type EventLog,
  type StreamSubscription,
  subscribeToRoom,
  inTraceOf,
  type LogEntry,
  parseRoomEvents,
  type PlacedRoomEvent,
  roomStream,
} from '@flotilla/bus';
import { compareOffsets, type Offset, roomAddress } from '@flotilla/contracts';
import { dispatchSeconds } from '../delivery/dispatch-metric.ts';
import { eventFrame } from '../delivery/frames.ts';
import { type Delivery, OrderedDelivery, readBatch } from '../delivery/ordered-delivery.ts';
import type { Session } from '../sessions/session.ts';

/**
 * A room's events on their way to the sessions of this gateway: one reader of the stream, one frame per event, however many
 * listen. Each listener gets every event after its own offset once, in order.
 */
export class RoomStream {
  readonly #listeners = new Map<Session, OrderedDelivery>();
  readonly #following: StreamSubscription;
  #position: Offset;

  constructor(
    readonly roomId: string,
    after: Offset,
    private readonly events: EventLog,
    private readonly onEvent: (feed: RoomStream, placed: PlacedRoomEvent) => void,
  ) {
    this.#position = after;
    this.#following = subscribeToRoom(events, roomId, after, (placed) => this.#deliver(placed));
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** The last event that went out. */
  get position(): Offset {
    return this.#position;
  }

  get listeners(): IterableIterator<Session> {
    return this.#listeners.keys();
  }

  /**
   * Sends the session all events after the offset. Resolves when it has caught up with the others; false when events it
   * misses are gone, and then it does not listen.
   */
  async attach(session: Session, after: Offset): Promise<boolean> {
    const behind = compareOffsets(after, this.#position) < 0;
    const listener = new OrderedDelivery(session, after, behind);
    this.#listeners.set(session, listener);
    if (!behind) return true;
    const complete = await listener.catchUp(async (from) => {
      const entries = await this.events.readAfter(roomStream(this.roomId), from, readBatch);
      if (this.#listeners.get(session) !== listener) return [];
      return entries === 'trimmed' ? entries : entries.map((entry) => this.#deliveryTo(session, entry));
    });
    if (!complete && this.#listeners.get(session) === listener) this.#listeners.delete(session);
    return complete;
  }

  #deliveryTo(session: Session, entry: LogEntry): Delivery {
    const [placed] = parseRoomEvents([entry]);
    return {
      offset: entry.offset,
      frame: placed && isFor(session, placed) ? frameOf(this.roomId, placed) : undefined,
    };
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
    for (const [session, listener] of this.#listeners)
      listener.deliver(placed.offset, isFor(session, placed) ? frame : undefined);
    if (placed.event.at !== undefined) dispatchSeconds.observe({ to: 'room' }, (Date.now() - placed.event.at) / 1000);
    this.onEvent(this, placed);
  }

  /**
   * An event that this gateway appended itself. When it follows right on the last that went out, it goes out at once, and not
   * again when the stream brings it: that spares the way through Redis and back.
   */
  offer(previous: Offset, placed: PlacedRoomEvent): void {
    if (compareOffsets(previous, this.#position) !== 0) return;
    this.#following.skipTo(placed.offset);
    this.#deliverOne(placed);
  }

  close(): void {
    this.#following.stop();
    this.#listeners.clear();
  }
}

const isFor = (session: Session, { event }: PlacedRoomEvent): boolean => !event.only || event.only.includes(session.id);

const frameOf = (roomId: string, { offset, event }: PlacedRoomEvent): Buffer =>
  eventFrame(roomAddress(roomId), offset, event);
