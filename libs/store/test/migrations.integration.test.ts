import type { EventLog } from '@flotilla/bus';
import { type MediaSessionParameters, newId, participantIdOf } from '@flotilla/contracts';
import { cameraOf, newcomer, nodeReport, roomRecord } from '@flotilla/testkit';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../src/index.ts';
import { adapters, toldTo } from './adapters.ts';

const transport: MediaSessionParameters['send'] = {
  id: 't',
  iceParameters: { usernameFragment: 'ufrag', password: 'password' },
  iceCandidates: [],
  dtlsParameters: { fingerprints: [{ algorithm: 'sha-256', value: '00:11' }] },
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

  const join = async (sessionId?: string) => (await store.rooms.join(newcomer(roomId, sessionId))).member;
  const begin = (member: { id: string; sessionId: string }, toNode?: string, deadline = Date.now() + 10_000) =>
    store.migrations.begin({
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
  const told = () => toldTo(events, roomId);

  test('a member that moves has a place on both nodes until it is there, and then on the new one alone', async () => {
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

    expect(await store.migrations.commit(roomId, member.id, migration.id)).toBe(true);
    expect(await store.migrations.commit(roomId, member.id, migration.id)).toBe(false);
    expect(await store.migrations.rollBack(roomId, member.id, migration.id)).toBe(false);
    expect(await store.rooms.member(roomId, member.id)).toEqual({ ...member, nodeId: migration.toNode });
    expect(await reserved()).toEqual({ [migration.toNode]: 1 });
    expect(await store.migrations.running(10)).toEqual([]);
    expect((await told()).slice(1)).toMatchObject([
      { type: 'migrate', only: [member.sessionId], payload: { migrationId: migration.id } },
      {
        type: 'participant_moved',
        payload: { participantId: member.id, nodeId: migration.toNode, migrationId: migration.id },
      },
    ]);
  });

  test('one that is undone leaves everything as it was, publications too, however often it is undone', async () => {
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

    expect(await store.migrations.rollBack(roomId, member.id, migration.id)).toBe(true);
    expect(await store.migrations.rollBack(roomId, member.id, migration.id)).toBe(false);
    expect(await store.migrations.commit(roomId, member.id, migration.id)).toBe(false);
    expect(await store.rooms.publications(roomId, [camera.id, withdrawn.id])).toEqual([camera]);
    expect(await store.rooms.member(roomId, member.id)).toEqual(member);
    expect(await reserved()).toEqual({ [member.nodeId]: 1 });
    expect((await told()).slice(-2)).toMatchObject([
      { type: 'publication_updated', payload: { publication: { id: camera.id, producerId: camera.producerId } } },
      { type: 'migration_rolled_back', only: [member.sessionId], payload: { migrationId: migration.id } },
    ]);
    // And it may be moved again.
    await begin(member);
  });

  test('only to a node that lives, is not the one it is on, and has room', async () => {
    const member = await join();
    await expect(begin(member, member.nodeId)).rejects.toMatchObject({ code: 'NO_CAPACITY' });
    await expect(begin(member, 'nd_unknown')).rejects.toMatchObject({ code: 'NO_CAPACITY' });
    await store.nodes.report(nodeReport('nd_full', { capacity: 1 }));
    const other = await join();
    expect(await begin(other, 'nd_full')).toMatchObject({ toNode: 'nd_full' });
    await expect(begin(member, 'nd_full')).rejects.toMatchObject({ code: 'NO_CAPACITY' });
    await expect(begin({ id: 'pt_nobody', sessionId: 'ss_nobody' })).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
  });

  test('a publication goes to no node but the two', async () => {
    const member = await join();
    const migration = await begin(member, 'nd_c');
    await expect(
      store.rooms.putPublication(roomId, cameraOf(member, { nodeId: 'nd_elsewhere' })),
    ).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
    await store.rooms.putPublication(roomId, cameraOf(member, { nodeId: migration.toNode }));
  });

  test('whoever leaves, is re-homed, or loses the room while it moves gives both places back', async () => {
    const [leaves, replaced, stays] = [await join(), await join(), await join()];
    for (const member of [leaves, replaced, stays]) await begin(member, 'nd_c');
    await store.rooms.leave(roomId, leaves.id, 'left');
    const moved = await store.rooms.replace(roomId, replaced.id, [replaced.nodeId]);
    expect(await store.migrations.of(roomId, replaced.id)).toBeUndefined();
    const places = await reserved();
    expect(Object.values(places).reduce((sum, each) => sum + each, 0)).toBe(3);
    expect(places[moved.nodeId]).toBeGreaterThanOrEqual(1);
    await store.rooms.delete(roomId);
    expect(await reserved()).toEqual({});
    expect(await store.migrations.running(10)).toEqual([]);
  });

  test('in whatever order things happen, places are those of members and of migrations, and none is left at the end', async () => {
    type Step = { readonly what: 'join' | 'leave' | 'begin' | 'commit' | 'rollBack' | 'replace'; readonly who: number };
    const step: fc.Arbitrary<Step> = fc.record({
      what: fc.constantFrom('join', 'leave', 'begin', 'commit', 'rollBack', 'replace'),
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
            commit: () => store.migrations.commit(roomId, id, running?.id ?? 'mig_none'),
            rollBack: () => store.migrations.rollBack(roomId, id, running?.id ?? 'mig_none'),
            replace: () => store.rooms.replace(roomId, id, []),
          };
          await acts[what]().catch((error: { code?: string }) => expect(error.code).toBeDefined());
          const { members } = (await store.rooms.state(roomId))!;
          const wanted: Record<string, number> = {};
          const migrations = await store.migrations.running(10);
          for (const place of [...members.map(({ nodeId }) => nodeId), ...migrations.map(({ toNode }) => toNode)])
            wanted[place] = (wanted[place] ?? 0) + 1;
          expect(await reserved()).toEqual(wanted);
        }
        for (const sessionId of sessions) await store.rooms.leave(roomId, participantIdOf(sessionId), 'left');
        expect(await reserved()).toEqual({});
      }),
      { numRuns: 40 },
    );
  });
});
