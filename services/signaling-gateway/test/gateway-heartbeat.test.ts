import { FlotillaError } from '@flotilla/contracts';
import type { SessionStore } from '@flotilla/store';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { GatewayHeartbeat } from '../src/sessions/gateway-heartbeat.ts';
import type { Session } from '../src/sessions/session.ts';
import { SessionTable } from '../src/sessions/session-table.ts';
import { log } from './gateway-harness.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a gateway that was declared dead reattaches its sessions at a later heartbeat when the first attempt fails', async () => {
  const table = new SessionTable();
  table.add({ id: 'ss_a', identity: { userId: 'ada' } } as Session);
  const known = [true, false, true, true];
  const reattach = vi.fn(async () => {
    if (reattach.mock.calls.length === 1) throw new FlotillaError('UNAVAILABLE');
  });
  const store = { gatewayAlive: async () => known.shift() ?? true, reattach };
  const heartbeat = new GatewayHeartbeat('gw_a', table, store as unknown as SessionStore, log);
  await heartbeat.start();
  await vi.advanceTimersByTimeAsync(10_000);
  heartbeat.stop();
  expect(reattach.mock.calls).toEqual([
    [['ss_a'], 'gw_a'],
    [['ss_a'], 'gw_a'],
  ]);
});
