import type { LogEntry } from '@flotilla/bus/events';
import { compareOffsets, type Offset } from '@flotilla/contracts';
import { keptMessagesPerUser } from './store.ts';

/**
 * The kept messages after an offset. Incomplete only when older messages were trimmed for their number: messages expire after
 * the resume window of every session that could miss them.
 */
export function missedMessages(kept: readonly LogEntry[], after: Offset): { complete: boolean; entries: LogEntry[] } {
  const entries = kept.filter(({ offset }) => compareOffsets(offset, after) > 0);
  return { complete: entries.length < kept.length || kept.length < keptMessagesPerUser, entries };
}
