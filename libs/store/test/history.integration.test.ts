import {
  keptMigrations,
  type MediaSessionParameters,
  newId,
  type NodeReport,
  type PeerScore,
} from '@flotilla/contracts';
import { joinAs, newcomer, nodeReport, roomRecord } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../src/index.ts';
import { adapters } from './adapters.ts';

const transport: MediaSessionParameters['send'] = {
  id: 't',
  iceParameters: { usernameFragment: 'ufrag', password: 'password' },
  iceCandidates: [],
  dtlsParameters: { fingerprints: [{ algorithm: 'sha-256', value: Array.from({ length: 32 }, () => '0A').join(':') }] },
};

const node = (id: string): NodeReport =>
  nodeReport(id, {
    state: 'draining',
    drain: { startedAt: 1, deadline: 2, sessions: 3, left: 1 },
    quality: { stable: 1, watch: 0, move: 0, mean: 0.9123, worst: 0.9123 },
  });

describe.each(adapters)('the migration history in %s', (_name, open) => {
  let store: Store;
  let close: () => Promise<void>;

  beforeEach(async () => {
    ({ store, close } = await open());
  });
  afterEach(() => close());

  const roomId = 'rm_a';
  const room = async () => {
    for (const id of ['nd_a', 'nd_b']) await store.nodes.report(nodeReport(id, { capacity: 1000 }));
    await store.rooms.create(roomRecord('a', { maxParticipants: 1000 }));
  };
  const begin = async (startedAt: number) => {
    const { member } = await joinAs(store, newcomer(roomId));
    const { migration } = await store.migrations.begin({
      id: newId('migration'),
      roomId,
      sessionId: member.sessionId,
      participantId: member.id,
      reason: 'drain',
      startedAt,
      deadline: startedAt + 10_000,
    });
    return migration;
  };
  const opened = (nodeId: string) => ({ nodeId, send: transport, recv: transport, subscriptions: [] });

  test('a migration is listed with each of its steps and with what its client measured', async () => {
    await room();
    const migration = await begin(Date.now());
    const { deadline: _deadline, ...record } = migration;
    expect(await store.history.recent()).toEqual([record]);
    await store.migrations.prepared(migration, opened(migration.toNode));
    expect(await store.history.recent()).toEqual([{ ...record, step: 'prepared' }]);
    expect(await store.history.report(migration.id, migration.sessionId, { ms: 412.5, gapMs: 83 })).toBe(true);
    await store.migrations.commit(roomId, migration.participantId, migration.id);
    const committed = { ...record, step: 'prepared', end: 'committed', ms: 412.5, gapMs: 83 };
    expect(await store.history.recent()).toMatchObject([committed]);
    expect(await store.pulse()).toContainEqual(expect.objectContaining({ kind: 'migration', ...committed }));
  });

  test("a report is taken once, of the migration's own session, and of no migration that is not kept", async () => {
    await room();
    const { id, sessionId } = await begin(Date.now());
    expect(await store.history.report(id, 'ss_b', { ms: 1, gapMs: 1 })).toBe(false);
    expect(await store.history.report('mig_unknown', sessionId, { ms: 1, gapMs: 1 })).toBe(false);
    expect(await store.history.report(id, sessionId, { ms: 412 })).toBe(true);
    expect(await store.history.report(id, sessionId, { ms: 1, gapMs: 1 })).toBe(false);
    expect(await store.history.recent()).toMatchObject([{ id, ms: 412 }]);
  });

  test('the newest migrations are kept, whatever the order in which they are written', async () => {
    await room();
    const now = Date.now();
    const starts = Array.from({ length: keptMigrations + 20 }, (_, index) => now - index * 10);
    for (const startedAt of [...starts.slice(60), ...starts.slice(0, 60)]) await begin(startedAt);
    expect((await store.history.recent()).map(({ startedAt }) => startedAt)).toEqual(starts.slice(0, keptMigrations));
  });

  test('a member that leaves during its migration ends it', async () => {
    await room();
    const { participantId } = await begin(Date.now());
    await store.rooms.leave(roomId, participantId, 'left');
    expect(await store.history.recent()).toMatchObject([{ end: 'rolled_back' }]);
  });

  test('the topology shows a session with the peer score of its node, after a migration of the new one', async () => {
    await store.sessions.gatewayAlive('gw_test');
    for (const id of ['nd_a', 'nd_b']) await store.nodes.report(nodeReport(id));
    await store.rooms.create(roomRecord('a'));
    const { member } = await joinAs(store, newcomer(roomId, 'ss_a', ['nd_b']));
    const session = async () => (await store.topology()).vertices.find(({ kind }) => kind === 'session');
    expect(await session()).toMatchObject({ media: [] });
    const score = { roomId, score: 0.97, group: 'stable' } as const;
    const peerScore: PeerScore = { sessionId: 'ss_a', ...score };
    await store.nodes.report(nodeReport('nd_a'), [], [peerScore]);
    expect(await session()).toMatchObject({ media: [{ ...score, nodeId: 'nd_a' }] });
    // Both sides report for a moment.
    for (const [fromNode, toNode] of [
      ['nd_a', 'nd_b'],
      ['nd_b', 'nd_a'],
    ] as const) {
      await store.nodes.report(nodeReport(toNode), [], [peerScore]);
      const now = Date.now();
      const { migration } = await store.migrations.begin({
        id: newId('migration'),
        roomId,
        sessionId: member.sessionId,
        participantId: member.id,
        reason: 'drain',
        startedAt: now + (toNode === 'nd_a' ? 1 : 0),
        deadline: now + 10_000,
        fromNode,
      });
      await store.migrations.prepared(migration, opened(toNode));
      await store.migrations.commit(roomId, member.id, migration.id);
      expect(await session()).toMatchObject({ media: [{ ...score, nodeId: toNode }] });
    }
    await store.nodes.remove('nd_a');
    expect(await session()).toMatchObject({ media: [{ ...score, nodeId: 'nd_b' }] });
  });

  test('the pulse shows the progress of a drain and the quality of its peers', async () => {
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
