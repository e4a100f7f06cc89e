import type { EventLog, RoomEventEntry } from '@flotilla/bus';
import type { Offset } from '@flotilla/contracts';
import type { Session } from '../sessions/session.ts';
import { type ApplyRoomEvent, RoomStream } from './room-stream.ts';

/** The streams of the rooms that sessions of this gateway are in. A room without sessions is not subscribed to. */
export class RoomStreams {
  readonly #streams = new Map<string, RoomStream>();

  constructor(
    private readonly events: EventLog,
    private readonly applyEvent: ApplyRoomEvent,
  ) {}

  /** See RoomStream.attach. */
  async attach(roomId: string, session: Session, after: Offset): Promise<boolean> {
    let stream = this.#streams.get(roomId);
    if (!stream) this.#streams.set(roomId, (stream = new RoomStream(roomId, after, this.events, this.applyEvent)));
    const complete = await stream.attach(session, after);
    if (!complete) this.#closeIfUnused(stream);
    return complete;
  }

  /** Returns the offset of the last event that the session was sent, undefined when it was not attached. */
  detach(roomId: string, session: Session): Offset | undefined {
    const stream = this.#streams.get(roomId);
    const after = stream?.detach(session);
    if (stream) this.#closeIfUnused(stream);
    return after;
  }

  /** Detaches a session from all of its rooms. */
  detachAll(session: Session): void {
    for (const roomId of session.rooms.keys()) this.detach(roomId, session);
  }

  /** See RoomStream.deliverOwn. */
  deliverOwn(roomId: string, previous: Offset, entry: RoomEventEntry): void {
    this.#streams.get(roomId)?.deliverOwn(previous, entry);
  }

  /** Whether the room is subscribed to and the offset is that of its last known event. */
  isAt(roomId: string, offset: Offset): boolean {
    return this.#streams.get(roomId)?.position === offset;
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
  }
}
