import type { EventLog } from '@flotilla/bus';
import { type MediaSessionParameters, newId, participantIdOf } from '@flotilla/contracts';
import { cameraOf, joinAs, mediaRequest, newcomer, nodeReport, roomRecord } from '@flotilla/testkit';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type MigrationRequest, plannerLease, type Store } from '../src/index.ts';
import { adapters, eventsOf } from './adapters.ts';

const transport: MediaSessionParameters['send'] = {
  id: 't',
  iceParameters: { usernameFragment: 'ufrag', password: 'password' },
  iceCandidates: [],
  dtlsParameters: { fingerprints: [{ algorithm: 'sha-256', value: Array.from({ length: 32 }, () => '0A').join(':') }] },
};
const media = (nodeId: string): MediaSessionParameters => ({
  nodeId,
  send: transport,
  recv: transport,
  subscriptions: [],
});

describe.each(adapters)('migrations in %s', (_name, open) => {
  let store: Store;
  let events: EventLog;
  let close: () => Promise<void>;
  let roomId: string;

  beforeEach(async () => {
    ({ store, events, close } = await open());
    roomId = newId('room');
    await store.rooms.create(roomRecord(roomId.replace('rm_', 'r'), { id: roomId, emptyTimeoutSeconds: 0 }));
    for (const id of ['nd_a', 'nd_b', 'nd_c']) await store.nodes.report(nodeReport(id));
  });
  afterEach(() => close());

  const join = async (sessionId?: string) => (await joinAs(store, newcomer(roomId, sessionId))).member;
  const beginWithMedia = async (request: MigrationRequest) => {
    const { migration, media: opened } = await store.migrations.begin(request);
    expect(opened).toEqual(mediaRequest);
    return migration;
  };
  const begin = (member: { id: string; sessionId: string }, toNode?: string, deadline = Date.now() + 10_000) =>
    beginWithMedia({
      id: newId('migration'),
      roomId,
      sessionId: member.sessionId,
      participantId: member.id,
      reason: 'manual',
      startedAt: 1,
      deadline,
      toNode,
    });
  const reserved = async () =>
    Object.fromEntries(
      (await store.nodes.list()).flatMap(({ id, reserved: places }) => (places ? [[id, places]] : [])),
    );
  const appended = () => eventsOf(events, roomId);

  test('orders of a leader whose term has ended are refused and change nothing, those of the present leader and of operators are carried out', async () => {
    const member = await join();
    const old = await store.leases.acquire(plannerLease, 'old', 60_000);
    await store.leases.release(plannerLease, 'old');
    const present = await store.leases.acquire(plannerLease, 'present', 60_000);
    const order = (term: number | undefined) => ({
      id: newId('migration'),
      roomId,
      sessionId: member.sessionId,
      participantId: member.id,
      startedAt: 1,
      term,
    });
    const beginning = (term: number | undefined) =>
      store.migrations.begin({ ...order(term), reason: 'drain', deadline: Date.now() + 10_000 });
    // The node counts as lost whatever its heartbeat says.
    const reassigning = (term: number | undefined) => store.migrations.reassignLost({ ...order(term), lostAfterMs: 0 });
    const before = await appended();
    for (const refused of [beginning(old), reassigning(old)])
      await expect(refused).rejects.toMatchObject({ code: 'STALE_TERM' });
    expect(await store.migrations.running(10)).toEqual([]);
    expect(await store.history.recent()).toEqual([]);
    expect(await appended()).toEqual(before);
    for (const term of [present, undefined]) {
      const { migration } = await beginning(term);
      expect(migration).not.toHaveProperty('term');
      await store.migrations.rollBack(roomId, member.id, migration.id, 'rolled_back');
      expect(await reassigning(term)).not.toHaveProperty('term');
    }
  });

  test('a member that migrates holds capacity on both nodes until the commit, then on the new one alone; a repeated commit changes nothing', async () => {
    const member = await join();
    const migration = await begin(member);
    expect(migration).toMatchObject({ fromNode: member.nodeId, step: 'reserved' });
    expect(migration.toNode).not.toBe(member.nodeId);
    expect(await reserved()).toEqual({ [member.nodeId]: 1, [migration.toNode]: 1 });
    await expect(begin(member)).rejects.toMatchObject({ code: 'MIGRATION_RUNNING' });
    expect(await store.migrations.running(10)).toEqual([migration]);

    expect(await store.migrations.prepared(migration, media(migration.toNode))).toBe(true);
    expect(await store.migrations.of(roomId, member.id)).toEqual({ ...migration, step: 'prepared' });
    expect((await store.rooms.member(roomId, member.id))?.nodeId).toBe(member.nodeId);

    expect(await store.migrations.commit(roomId, member.id, migration.id)).toMatchObject({ id: migration.id });
    expect(await store.migrations.commit(roomId, member.id, migration.id)).toBeUndefined();
    expect(await store.migrations.rollBack(roomId, member.id, migration.id, 'rolled_back')).toBe(false);
    expect(await store.rooms.member(roomId, member.id)).toEqual({ ...member, nodeId: migration.toNode });
    expect(await reserved()).toEqual({ [migration.toNode]: 1 });
    expect(await store.migrations.running(10)).toEqual([]);
    expect((await appended()).slice(1)).toMatchObject([
      { type: 'migrate', only: [member.sessionId], payload: { migrationId: migration.id } },
      {
        type: 'participant_moved',
        payload: { participantId: member.id, nodeId: migration.toNode, migrationId: migration.id },
      },
    ]);
  });

  test('a migration that is rolled back restores its member and its publications; rolling back again changes nothing', async () => {
    const member = await join();
    const camera = cameraOf(member);
    const withdrawn = cameraOf(member);
    await store.rooms.putPublication(roomId, camera);
    await store.rooms.putPublication(roomId, withdrawn);
    const migration = await begin(member, 'nd_c');
    expect(migration.toNode).toBe('nd_c');
    await store.migrations.prepared(migration, media('nd_c'));
    await store.rooms.putPublication(roomId, { ...camera, nodeId: 'nd_c', producerId: 'new' });
    await store.rooms.putPublication(roomId, { ...camera, nodeId: 'nd_c', producerId: 'newer' });
    await store.rooms.putPublication(roomId, { ...withdrawn, nodeId: 'nd_c', producerId: 'new' });
    await store.rooms.removePublication(roomId, member.id, withdrawn.id);

    expect(await store.migrations.rollBack(roomId, member.id, migration.id, 'rolled_back')).toBe(true);
    expect(await store.migrations.rollBack(roomId, member.id, migration.id, 'rolled_back')).toBe(false);
    await expect(store.migrations.commit(roomId, member.id, migration.id)).rejects.toMatchObject({
      code: 'MIGRATION_NOT_ACTIVE',
    });
    expect(await store.rooms.publications(roomId, [camera.id, withdrawn.id])).toEqual([camera]);
    expect(await store.rooms.member(roomId, member.id)).toEqual(member);
    expect(await reserved()).toEqual({ [member.nodeId]: 1 });
    expect((await appended()).slice(-2)).toMatchObject([
      { type: 'publication_updated', payload: { publication: { id: camera.id, producerId: camera.producerId } } },
      { type: 'migration_rolled_back', only: [member.sessionId], payload: { migrationId: migration.id } },
    ]);
    // And it may be moved again.
    await begin(member);
  });

  test('a commit removes publications that were not republished on the new node', async () => {
    const member = await join();
    const [republished, forgotten] = [cameraOf(member), cameraOf(member)];
    for (const each of [republished, forgotten]) await store.rooms.putPublication(roomId, each);
    const migration = await begin(member, 'nd_c');
    await store.migrations.prepared(migration, media('nd_c'));
    await store.rooms.putPublication(roomId, { ...republished, nodeId: 'nd_c' });
    await store.migrations.commit(roomId, member.id, migration.id);
    expect((await store.rooms.state(roomId))?.publications).toMatchObject([{ id: republished.id, nodeId: 'nd_c' }]);
    expect((await appended()).at(-1)).toMatchObject({
      type: 'publication_removed',
      payload: { publicationId: forgotten.id, participantId: member.id },
    });
  });

  test('a roll back removes publications that began on the new node', async () => {
    const member = await join();
    const migration = await begin(member, 'nd_c');
    await store.migrations.prepared(migration, media('nd_c'));
    const fresh = cameraOf(member, { nodeId: 'nd_c' });
    await store.rooms.putPublication(roomId, fresh);
    await store.rooms.putPublication(roomId, { ...fresh, muted: true });
    await store.migrations.rollBack(roomId, member.id, migration.id, 'timed_out');
    expect((await store.rooms.state(roomId))?.publications).toEqual([]);
    expect(await appended()).toContainEqual(
      expect.objectContaining({
        type: 'publication_removed',
        payload: { publicationId: fresh.id, participantId: member.id },
      }),
    );
    expect(await store.history.recent()).toMatchObject([{ id: migration.id, end: 'timed_out' }]);
  });

  test('a publication that was republished on the new node is not replaced by the old one', async () => {
    const member = await join();
    const camera = cameraOf(member);
    await store.rooms.putPublication(roomId, camera);
    const migration = await begin(member, 'nd_c');
    await store.migrations.prepared(migration, media('nd_c'));
    await store.rooms.putPublication(roomId, { ...camera, muted: true });
    await store.rooms.putPublication(roomId, { ...camera, nodeId: 'nd_c', producerId: 'new' });
    await expect(store.rooms.putPublication(roomId, camera)).rejects.toMatchObject({ code: 'MIGRATION_RUNNING' });
    await store.migrations.commit(roomId, member.id, migration.id);
    expect((await store.rooms.state(roomId))?.publications).toMatchObject([{ nodeId: 'nd_c', producerId: 'new' }]);
  });

  test('a migration that was not prepared can not be committed', async () => {
    const member = await join();
    const migration = await begin(member);
    await expect(store.migrations.commit(roomId, member.id, migration.id)).rejects.toMatchObject({
      code: 'MIGRATION_NOT_ACTIVE',
    });
  });

  test('a member without media, or on another node than the request names, is not migrated', async () => {
    const { media: _media, ...withoutMedia } = newcomer(roomId);
    const { member } = await joinAs(store, withoutMedia as ReturnType<typeof newcomer>);
    await expect(begin(member)).rejects.toMatchObject({ code: 'MEDIA_NOT_OPEN' });
    await store.rooms.describeMedia(roomId, member.id, mediaRequest);
    const request = { id: newId('migration'), roomId, sessionId: member.sessionId, participantId: member.id };
    const timing = { reason: 'manual', startedAt: 1, deadline: 2 } as const;
    await expect(store.migrations.begin({ ...request, ...timing, fromNode: 'nd_other' })).rejects.toMatchObject({
      code: 'MIGRATION_NOT_ACTIVE',
    });
    await store.migrations.begin({ ...request, ...timing, fromNode: member.nodeId });
  });

  test('a member that is not on the node that was lost is not reassigned, a member that is on it is', async () => {
    const member = await join();
    const migration = await begin(member);
    await store.migrations.prepared(migration, media(migration.toNode));
    const request = { id: newId('migration'), roomId, sessionId: member.sessionId, participantId: member.id };
    // The nodes count as lost whatever their heartbeats say.
    const reassign = (fromNode: string) =>
      store.migrations.reassignLost({ ...request, startedAt: 1, fromNode, lostAfterMs: 0 });
    const before = await appended();
    await expect(reassign(migration.toNode)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    expect(await appended()).toEqual(before);
    expect(await store.migrations.of(roomId, member.id)).toMatchObject({ id: migration.id });
    const reassigned = await reassign(member.nodeId);
    expect(reassigned).toMatchObject({ fromNode: member.nodeId, reason: 'node_lost' });
    expect(reassigned.toNode).not.toBe(member.nodeId);
    // As does a repetition of a request that was carried out.
    await expect(reassign(member.nodeId)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });

  test('a migration begins only towards another live node with free capacity', async () => {
    const member = await join();
    await expect(begin(member, member.nodeId)).rejects.toMatchObject({ code: 'NO_CAPACITY' });
    await expect(begin(member, 'nd_unknown')).rejects.toMatchObject({ code: 'NO_CAPACITY' });
    await store.nodes.report(nodeReport('nd_full', { capacity: 1 }));
    const other = await join();
    expect(await begin(other, 'nd_full')).toMatchObject({ toNode: 'nd_full' });
    await expect(begin(member, 'nd_full')).rejects.toMatchObject({ code: 'NO_CAPACITY' });
    await expect(begin({ id: 'pt_nobody', sessionId: 'ss_nobody' })).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
  });

  test('a publication is accepted from the two nodes of a migration and no other', async () => {
    const member = await join();
    const migration = await begin(member, 'nd_c');
    await expect(
      store.rooms.putPublication(roomId, cameraOf(member, { nodeId: 'nd_elsewhere' })),
    ).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
    await store.rooms.putPublication(roomId, cameraOf(member, { nodeId: migration.toNode }));
  });

  test('a member that leaves, is reassigned or loses its room during a migration releases the capacity on both nodes', async () => {
    const [leaves, replaced, stays] = [await join(), await join(), await join()];
    for (const member of [leaves, replaced, stays]) await begin(member, 'nd_c');
    await store.rooms.leave(roomId, leaves.id, 'left');
    const moved = await store.rooms.reassign(roomId, replaced.id, [replaced.nodeId]);
    expect(await store.migrations.of(roomId, replaced.id)).toBeUndefined();
    const places = await reserved();
    expect(Object.values(places).reduce((sum, each) => sum + each, 0)).toBe(3);
    expect(places[moved.nodeId]).toBeGreaterThanOrEqual(1);
    await store.rooms.delete(roomId);
    expect(await reserved()).toEqual({});
    expect(await store.migrations.running(10)).toEqual([]);
  });

  test('reserved capacity equals members plus active migrations after any sequence of steps, and is zero when all have left', async () => {
    type Step = {
      readonly what: 'join' | 'leave' | 'begin' | 'commit' | 'rollBack' | 'reassign';
      readonly who: number;
    };
    const step: fc.Arbitrary<Step> = fc.record({
      what: fc.constantFrom('join', 'leave', 'begin', 'commit', 'rollBack', 'reassign'),
      who: fc.nat({ max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const sessions = [0, 1, 2, 3].map(() => newId('session'));
        for (const { what, who } of steps) {
          const sessionId = sessions[who]!;
          const id = participantIdOf(sessionId);
          const running = await store.migrations.of(roomId, id);
          // What can't be done is refused, and changes nothing.
          const acts = {
            join: () => join(sessionId),
            leave: () => store.rooms.leave(roomId, id, 'left'),
            begin: () => begin({ id, sessionId }),
            commit: async () => {
              if (running) await store.migrations.prepared(running, media(running.toNode));
              await store.migrations.commit(roomId, id, running?.id ?? 'mig_none');
            },
            rollBack: () => store.migrations.rollBack(roomId, id, running?.id ?? 'mig_none', 'rolled_back'),
            reassign: () => store.rooms.reassign(roomId, id, []),
          };
          await acts[what]().catch((error: { code?: string }) => expect(error.code).toBeDefined());
          const { members } = (await store.rooms.state(roomId))!;
          const expected: Record<string, number> = {};
          const migrations = await store.migrations.running(10);
          for (const place of [...members.map(({ nodeId }) => nodeId), ...migrations.map(({ toNode }) => toNode)])
            expected[place] = (expected[place] ?? 0) + 1;
          expect(await reserved()).toEqual(expected);
        }
        for (const sessionId of sessions) await store.rooms.leave(roomId, participantIdOf(sessionId), 'left');
        expect(await reserved()).toEqual({});
      }),
      { numRuns: 40 },
    );
  });
});
