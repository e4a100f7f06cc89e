import type { EventLog, RoomEventEntry } from '@flotilla/bus';
import type { Offset } from '@flotilla/contracts';
import type { Session } from '../sessions/session.ts';
import { applyRoomEvent } from './room-event-effects.ts';
import { RoomStream } from './room-stream.ts';

/** The streams of the rooms that sessions of this gateway are in. A room without sessions is not subscribed to. */
export class RoomStreams {
  readonly #streams = new Map<string, RoomStream>();
  /** The streams that each session is attached to. */
  readonly #attached = new Map<Session, Set<RoomStream>>();

  constructor(private readonly events: EventLog) {}

  /** See RoomStream.attach. */
  async attach(roomId: string, session: Session, after: Offset): Promise<boolean> {
    const stream = this.#streamOf(roomId, after);
    const attached = this.#attached.get(session);
    if (attached) attached.add(stream);
    else this.#attached.set(session, new Set([stream]));
    const complete = await stream.attach(session, after);
    if (!complete) this.#detach(stream, session);
    return complete;
  }

  #streamOf(roomId: string, after: Offset): RoomStream {
    const known = this.#streams.get(roomId);
    if (known) return known;
    const stream = new RoomStream(roomId, after, this.events, (session, entry) => this.#apply(session, roomId, entry));
    this.#streams.set(roomId, stream);
    return stream;
  }

  #apply(session: Session, roomId: string, entry: RoomEventEntry): void {
    const membership = session.rooms.get(roomId);
    if (membership && applyRoomEvent(session, membership, entry)) this.endMembership(session, roomId);
  }

  /** Ends a session's membership of a room on this gateway: it is not sent the room's events any more. */
  endMembership(session: Session, roomId: string): void {
    session.rooms.delete(roomId);
    this.detach(roomId, session);
  }

  /** Returns the offset of the last event that the session was sent, undefined when it was not attached. */
  detach(roomId: string, session: Session): Offset | undefined {
    const stream = this.#streams.get(roomId);
    return stream && this.#detach(stream, session);
  }

  #detach(stream: RoomStream, session: Session): Offset | undefined {
    const attached = this.#attached.get(session);
    if (attached?.delete(stream) && attached.size === 0) this.#attached.delete(session);
    const after = stream.detach(session);
    this.#closeIfUnused(stream);
    return after;
  }

  /** Detaches a session from all streams. */
  detachAll(session: Session): void {
    for (const stream of this.#attached.get(session) ?? []) this.#detach(stream, session);
  }

  /** See RoomStream.deliverOwn. */
  deliverOwn(roomId: string, previous: Offset, entry: RoomEventEntry): void {
    this.#streams.get(roomId)?.deliverOwn(previous, entry);
  }

  /** Whether the room is subscribed to and the offset is that of its last known event. */
  isAt(roomId: string, offset: Offset): boolean {
    return this.#streams.get(roomId)?.position === offset;
  }

  /** Number of sessions of this gateway that are sent the room's events. */
  sizeOf(roomId: string): number {
    return this.#streams.get(roomId)?.size ?? 0;
  }

  #closeIfUnused(stream: RoomStream): void {
    if (stream.size > 0) return;
    stream.close();
    if (this.#streams.get(stream.roomId) === stream) this.#streams.delete(stream.roomId);
  }

  get size(): number {
    return this.#streams.size;
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
    this.#attached.clear();
  }
}
