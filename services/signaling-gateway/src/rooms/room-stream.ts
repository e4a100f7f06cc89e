import {
  type EventLog,
  inTraceOf,
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
export type ApplyRoomEvent = (session: Session, entry: RoomEventEntry) => void;

/**
 * A room's events for the sessions of this gateway: one subscription and one encoded frame per event, however many sessions
 * are attached. Each session gets every event after its own offset once, in order.
 */
export class RoomStream {
  readonly #deliveries = new Map<Session, OrderedDelivery<Session>>();
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
   * Sends the session all events after the offset. Resolves once it has caught up or is detached; false when events after the
   * offset were trimmed, and then it is not attached. An earlier attachment ends.
   */
  async attach(session: Session, after: Offset): Promise<boolean> {
    this.#deliveries.get(session)?.stop();
    const delivery = new OrderedDelivery(session, after);
    this.#deliveries.set(session, delivery);
    if (compareOffsets(after, this.#position) >= 0) return true;
    const complete = await delivery.catchUp(async (from) => {
      const entries = await this.events.readAfter(roomStream(this.roomId), from, readBatch);
      if (entries === 'trimmed') return entries;
      return entries.map((raw) => {
        const [entry] = parseRoomEvents([raw]);
        return entry ? deliveryTo(session, entry, this.#deliveryOf(entry)) : { offset: raw.offset, frame: undefined };
      });
    });
    if (!complete) this.detach(session);
    return complete;
  }

  /** Returns the offset of the last event that the session was sent, undefined when it was not attached. */
  detach(session: Session): Offset | undefined {
    const delivery = this.#deliveries.get(session);
    delivery?.stop();
    this.#deliveries.delete(session);
    return delivery?.after;
  }

  #deliverAll(events: readonly RoomEventEntry[]): void {
    for (const entry of events) inTraceOf(entry.event, 'deliver', () => this.#deliver(entry));
  }

  #deliver(entry: RoomEventEntry): void {
    this.#position = entry.offset;
    const delivery = this.#deliveryOf(entry);
    for (const [session, ordered] of this.#deliveries) ordered.deliver(deliveryTo(session, entry, delivery));
    if (entry.event.at !== undefined) dispatchSeconds.observe({ to: 'room' }, (Date.now() - entry.event.at) / 1000);
  }

  #deliveryOf(entry: RoomEventEntry): Delivery<Session> {
    const { offset, event } = entry;
    const frame = eventFrame(roomAddress(this.roomId), offset, event);
    if (!changesMembership(entry)) return { offset, frame };
    return { offset, frame, effect: (session) => this.applyEvent(session, entry) };
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
    for (const session of this.#deliveries.keys()) this.detach(session);
  }
}

/** The delivery of an event to one session: without its frame when it is addressed to others. */
const deliveryTo = (session: Session, { event }: RoomEventEntry, delivery: Delivery<Session>): Delivery<Session> =>
  !event.only || event.only.includes(session.id) ? delivery : { ...delivery, frame: undefined };
