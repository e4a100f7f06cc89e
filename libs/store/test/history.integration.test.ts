import { keptMigrations, type MigrationRecord, type NodeReport, type PeerScore } from '@flotilla/contracts';
import { migrationRecord, nodeReport } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../src/index.ts';
import { adapters } from './adapters.ts';

const migration = (startedAt: number, more: Partial<MigrationRecord> = {}): MigrationRecord =>
  migrationRecord({ startedAt, ...more });

const node = (id: string): NodeReport =>
  nodeReport(id, {
    state: 'draining',
    drain: { startedAt: 1, deadline: 2, sessions: 3, left: 1 },
    quality: { stable: 1, watch: 0, move: 0, mean: 0.9123, worst: 0.9123 },
  });

describe.each(adapters)('what is remembered in %s', (_name, open) => {
  let store: Store;
  let close: () => Promise<void>;

  beforeEach(async () => {
    ({ store, close } = await open());
  });
  afterEach(() => close());

  test('a migration from its beginning to what its client measured, in whatever order that comes', async () => {
    const now = Date.now();
    const one = migration(now);
    await store.history.remember(one);
    expect(await store.history.recent()).toEqual([one]);
    await store.history.report(one.id, 'ss_a', { ms: 412.5, gapMs: 83 });
    const moved = { ...one, step: 'prepared', end: 'committed', endedAt: now + 500 } as const;
    await store.history.remember(moved);
    expect(await store.history.recent()).toEqual([{ ...moved, ms: 412.5, gapMs: 83 }]);
    expect(await store.pulse()).toEqual([{ kind: 'migration', ...moved, ms: 412.5, gapMs: 83 }]);
  });

  test('one measure, not of somebody else, nor of what is forgotten', async () => {
    const one = migration(Date.now());
    await store.history.remember(one);
    expect(await store.history.report(one.id, 'ss_b', { ms: 1, gapMs: 1 })).toBe(false);
    expect(await store.history.report('mig_gone', 'ss_a', { ms: 1, gapMs: 1 })).toBe(false);
    expect(await store.history.recent()).toEqual([one]);
    expect(await store.history.report(one.id, 'ss_a', { ms: 412 })).toBe(true);
    expect(await store.history.report(one.id, 'ss_a', { ms: 1, gapMs: 1 })).toBe(false);
    expect(await store.history.recent()).toEqual([{ ...one, ms: 412 }]);
  });

  test('the newest, no more than are kept', async () => {
    const now = Date.now();
    const all = Array.from({ length: keptMigrations + 20 }, (_, index) => migration(now - index * 10));
    // Not in the order of their beginnings.
    for (const each of [...all.slice(60), ...all.slice(0, 60)]) await store.history.remember(each);
    expect((await store.history.recent()).map(({ id }) => id)).toEqual(
      all.slice(0, keptMigrations).map(({ id }) => id),
    );
  });

  test('one whose end nobody told did not come about', async () => {
    await store.history.remember(migration(Date.now() - 60_000));
    expect(await store.history.recent()).toMatchObject([{ end: 'rolled_back' }]);
  });

  test('where sessions have their media and how it fares; of one that moved, on its new node', async () => {
    const peerScore: PeerScore = { sessionId: 'ss_a', roomId: 'rm_a', score: 0.97, group: 'stable' };
    const claims = { grants: [], bridge: [], expiresAt: Date.now() + 900_000 };
    await store.sessions.gatewayAlive('gw_a');
    await store.sessions.open({ id: 'ss_a', userId: 'ada', name: 'Ada', gatewayId: 'gw_a', ...claims }, 'hash');
    const session = async () => (await store.topology()).vertices.find(({ kind }) => kind === 'session');
    expect(await session()).toMatchObject({ name: 'Ada', media: [] });
    const at = { roomId: 'rm_a', score: 0.97, group: 'stable' };
    await store.nodes.report(node('nd_a'), [], [peerScore]);
    expect(await session()).toMatchObject({ media: [{ ...at, nodeId: 'nd_a' }] });
    // Both sides go on for a moment.
    const now = Date.now();
    for (const [from, to, startedAt] of [
      ['nd_a', 'nd_b', now],
      ['nd_b', 'nd_a', now + 1],
    ] as const) {
      await store.nodes.report(node(to), [], [peerScore]);
      await store.history.remember(migration(startedAt, { fromNode: from, toNode: to, end: 'committed', endedAt: 1 }));
      expect(await session()).toMatchObject({ media: [{ ...at, nodeId: to }] });
    }
    await store.nodes.remove('nd_a');
    expect(await session()).toMatchObject({ media: [{ ...at, nodeId: 'nd_b' }] });
  });

  test('how far a drain is, and how the peers of a node fare', async () => {
    await store.nodes.report(node('nd_a'));
    expect(await store.pulse()).toMatchObject([
      {
        kind: 'node',
        id: 'nd_a',
        drain: { startedAt: 1, deadline: 2, sessions: 3, left: 1 },
        quality: { stable: 1, watch: 0, move: 0, mean: 0.91, worst: 0.91 },
      },
    ]);
  });
});
