import { memoryBackplane } from '@flotilla/backplane';
import type { SessionStore } from '@flotilla/store';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LostSessions } from '../src/sessions/lost-sessions.ts';
import { SessionTable } from '../src/sessions/session-table.ts';
import { log } from './gateway-harness.ts';
import { recordingSession } from './recording-session.ts';

const windowMs = 30_000;

describe('a session that the store has as connected', () => {
  let sessions: SessionStore;
  let table: SessionTable;
  let lost: LostSessions;
  const connected = async () => (await sessions.connectedTo('gw_a', 0)).map(({ id }) => id);

  beforeEach(async () => {
    vi.useFakeTimers();
    sessions = memoryBackplane(log).store.sessions;
    table = new SessionTable();
    lost = new LostSessions('gw_a', table, sessions, windowMs, log);
    lost.start();
    for (const id of ['ss_here', 'ss_lost'])
      await sessions.open(
        { id, userId: 'u', gatewayId: 'gw_a', grants: [], bridge: [], expiresAt: Infinity },
        `hash-of-${id}`,
      );
    table.add(recordingSession('ss_here', () => undefined, [], { resumeHash: 'hash-of-ss_here' }).session);
  });
  afterEach(() => {
    lost.stop();
    vi.useRealTimers();
  });

  test('is detached when its gateway has no such connection for two comparisons', async () => {
    await vi.advanceTimersByTimeAsync(13_000);
    expect(await connected()).toEqual(['ss_here', 'ss_lost']);
    await vi.advanceTimersByTimeAsync(12_000);
    expect(await connected()).toEqual(['ss_here']);
    expect(await sessions.isResumable('hash-of-ss_lost')).toBe(true);
    await vi.advanceTimersByTimeAsync(windowMs);
    expect(await sessions.due(10)).toEqual(['ss_lost']);
  });

  test('stays connected when it was resumed between the two comparisons', async () => {
    await vi.advanceTimersByTimeAsync(13_000);
    await sessions.resume('hash-of-ss_lost', 'next', 'gw_a');
    await vi.advanceTimersByTimeAsync(12_000);
    expect(await connected()).toEqual(['ss_here', 'ss_lost']);
  });
});
