import { setTimeout as pause } from 'node:timers/promises';
import type { Session } from './session.ts';
import type { SessionTable } from './session-table.ts';

const everyMs = 100;

/**
 * Asks the sessions to move to another gateway, in random order and evenly over half of the time there is, so that the other
 * gateways don't meet all of them at once. Resolves when all are gone or the time is over.
 */
export async function drainSessions(
  table: SessionTable,
  withinMs: number,
  ask: (session: Session) => void,
): Promise<void> {
  if (withinMs === 0) return;
  const began = performance.now();
  const waiting = shuffled([...table]);
  const rounds = Math.max(1, Math.floor(withinMs / 2 / everyMs));
  const perRound = Math.ceil(waiting.length / rounds);
  while (table.size > 0 && performance.now() - began < withinMs) {
    for (const session of waiting.splice(0, perRound)) ask(session);
    await pause(everyMs);
  }
}

/** Fisher and Yates. */
function shuffled<T>(items: T[]): T[] {
  for (let index = items.length - 1; index > 0; index--) {
    const other = Math.floor(Math.random() * (index + 1));
    [items[index], items[other]] = [items[other]!, items[index]!];
  }
  return items;
}
