import type { LogEntry } from '@flotilla/bus/events';
import { compareOffsets, type Offset } from '@flotilla/contracts';
import { keptMessagesPerUser } from './store.ts';

/**
 * The kept messages after an offset. Some are gone only when so many came that the oldest were dropped: one that expired
 * did so after nobody could come back for it.
 */
export function missedMessages(kept: readonly LogEntry[], after: Offset): { complete: boolean; entries: LogEntry[] } {
  const entries = kept.filter(({ offset }) => compareOffsets(offset, after) > 0);
  return { complete: entries.length < kept.length || kept.length < keptMessagesPerUser, entries };
}
