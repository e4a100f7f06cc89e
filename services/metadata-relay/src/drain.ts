import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '@flotilla/runtime';
import type { Heartbeat } from './heartbeat.ts';
import type { Relay } from './relay.ts';

const pollMs = 100;

/** Asks the clients of a stopping relay to connect to another, and waits for at most `withinMs` until no link is left. */
export async function drain(relay: Relay, heartbeat: Heartbeat, withinMs: number, log: Logger): Promise<void> {
  if (withinMs === 0 || relay.links === 0) return;
  const began = performance.now();
  relay.state = 'draining';
  await heartbeat.reportNow().catch((error: unknown) => log.warn({ err: error }, 'draining state not reported'));
  await relay.notifyDraining();
  while (relay.links > 0) {
    if (performance.now() - began > withinMs) {
      log.warn({ links: relay.links }, 'drain timed out, closing the remaining links');
      return;
    }
    await pause(pollMs);
  }
  log.info({ ms: Math.round(performance.now() - began) }, 'drained');
}
