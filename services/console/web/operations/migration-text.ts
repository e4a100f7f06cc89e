import type { MigrationReason, MigrationRecord } from '@flotilla/contracts';

/** A client looks on for a while after a move before it says what it measured. */
const measuredWithinMs = 5000;

/** Why a peer is moved, in words. */
export const reasons: Record<MigrationReason, string> = {
  node_load: 'the node is hot',
  rtt: 'its round trip rose',
  quality: 'quality fell',
  drain: 'the node drains',
  node_lost: 'the node is lost',
  manual: 'asked for',
};

/** How far a migration is, in words. */
export function stepOf({ end, step }: Pick<MigrationRecord, 'end' | 'step'>): string {
  if (end === undefined) return step === 'reserved' ? 'opening the new side' : 'changing over';
  return { committed: 'committed', rolled_back: 'rolled back', timed_out: 'timed out' }[end];
}

/** The gap its client measured, or why there is none. */
export function gapOf({ end, gapMs, ms, endedAt, reason }: MigrationRecord, now: number): string {
  if (gapMs !== undefined) return `${Math.round(gapMs)} ms`;
  if (end !== 'committed' || reason === 'node_lost') return '';
  if (ms === undefined && endedAt !== undefined && now - endedAt < measuredWithinMs) return 'measuring…';
  return 'not measured';
}
