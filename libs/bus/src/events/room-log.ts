import { type Offset, RoomEvent, safeRead } from '@flotilla/contracts';
import { inSpan, injectTrace, outsideTraces } from '@flotilla/runtime';
import { entryValue, type EventLog, type LogEntry, type StreamSubscription } from './event-log.ts';

/** The event stream of a room, which is its source of truth. */
export const roomStream = (roomId: string): string => `{${roomId}}:events`;

/** Events for one gateway: messages to users with a session on it, and sessions that were resumed on another gateway. */
export const gatewayStream = (gatewayId: string): string => `gateway:${gatewayId}`;

/** Messages to all participants. */
export const broadcastStream = 'broadcast';

/** Reports of SFU nodes. */
export const nodeStream = 'sfu:stats';

/** A room event with its offset in the room's stream. */
export interface RoomEventEntry {
  readonly offset: Offset;
  readonly event: RoomEvent;
}

/**
 * Parses entries of a room's stream. Entries of a type that this version does not know, from a newer service, and invalid entries
 * are skipped.
 */
export function parseRoomEvents(entries: readonly LogEntry[]): RoomEventEntry[] {
  return entries.flatMap(({ offset, data }) => {
    const event = safeRead(RoomEvent, entryValue(data));
    return event.success ? [{ offset, event: event.data }] : [];
  });
}

/** Serialises an event, with the current trace context. */
export function encodeRoomEvent(event: RoomEvent): string {
  const trace = injectTrace();
  return JSON.stringify(Object.keys(trace).length > 0 ? { ...event, trace } : event);
}

/** Appends an event to a room's stream and returns its offset. */
export function appendRoomEvent(log: EventLog, roomId: string, event: RoomEvent): Promise<Offset> {
  return log.append(roomStream(roomId), encodeRoomEvent(event));
}

/** Appends an event to a room's stream and returns its offset and that of the event before it. */
export function appendNextRoomEvent(
  log: EventLog,
  roomId: string,
  event: RoomEvent,
): Promise<{ offset: Offset; previous: Offset }> {
  return log.appendNext(roomStream(roomId), encodeRoomEvent(event));
}

/** Subscribes to the events of a room after an offset. After `onMissed`, what follows them has to be read from the room's state. */
export function subscribeToRoom(
  log: EventLog,
  roomId: string,
  after: Offset,
  onEvents: (events: RoomEventEntry[]) => void,
  onMissed: () => void,
): StreamSubscription {
  return log.subscribe(roomStream(roomId), after, (entries) => onEvents(parseRoomEvents(entries)), onMissed);
}

/** Runs `work` in a span of the event's trace, named `<operation> <event type>`; outside of any trace if the event has none. */
export function inTraceOf(event: RoomEvent, operation: string, work: () => void): void {
  if (!event.trace) return outsideTraces(work);
  inSpan(`${operation} ${event.type}`, { kind: 'consumer', carrier: event.trace }, work);
}
