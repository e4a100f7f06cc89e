import type { RoomStore } from '@flotilla/store';
import type { RoomStreams } from './room-streams.ts';

/** Age at which a number is read again, ms. */
const refreshMs = 5000;
/** Maximum number of rooms whose number is kept. */
const maxRooms = 10_000;
/** With fewer participants here, more than `receiversPerRate` in the fleet are spread over more than 16 gateways: that is not worth a read. */
const minParticipants = 8;

interface Size {
  participants: number;
  readonly readAt: number;
}

/**
 * Number of participants of rooms in the whole fleet, at once: it is read in the background, at most once in `refreshMs` for each room
 * that is asked for. Until it was read, and while it cannot be, that of this gateway; so it is where that is small.
 */
export class RoomSizes {
  readonly #sizes = new Map<string, Size>();

  constructor(
    private readonly rooms: Pick<RoomStore, 'get'>,
    private readonly streams: Pick<RoomStreams, 'sizeOf'>,
  ) {}

  of(roomId: string, now: number = performance.now()): number {
    const here = this.streams.sizeOf(roomId);
    if (here < minParticipants) return here;
    const known = this.#sizes.get(roomId);
    if (!known || now - known.readAt >= refreshMs) this.#read(roomId, now, known?.participants ?? 0);
    return Math.max(known?.participants ?? 0, here);
  }

  #read(roomId: string, now: number, previous: number): void {
    const size = { participants: previous, readAt: now };
    this.#sizes.delete(roomId);
    this.#sizes.set(roomId, size);
    const [oldest] = this.#sizes.keys();
    if (this.#sizes.size > maxRooms && oldest !== undefined) this.#sizes.delete(oldest);
    this.rooms.get(roomId).then(
      (room) => void (size.participants = room?.participants ?? 0),
      () => undefined,
    );
  }

  /** Number of rooms whose number is kept. */
  get tracked(): number {
    return this.#sizes.size;
  }
}
