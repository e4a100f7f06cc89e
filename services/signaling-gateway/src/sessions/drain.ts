import { setTimeout as pause } from 'node:timers/promises';
import type { Session } from './session.ts';
import type { SessionTable } from './session-table.ts';

/** Interval between two groups of sessions, ms. */
const intervalMs = 100;

/**
 * Asks all sessions to move to another gateway, in random order and spread evenly over half of `withinMs`, which bounds the
 * rate at which other gateways receive them. Resolves when all have left or `withinMs` is over.
 */
export async function drainSessions(
  table: SessionTable,
  withinMs: number,
  askToMove: (session: Session) => void,
): Promise<void> {
  if (withinMs === 0) return;
  const startedAt = performance.now();
  const remaining = shuffled([...table]);
  const groups = Math.max(1, Math.floor(withinMs / 2 / intervalMs));
  const groupSize = Math.ceil(remaining.length / groups);
  while (table.size > 0 && performance.now() - startedAt < withinMs) {
    for (const session of remaining.splice(0, groupSize)) askToMove(session);
    await pause(intervalMs);
  }
}

/** Fisher-Yates shuffle in place. */
function shuffled<T>(items: T[]): T[] {
  for (let index = items.length - 1; index > 0; index--) {
    const other = Math.floor(Math.random() * (index + 1));
    [items[index], items[other]] = [items[other]!, items[index]!];
  }
  return items;
}
