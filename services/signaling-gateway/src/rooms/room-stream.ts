import {
  type EventLog,
  inTraceOf,
  type LogEntry,
  parseRoomEvents,
  type RoomEventEntry,
  roomStream,
  type StreamSubscription,
  subscribeToRoom,
} from '@flotilla/bus';
import { compareOffsets, type Offset, roomAddress } from '@flotilla/contracts';
import { dispatchSeconds } from '../delivery/dispatch-metric.ts';
import { eventFrame } from '../delivery/frames.ts';
import { type Delivery, OrderedDelivery, readBatch } from '../delivery/ordered-delivery.ts';
import type { Session } from '../sessions/session.ts';
import { changesMembership } from './room-event-effects.ts';

/** Applies an event that changes memberships to a session. Called once per session and event, in order. */
export type ApplyRoomEvent = (session: Session, roomId: string, entry: RoomEventEntry) => void;

/**
 * A room's events for the sessions of this gateway: one subscription and one encoded frame per event, however many sessions
 * are attached. Each session gets every event after its own offset once, in order.
 */
export class RoomStream {
  readonly #deliveries = new Map<Session, OrderedDelivery>();
  readonly #subscription: StreamSubscription;
  #position: Offset;

  constructor(
    readonly roomId: string,
    after: Offset,
    private readonly events: EventLog,
    private readonly applyEvent: ApplyRoomEvent,
  ) {
    this.#position = after;
    this.#subscription = subscribeToRoom(
      events,
      roomId,
      after,
      (entry) => this.#deliverAll(entry),
      () => {
        for (const session of this.#deliveries.keys()) session.close('SERVICE_RESTART', 'events were missed, resume');
      },
    );
  }

  /** Number of attached sessions. */
  get size(): number {
    return this.#deliveries.size;
  }

  /** Offset of the last event that was delivered. */
  get position(): Offset {
    return this.#position;
  }

  /**
   * Sends the session all events after the offset. Resolves once it has caught up; false when events after the offset were
   * trimmed, and then it is not attached.
   */
  async attach(session: Session, after: Offset): Promise<boolean> {
    const behind = compareOffsets(after, this.#position) < 0;
    const delivery = new OrderedDelivery(session, after, behind);
    this.#deliveries.set(session, delivery);
    if (!behind) return true;
    const complete = await delivery.catchUp(async (from) => {
      const entries = await this.events.readAfter(roomStream(this.roomId), from, readBatch);
      return entries === 'trimmed' ? entries : this.#missedBy(session, delivery, entries);
    });
    if (!complete && this.#deliveries.get(session) === delivery) this.#deliveries.delete(session);
    return complete;
  }

  /** Applies the entries that were delivered before the session attached. Ends where one of them detaches the session. */
  #missedBy(session: Session, delivery: OrderedDelivery, entries: readonly LogEntry[]): Delivery[] {
    const missed: Delivery[] = [];
    for (const raw of entries) {
      if (this.#deliveries.get(session) !== delivery) break;
      const [entry] = parseRoomEvents([raw]);
      const frame = entry && isAddressedTo(session, entry) ? frameOf(this.roomId, entry) : undefined;
      missed.push({ offset: raw.offset, frame });
      if (entry && changesMembership(entry) && compareOffsets(raw.offset, this.#position) <= 0)
        this.applyEvent(session, this.roomId, entry);
    }
    return missed;
  }

  /** Returns the offset of the last event that the session was sent, undefined when it was not attached. */
  detach(session: Session): Offset | undefined {
    const delivery = this.#deliveries.get(session);
    this.#deliveries.delete(session);
    return delivery?.after;
  }

  #deliverAll(events: readonly RoomEventEntry[]): void {
    for (const entry of events) inTraceOf(entry.event, 'deliver', () => this.#deliver(entry));
  }

  #deliver(entry: RoomEventEntry): void {
    this.#position = entry.offset;
    const frame = frameOf(this.roomId, entry);
    const applies = changesMembership(entry);
    for (const [session, delivery] of this.#deliveries) {
      // A session whose room snapshot is newer than the event has its effect already.
      const isNew = applies && compareOffsets(entry.offset, delivery.after) > 0;
      delivery.deliver(entry.offset, isAddressedTo(session, entry) ? frame : undefined);
      if (isNew) this.applyEvent(session, this.roomId, entry);
    }
    if (entry.event.at !== undefined) dispatchSeconds.observe({ to: 'room' }, (Date.now() - entry.event.at) / 1000);
  }

  /**
   * Delivers an event that this gateway appended, without the round trip through Redis. Does nothing unless `previous` is the
   * last delivered event; the subscription delivers it then.
   */
  deliverOwn(previous: Offset, entry: RoomEventEntry): void {
    if (compareOffsets(previous, this.#position) !== 0) return;
    this.#subscription.skipTo(entry.offset);
    this.#deliver(entry);
  }

  close(): void {
    this.#subscription.stop();
    this.#deliveries.clear();
  }
}

const isAddressedTo = (session: Session, { event }: RoomEventEntry): boolean =>
  !event.only || event.only.includes(session.id);

const frameOf = (roomId: string, { offset, event }: RoomEventEntry): Buffer =>
  eventFrame(roomAddress(roomId), offset, event);
