import { metricsRegistry } from '@flotilla/runtime';
import { beforeEach, describe, expect, test } from 'vitest';
import { observeMediaReport } from '../src/rooms/media-reports.ts';
import type { Membership } from '../src/sessions/session.ts';

const membershipWith = (...reports: ('first_frame' | 'recovery')[]): Membership => ({
  roomId: 'rm_a',
  participantId: 'pt_a',
  nodeId: 'nd_a',
  reports: new Set(reports),
});

const counted = async (name: string): Promise<number> =>
  Number(new RegExp(`^${name}_count (\\d+)$`, 'm').exec(await metricsRegistry.metrics())?.[1] ?? 0);

describe('reports of media', () => {
  beforeEach(() => metricsRegistry.resetMetrics());

  test('count once for each join and each opening of media, however often a client repeats them', async () => {
    const membership = membershipWith('first_frame');
    for (let times = 0; times < 3; times++) {
      observeMediaReport(membership, { measure: 'first_frame', ms: 300 });
      observeMediaReport(membership, { measure: 'recovery', ms: 60_000 });
    }
    expect(await counted('signaling_first_frame_seconds')).toBe(1);
    expect(await counted('signaling_media_recovery_seconds')).toBe(0);
    membership.reports?.add('recovery');
    observeMediaReport(membership, { measure: 'recovery', ms: 900 });
    expect(await counted('signaling_media_recovery_seconds')).toBe(1);
  });

  test('of a membership that was resumed on another gateway are ignored', async () => {
    observeMediaReport({ roomId: 'rm_a', participantId: 'pt_a', nodeId: 'nd_a' }, { measure: 'first_frame', ms: 1 });
    expect(await counted('signaling_first_frame_seconds')).toBe(0);
  });
});
