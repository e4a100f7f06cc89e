import type { MigrationReason, MigrationRecord } from '@flotilla/contracts';

/** A client reports its measurement some time after the commit; in milliseconds. */
const reportedWithinMs = 5000;

/** Why a participant is migrated. */
export const reasons: Record<MigrationReason, string> = {
  node_load: 'node overloaded',
  rtt: 'round-trip time rose',
  quality: 'quality fell',
  drain: 'node draining',
  node_lost: 'node lost',
  manual: 'manual',
};

/** State of a migration. */
export function stepOf({ end, step }: Pick<MigrationRecord, 'end' | 'step'>): string {
  if (end === undefined) return step === 'reserved' ? 'connecting to the new node' : 'changing over';
  return { committed: 'committed', rolled_back: 'rolled back', timed_out: 'timed out' }[end];
}

/** The gap that the client measured, or why there is none. */
export function gapOf({ end, gapMs, ms, endedAt, reason }: MigrationRecord, now: number): string {
  if (gapMs !== undefined) return `${Math.round(gapMs)} ms`;
  if (end !== 'committed' || reason === 'node_lost') return '';
  if (ms === undefined && endedAt !== undefined && now - endedAt < reportedWithinMs) return 'measuring…';
  return 'not measured';
}
