import { setTimeout as pause } from 'node:timers/promises';
import type { MediaNode } from '@flotilla/media';
import type { Logger } from '@flotilla/runtime';
import type { Heartbeat } from './heartbeat.ts';
import type { OwnState } from './node-state.ts';

const lookEveryMs = 100;
const reportEveryMs = 1000;

/**
 * Lets the peers of a node that stops be moved to others: reports it as draining, which is what the planner acts on, and
 * waits until nobody is left or the time is over.
 */
export async function drain(
  { media, state, heartbeat }: { media: MediaNode; state: OwnState; heartbeat: Heartbeat },
  withinMs: number,
  log: Logger,
): Promise<void> {
  if (withinMs === 0 || media.sessions === 0) return;
  const began = performance.now();
  state.set('draining');
  await heartbeat.now().catch((error: unknown) => log.warn({ err: error }, 'could not tell that the node drains'));
  let reportedAt = -Infinity;
  while (media.sessions > 0) {
    const now = performance.now();
    if (now - began > withinMs) {
      log.warn({ sessions: media.sessions }, 'the time to drain is over, the rest loses its media');
      return;
    }
    if (now - reportedAt > reportEveryMs) {
      log.info({ sessions: media.sessions }, 'draining');
      reportedAt = now;
    }
    await pause(lookEveryMs);
  }
  log.info({ ms: Math.round(performance.now() - began) }, 'drained');
}
