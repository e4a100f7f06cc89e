import { appendRoomEvent, type EventLog } from '@flotilla/bus';
import type { RoomEvent } from '@flotilla/contracts';
import { type Logger, retry } from '@flotilla/runtime';

/** How long an event is appended again while the event log is out of reach, in milliseconds. */
const appendForMs = 60_000;

/** Appends an event that no later one replaces, in the background. Logs an error when the log stays out of reach. */
export function appendUntilStored(events: EventLog, roomId: string, event: RoomEvent, log: Logger): void {
  retry(() => appendRoomEvent(events, roomId, event), { forMs: appendForMs }).catch((error: unknown) =>
    log.error({ err: error, roomId, eventType: event.type }, 'room event not appended'),
  );
}
