import type { LogEntry } from '@flotilla/bus/events';
import { compareOffsets, type Offset } from '@flotilla/contracts';

/** The messages to a user that are kept. */
export interface Inbox {
  readonly entries: readonly LogEntry[];
  /** Messages were trimmed since the inbox was empty. */
  readonly isTrimmed: boolean;
}

/**
 * The kept messages after an offset. Complete when that at the offset is kept, or when none was trimmed: those that expired are older
 * than a session may be without a connection, see `messagesKeptSeconds`.
 */
export function missedMessages(
  { entries: kept, isTrimmed }: Inbox,
  after: Offset,
): { complete: boolean; entries: LogEntry[] } {
  return {
    complete: !isTrimmed || kept.some(({ offset }) => offset === after),
    entries: kept.filter(({ offset }) => compareOffsets(offset, after) > 0),
  };
}
