import { type Offset, RoomEvent } from '@flotilla/contracts';
import type { EventLog, Following, LogEntry } from './events/event-log.ts';

/** The stream that is the truth about a room. */
export const roomStream = (roomId: string): string => `{${roomId}}:events`;

/** What SFU nodes report of themselves. */
export const nodeStream = 'sfu:stats';

/** A room event and where it stands. */
export interface PlacedRoomEvent {
  readonly offset: Offset;
  readonly event: RoomEvent;
}

/**
 * The events in entries of a room's stream. Entries of a type this version doesn't know come from a newer service and are
 * passed over.
 */
export function parseRoomEvents(entries: readonly LogEntry[]): PlacedRoomEvent[] {
  return entries.flatMap(({ offset, data }) => {
    const event = RoomEvent.safeParse(JSON.parse(data));
    return event.success ? [{ offset, event: event.data }] : [];
  });
}

export function appendRoomEvent(log: EventLog, roomId: string, event: RoomEvent): Promise<Offset> {
  return log.append(roomStream(roomId), JSON.stringify(event));
}

export function followRoom(
  log: EventLog,
  roomId: string,
  after: Offset,
  onEvents: (events: PlacedRoomEvent[]) => void,
): Following {
  return log.follow(roomStream(roomId), after, (entries) => onEvents(parseRoomEvents(entries)));
}
