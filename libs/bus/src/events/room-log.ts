import { type Offset, RoomEvent } from '@flotilla/contracts';
import { inSpan, injectTrace, outsideTraces } from '@flotilla/runtime';
import type { EventLog, StreamSubscription, LogEntry } from './event-log.ts';

/** The stream that is the truth about a room. */
export const roomStream = (roomId: string): string => `{${roomId}}:events`;

/** What concerns one gateway: messages to users it has sessions of, sessions that moved elsewhere. */
export const gatewayStream = (gatewayId: string): string => `gateway:${gatewayId}`;

/** Messages to everybody. */
export const broadcastStream = 'broadcast';

/** What SFU nodes report of themselves. */
export const nodeStream = 'sfu:stats';

/** A room event and where it stands. */
export interface PlacedRoomEvent {
  readonly offset: Offset;
  readonly event: RoomEvent;
}

/**
 * The events in entries of a room's stream. Entries of a type that this version does not know come from a newer service and are
 * skipped, and so are damaged ones.
 */
export function parseRoomEvents(entries: readonly LogEntry[]): PlacedRoomEvent[] {
  return entries.flatMap(({ offset, data }) => {
    const event = RoomEvent.safeParse(parsed(data));
    return event.success ? [{ offset, event: event.data }] : [];
  });
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

/** The event as it is written down, with the trace it belongs to. */
export function encodeRoomEvent(event: RoomEvent): string {
  const trace = injectTrace();
  return JSON.stringify(Object.keys(trace).length > 0 ? { ...event, trace } : event);
}

export function appendRoomEvent(log: EventLog, roomId: string, event: RoomEvent): Promise<Offset> {
  return log.append(roomStream(roomId), encodeRoomEvent(event));
}

/** As `appendRoomEvent`, and says which event stands before it. */
export function appendNextRoomEvent(
  log: EventLog,
  roomId: string,
  event: RoomEvent,
): Promise<{ offset: Offset; previous: Offset }> {
  return log.appendNext(roomStream(roomId), encodeRoomEvent(event));
}

export function subscribeToRoom(
  log: EventLog,
  roomId: string,
  after: Offset,
  onEvents: (events: PlacedRoomEvent[]) => void,
): StreamSubscription {
  return log.subscribe(roomStream(roomId), after, (entries) => onEvents(parseRoomEvents(entries)));
}

/** Does what an event asks for, as part of the trace that the event belongs to, if there is one. */
export function inTraceOf(event: RoomEvent, what: string, work: () => void): void {
  if (!event.trace) return outsideTraces(work);
  inSpan(`${what} ${event.type}`, { kind: 'consumer', carrier: event.trace }, work);
}
