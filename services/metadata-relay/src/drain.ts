import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '@flotilla/runtime';
import type { Heartbeat } from './heartbeat.ts';
import type { Relay } from './relay.ts';

const lookEveryMs = 100;

/** Sends the clients of a relay that stops to others, and waits until none is left or the time is over. */
export async function drain(relay: Relay, heartbeat: Heartbeat, withinMs: number, log: Logger): Promise<void> {
  if (withinMs === 0 || relay.links === 0) return;
  const began = performance.now();
  relay.state = 'draining';
  await heartbeat.now().catch((error: unknown) => log.warn({ err: error }, 'could not tell that the relay drains'));
  await relay.sendAway();
  while (relay.links > 0) {
    if (performance.now() - began > withinMs) {
      log.warn({ links: relay.links }, 'the time to drain is over, the rest loses its links');
      return;
    }
    await pause(lookEveryMs);
  }
  log.info({ ms: Math.round(performance.now() - began) }, 'drained');
}
