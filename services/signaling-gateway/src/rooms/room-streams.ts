import type { EventLog, PlacedRoomEvent } from '@flotilla/bus';
import type { Offset } from '@flotilla/contracts';
import type { Session } from '../sessions/session.ts';
import { RoomStream } from './room-stream.ts';

/** The feeds of the rooms that this gateway has sessions in. A room without any is not followed. */
export class RoomStreams {
  readonly #feeds = new Map<string, RoomStream>();

  constructor(
    private readonly events: EventLog,
    /** Sees each event once, after the sessions got it. */
    private readonly onEvent: (feed: RoomStream, placed: PlacedRoomEvent) => void,
  ) {}

  /** See RoomStream.attach. */
  async attach(roomId: string, session: Session, after: Offset): Promise<boolean> {
    let feed = this.#feeds.get(roomId);
    if (!feed) this.#feeds.set(roomId, (feed = new RoomStream(roomId, after, this.events, this.onEvent)));
    const complete = await feed.attach(session, after);
    if (!complete) this.#closeIfUnused(feed);
    return complete;
  }

  detach(roomId: string, session: Session): void {
    const feed = this.#feeds.get(roomId);
    if (!feed) return;
    feed.detach(session);
    this.#closeIfUnused(feed);
  }

  /** See RoomStream.offer. */
  offer(roomId: string, previous: Offset, placed: PlacedRoomEvent): void {
    this.#feeds.get(roomId)?.offer(previous, placed);
  }

  /** Whether the room is followed here, and nothing happened in it after the offset as far as is known. */
  isAt(roomId: string, offset: Offset): boolean {
    return this.#feeds.get(roomId)?.position === offset;
  }

  #closeIfUnused(feed: RoomStream): void {
    if (feed.size > 0) return;
    feed.close();
    if (this.#feeds.get(feed.roomId) === feed) this.#feeds.delete(feed.roomId);
  }

  get size(): number {
    return this.#feeds.size;
  }

  close(): void {
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
  }
}
