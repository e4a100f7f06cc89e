import { createHash } from 'node:crypto';
import { type EventLog, gatewayStream, nodeStream, roomStream } from '@flotilla/bus';
import { compareOffsets, type FlotillaError, newId, NodeStats, type PeerQuality } from '@flotilla/contracts';
import { cameraOf, joinAs, newcomer, nodeReport, notYet, roomRecord, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keptMessagesPerUser, maxInboxBytes, maxSessionsPerUser, type Store } from '../src/index.ts';
import { adapters, eventsOf } from './adapters.ts';

const hash = (text: string) => createHash('sha256').update(text).digest('hex');

describe.each(adapters)('the store in %s', (_name, open) => {
  let store: Store;
  let events: EventLog;
  let close: () => Promise<void>;

  beforeEach(async () => {
    ({ store, events, close } = await open());
  });
  afterEach(() => close());

  const join = (roomId: string, sessionId?: string, excludeNodes?: string[]) =>
    joinAs(store, newcomer(roomId, sessionId, excludeNodes));
  const appended = (roomId: string) => eventsOf(events, roomId);

  describe('rooms', () => {
    test('creating an existing room returns it, or is refused when the settings differ', async () => {
      const first = await store.rooms.create(roomRecord('a', { createdAt: 1 }));
      expect(await store.rooms.create(roomRecord('a', { createdAt: 2 }))).toEqual(first);
      await expect(store.rooms.create(roomRecord('a', { maxParticipants: 3 }))).rejects.toMatchObject({
        code: 'ROOM_EXISTS',
      });
    });

    test('pages list each room once, oldest first, also when rooms are deleted between pages', async () => {
      for (const index of [1, 2, 3, 4, 5]) await store.rooms.create(roomRecord(`r${index}`, { createdAt: index }));
      const first = await store.rooms.list(2);
      expect(first.rooms.map(({ name }) => name)).toEqual(['r1', 'r2']);
      await store.rooms.delete('rm_r1');
      const second = await store.rooms.list(2, first.next!);
      expect(second.rooms.map(({ name }) => name)).toEqual(['r3', 'r4']);
      const third = await store.rooms.list(2, second.next!);
      expect(third).toMatchObject({ rooms: [{ name: 'r5' }], next: null });
    });

    test('pages of a tenant list its rooms once, and name no room of another, also where many lie between', async () => {
      const created = (room: string, createdAt: number) =>
        store.rooms.create({ ...roomRecord(room.replace('-', ''), { createdAt }), id: `rm_${room}` });
      for (const index of [1, 2, 3]) await created(`acme-r${index}`, index);
      for (let index = 0; index < 1005; index++) await created(`beta-r${index}`, 10 + index);
      await created('acme-r4', 1012);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const { rooms, next } = await store.rooms.list(2, cursor, 'acme');
        expect(next ?? '').not.toContain('beta');
        seen.push(...rooms.map(({ id }) => id));
        cursor = next ?? undefined;
      } while (cursor !== undefined);
      expect(seen).toEqual(['rm_acme-r1', 'rm_acme-r2', 'rm_acme-r3', 'rm_acme-r4']);
      expect(await store.rooms.list(2, undefined, 'nobody')).toMatchObject({ rooms: [] });
    });

    test('deleting a room appends room_deleted, releases its capacity and deletes its contents', async () => {
      await store.nodes.report(nodeReport('nd_a'));
      await store.rooms.create(roomRecord('a'));
      const { member } = await join('rm_a');
      await store.rooms.putPublication('rm_a', cameraOf(member));
      expect(await store.rooms.delete('rm_a')).toBe(true);
      expect(await store.rooms.delete('rm_a')).toBe(false);
      expect((await appended('rm_a')).at(-1)).toMatchObject({ type: 'room_deleted' });
      expect(await store.nodes.list()).toMatchObject([{ reserved: 0 }]);
      await store.rooms.create(roomRecord('a'));
      expect(await store.rooms.state('rm_a')).toMatchObject({ members: [], publications: [] });
    });

    test('a room that was empty for its timeout is deleted, one with members is not', async () => {
      await store.nodes.report(nodeReport('nd_a'));
      await store.rooms.create(roomRecord('empty', { emptyTimeoutSeconds: 1 }));
      await store.rooms.create(roomRecord('kept', { emptyTimeoutSeconds: 0 }));
      await store.rooms.create(roomRecord('used', { emptyTimeoutSeconds: 1 }));
      await store.rooms.create(roomRecord('left', { emptyTimeoutSeconds: 1 }));
      await join('rm_used');
      const { member } = await join('rm_left');
      await store.rooms.leave('rm_left', member.id, 'left');
      const deleted: string[] = [];
      await waitFor('both empty rooms are deleted', async () => {
        deleted.push(...(await store.rooms.deleteExpired()).deleted);
        if (deleted.length < 2) notYet(`deleted so far: ${deleted.join()}`);
      });
      expect(deleted.toSorted()).toEqual(['rm_empty', 'rm_left']);
      expect((await store.rooms.list(10)).rooms.map(({ name }) => name).toSorted()).toEqual(['kept', 'used']);
    });
  });

  describe('members', () => {
    beforeEach(async () => {
      await store.nodes.report(nodeReport('nd_a'));
      await store.rooms.create(roomRecord('a', { maxParticipants: 3 }));
    });

    test('a join returns the state of the room at the offset of its own event', async () => {
      const first = await join('rm_a');
      await store.rooms.putPublication('rm_a', cameraOf(first.member));
      const second = await join('rm_a');
      expect(second).toMatchObject({ room: { name: 'a' }, members: { length: 2 }, publications: { length: 1 } });
      expect(second.offset).toBe(await events.lastOffset(roomStream('rm_a')));
      expect((await appended('rm_a')).map(({ type }) => type)).toEqual([
        'participant_joined',
        'publication_added',
        'participant_joined',
      ]);
    });

    test('a repeated join changes nothing and appends no event', async () => {
      const sessionId = newId('session');
      const first = await join('rm_a', sessionId);
      const again = await join('rm_a', sessionId);
      expect(again.member).toEqual(first.member);
      expect(await appended('rm_a')).toHaveLength(1);
      expect(await store.nodes.list()).toMatchObject([{ reserved: 1 }]);
    });

    test('the event of a join names neither session nor node', async () => {
      await join('rm_a');
      expect(JSON.stringify(await appended('rm_a'))).not.toMatch(/nd_|ss_/);
    });

    test('joins of a full room, of an unknown room and without nodes have distinct errors', async () => {
      await Promise.all([join('rm_a'), join('rm_a'), join('rm_a')]);
      await expect(join('rm_a')).rejects.toMatchObject({ code: 'ROOM_FULL' });
      await expect(join('rm_b')).rejects.toMatchObject({ code: 'ROOM_NOT_FOUND' });
      await store.rooms.create(roomRecord('b'));
      await expect(join('rm_b', newId('session'), ['nd_a'])).rejects.toMatchObject({ code: 'NO_CAPACITY' });
      expect(await store.nodes.list()).toMatchObject([{ reserved: 3 }]);
    });

    test('of 20 parallel joins a room for 3 accepts 3', async () => {
      const results = await Promise.allSettled(Array.from({ length: 20 }, () => join('rm_a')));
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
      expect(await store.rooms.get('rm_a')).toMatchObject({ participants: 3 });
    });

    test('a leave removes the publications, appends one event and releases the capacity', async () => {
      const { member } = await join('rm_a');
      const published = [cameraOf(member), cameraOf(member, { kind: 'audio', source: 'microphone' })];
      for (const each of published) await store.rooms.putPublication('rm_a', each);
      expect(await store.rooms.leave('rm_a', member.id, 'left')).toBe(true);
      expect(await store.rooms.leave('rm_a', member.id, 'left')).toBe(false);
      const last = (await appended('rm_a')).at(-1)!;
      expect(last).toMatchObject({ type: 'participant_left', payload: { participantId: member.id, reason: 'left' } });
      expect((last.payload as { publicationIds: string[] }).publicationIds.toSorted()).toEqual(
        published.map(({ id }) => id).toSorted(),
      );
      expect(await store.rooms.state('rm_a')).toMatchObject({ members: [], publications: [] });
      expect(await store.nodes.list()).toMatchObject([{ reserved: 0 }]);
    });

    test('the event of a leave without publications has an empty list', async () => {
      const { member } = await join('rm_a');
      await store.rooms.leave('rm_a', member.id, 'disconnected');
      expect((await appended('rm_a')).at(-1)).toMatchObject({ payload: { publicationIds: [] } });
    });
  });

  describe('placement', () => {
    const nodesOf = async (roomId: string) => {
      const { members } = (await store.rooms.state(roomId))!;
      return members.map(({ nodeId }) => nodeId);
    };

    test('the members of a room are assigned to one node while it has capacity', async () => {
      await store.nodes.report(nodeReport('nd_a'));
      await store.nodes.report(nodeReport('nd_b'));
      await store.rooms.create(roomRecord('a'));
      for (let index = 0; index < 5; index++) await join('rm_a');
      expect(new Set(await nodesOf('rm_a')).size).toBe(1);
    });

    test('the members of a room with `spread` are assigned to the less loaded of two nodes', async () => {
      await store.nodes.report(nodeReport('nd_a'));
      await store.nodes.report(nodeReport('nd_b'));
      await store.rooms.create(roomRecord('a', { spread: true }));
      for (let index = 0; index < 6; index++) await join('rm_a');
      expect((await nodesOf('rm_a')).toSorted()).toEqual(['nd_a', 'nd_a', 'nd_a', 'nd_b', 'nd_b', 'nd_b']);
    });

    test('the first members of a room with `spread` are assigned to different nodes, whatever their load below the limit', async () => {
      await store.nodes.report(nodeReport('nd_a', { load: { cpu: 0.1 } }));
      await store.nodes.report(nodeReport('nd_b', { load: { cpu: 0.7 } }));
      await store.nodes.report(nodeReport('nd_c', { load: { cpu: 0.4 } }));
      // Its hottest worker counts, not the mean over its cores.
      const workers = [{ pid: 1, cpu: 0.9, routers: 1, consumers: 1 }];
      await store.nodes.report(nodeReport('nd_full', { load: { cpu: 0.1, workers } }));
      await store.rooms.create(roomRecord('a', { spread: true }));
      for (let index = 0; index < 3; index++) await join('rm_a');
      expect((await nodesOf('rm_a')).toSorted()).toEqual(['nd_a', 'nd_b', 'nd_c']);
    });

    test('joins beyond the capacity of all nodes get NO_CAPACITY', async () => {
      await store.nodes.report(nodeReport('nd_a', { capacity: 4 }));
      await store.nodes.report(nodeReport('nd_b', { capacity: 3 }));
      await store.rooms.create(roomRecord('a'));
      const results = await Promise.allSettled(Array.from({ length: 12 }, () => join('rm_a')));
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(7);
      const reserved = Object.fromEntries((await store.nodes.list()).map((node) => [node.id, node.reserved]));
      expect(reserved).toEqual({ nd_a: 4, nd_b: 3 });
    });

    test('a burst of joins is spread over many nodes although their reports stay the same', async () => {
      for (let index = 0; index < 10; index++) await store.nodes.report(nodeReport(`nd_${index}`, { capacity: 100 }));
      await store.rooms.create(roomRecord('a', { spread: true, maxParticipants: 1000 }));
      await Promise.all(Array.from({ length: 200 }, () => join('rm_a')));
      const most = Math.max(...(await store.nodes.list()).map(({ reserved }) => reserved));
      expect(most).toBeLessThanOrEqual(30);
    });

    test('nodes whose heartbeats stopped while those of another continue are dead, and so are removed ones', async () => {
      expect(await store.nodes.deadOf(['nd_removed'], 50)).toEqual([]);
      await store.nodes.report(nodeReport('nd_stopped'));
      await store.nodes.report(nodeReport('nd_removed'));
      await store.nodes.remove('nd_removed');
      const nodes = ['nd_stopped', 'nd_removed', 'nd_live'];
      const dead = await waitFor('the last heartbeat of one is older than 50 ms', async () => {
        await store.nodes.report(nodeReport('nd_live'));
        const found = await store.nodes.deadOf(nodes, 50);
        return found.includes('nd_stopped') ? found : notYet(`dead: ${found.join(', ')}`);
      });
      expect(dead).toEqual(['nd_stopped', 'nd_removed']);
      expect(await store.nodes.deadOf(nodes, 60_000)).toEqual(['nd_removed']);
      await waitFor('the heartbeat of another reports the one without', async () => {
        const stale = await store.nodes.report(nodeReport('nd_live'));
        if (!stale.includes('nd_stopped')) notYet('it does not');
        expect(stale).toEqual(['nd_stopped']);
      });
      expect(await store.nodes.deadOf([], 50)).toEqual([]);
      expect(await store.nodes.aliveIds()).toEqual(['nd_live']);
    });

    test('nodes that are cordoned, busy or dead get no members', async () => {
      await store.nodes.report(nodeReport('nd_cordoned', { state: 'cordoned' }));
      await store.nodes.report(nodeReport('nd_draining', { state: 'draining' }));
      await store.nodes.report(nodeReport('nd_stopped'));
      await store.rooms.create(roomRecord('a'));
      await waitFor('the node without heartbeats is no longer alive', async () => {
        const stopped = (await store.nodes.list()).find(({ id }) => id === 'nd_stopped');
        if (stopped?.alive) notYet('it is alive');
      });
      await expect(join('rm_a')).rejects.toMatchObject({ code: 'NO_CAPACITY' });
      await store.nodes.report(nodeReport('nd_busy', { load: { cpu: 0.9 } }));
      await store.nodes.report(nodeReport('nd_idle'));
      for (let index = 0; index < 4; index++) expect((await join('rm_a')).member.nodeId).toBe('nd_idle');
    });

    test('a cordoned node gets no members, not even of rooms that it hosts, until it is uncordoned', async () => {
      await store.nodes.report(nodeReport('nd_a'));
      await store.rooms.create(roomRecord('a'));
      await join('rm_a');
      for (const state of ['cordoned', 'draining'] as const) {
        await store.nodes.report(nodeReport('nd_a', { state }));
        expect(await store.nodes.list()).toMatchObject([{ state, reserved: 1 }]);
        await expect(join('rm_a')).rejects.toMatchObject({ code: 'NO_CAPACITY' });
      }
      await store.nodes.report(nodeReport('nd_a'));
      expect((await join('rm_a')).member.nodeId).toBe('nd_a');
    });

    test('a member that is reassigned holds capacity on its new node only', async () => {
      await store.nodes.report(nodeReport('nd_a'));
      await store.nodes.report(nodeReport('nd_b'));
      await store.rooms.create(roomRecord('a'));
      const { member } = await join('rm_a');
      const moved = await store.rooms.reassign('rm_a', member.id, [member.nodeId]);
      expect(moved).toEqual({ ...member, nodeId: member.nodeId === 'nd_a' ? 'nd_b' : 'nd_a' });
      expect(await store.rooms.member('rm_a', member.id)).toEqual(moved);
      const reserved = Object.fromEntries((await store.nodes.list()).map((node) => [node.id, node.reserved]));
      expect(reserved).toEqual({ [member.nodeId]: 0, [moved.nodeId]: 1 });
      await expect(store.rooms.reassign('rm_a', 'pt_nobody', [])).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
    });
  });

  describe('statistics', () => {
    test('each report is appended with the peers of the node, without its RTP capabilities', async () => {
      const peer: PeerQuality = {
        sessionId: newId('session'),
        participantId: 'pt_a',
        roomId: 'rm_a',
        score: 0.9,
        group: 'stable',
        loss: 0.01,
        rttMs: 20,
        jitterMs: 3,
        baselineRttMs: 18,
      };
      const full = nodeReport('nd_a', { rtpCapabilities: { codecs: [] } });
      const begin = await events.append(nodeStream, JSON.stringify({}));
      await store.nodes.report(full, [peer]);
      await store.nodes.report(full);
      const entries = (await events.readAfter(nodeStream, begin, 10)) as { data: string }[];
      const { rtpCapabilities: _capabilities, ...stats } = full;
      expect(entries.map(({ data }) => JSON.parse(data))).toEqual([
        { ...stats, peers: [peer] },
        { ...stats, peers: [] },
      ]);
      for (const { data } of entries) expect(NodeStats.parse(JSON.parse(data))).toEqual(JSON.parse(data));
      expect(await store.nodes.list()).toMatchObject([full]);
    });
  });

  describe('publications', () => {
    beforeEach(async () => {
      await store.nodes.report(nodeReport('nd_a'));
      await store.rooms.create(roomRecord('a'));
    });

    test('adding, updating and removing a publication append one event each', async () => {
      const { member } = await join('rm_a');
      const camera = cameraOf(member);
      await store.rooms.putPublication('rm_a', camera);
      await store.rooms.putPublication('rm_a', { ...camera, muted: true });
      expect(await store.rooms.publications('rm_a', ['pub_unknown', camera.id])).toEqual([{ ...camera, muted: true }]);
      expect(await store.rooms.removePublication('rm_a', 'pt_other', camera.id)).toBe(false);
      expect(await store.rooms.removePublication('rm_a', member.id, camera.id)).toBe(true);
      expect(await store.rooms.removePublication('rm_a', member.id, camera.id)).toBe(false);
      expect((await appended('rm_a')).map(({ type, from }) => [type, from])).toEqual([
        ['participant_joined', 'system'],
        ['publication_added', member.id],
        ['publication_updated', member.id],
        ['publication_removed', member.id],
      ]);
    });

    test('a publication on a node that its participant is not assigned to is refused', async () => {
      const { member } = await join('rm_a');
      await expect(store.rooms.putPublication('rm_a', cameraOf(member, { nodeId: 'nd_old' }))).rejects.toMatchObject({
        code: 'NOT_IN_ROOM',
      });
      await expect(
        store.rooms.putPublication('rm_a', cameraOf({ id: 'pt_gone', nodeId: 'nd_a' })),
      ).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
      expect(await appended('rm_a')).toHaveLength(1);
    });
  });

  describe('sessions', () => {
    const session = (gatewayId = 'gw_a') => ({
      id: newId('session'),
      userId: 'ada',
      name: 'Ada',
      room: '*',
      grants: ['publish' as const],
      bridge: ['lobby'],
      expiresAt: 1_900_000_000_000,
      gatewayId,
    });

    /** Joins a room, which is created, with a session that is open. */
    const enter = async (roomId: string, sessionId: string) => {
      await store.nodes.report(nodeReport('nd_a'));
      await store.rooms.create(roomRecord(roomId.slice(3), { createdAt: 1 }));
      return store.rooms.join(newcomer(roomId, sessionId));
    };

    const token = (id: string) => ({ id, keptUntil: Date.now() + 60_000 });

    /** Opens a session with a token; resolves to the code of the refusal, or to `open`. */
    const openWith = (tokenId: string, userId = 'ada') => {
      const opened = { ...session(), userId };
      return store.sessions.open(opened, hash(opened.id), token(tokenId)).then(
        () => 'open',
        (error: FlotillaError) => error.code,
      );
    };
    /** What `openWith` would answer. */
    const checkWith = async (tokenId: string, userId = 'ada'): Promise<string> =>
      store.sessions.requireOpenable(userId, { tokenId, issuedAt: 0 }).then(
        () => 'open',
        (error: FlotillaError) => error.code,
      );

    test('a token opens one session until it has expired', async () => {
      expect(await checkWith('jti-1')).toBe('open');
      expect(await openWith('jti-1')).toBe('open');
      expect(await openWith('jti-1')).toBe('TOKEN_REPLAYED');
      expect(await openWith('jti-2')).toBe('open');
      expect(await checkWith('jti-1')).toBe('TOKEN_REPLAYED');
      const racing = await Promise.all(Array.from({ length: 10 }, () => openWith('jti-3')));
      expect(racing.filter((outcome) => outcome === 'open')).toHaveLength(1);
      expect(await store.sessions.ofUser('ada')).toHaveLength(3);
    });

    test('a user has a limited number of sessions, and a token above it is not used up', async () => {
      const all = Array.from({ length: maxSessionsPerUser }, () => session());
      await Promise.all(all.map((each) => store.sessions.open(each, hash(each.id))));
      expect(await checkWith('jti-above')).toBe('TOO_MANY_SESSIONS');
      expect(await openWith('jti-above')).toBe('TOO_MANY_SESSIONS');
      expect(await openWith('jti-other', 'bob')).toBe('open');
      expect(await store.sessions.ofUser('ada')).toHaveLength(maxSessionsPerUser);
      await store.sessions.close(all[0]!.id, 'left');
      expect(await openWith('jti-above')).toBe('open');
    });

    test('a session with a token that was revoked does not use it up', async () => {
      await store.sessions.revokeTokens('ada', 1);
      expect(await checkWith('jti-revoked')).toBe('TOKEN_REVOKED');
      expect(await openWith('jti-revoked')).toBe('TOKEN_REVOKED');
      expect(await checkWith('jti-revoked', 'bob')).toBe('open');
    });

    test('a session is resumed by any gateway, with its rooms, and again with the same token until that is confirmed', async () => {
      const opened = session();
      await store.sessions.open(opened, hash('one'));
      await enter('rm_a', opened.id);
      await store.sessions.detach(opened.id, hash('one'), 60_000);

      expect(await store.sessions.resume(hash('wrong'), hash('x'), 'gw_b')).toBeUndefined();
      expect(await store.sessions.isResumable(hash('wrong'))).toBe(false);
      expect(await store.sessions.isResumable(hash('one'))).toBe(true);
      expect(await store.sessions.resume(hash('one'), hash('two'), 'gw_b')).toEqual({
        session: { ...opened, rooms: ['rm_a'] },
        replacedHash: hash('one'),
      });
      // The answer to the first was lost.
      expect(await store.sessions.resume(hash('one'), hash('three'), 'gw_b')).toMatchObject({
        replacedHash: hash('two'),
      });
      expect(await store.sessions.confirmResume(opened.id, hash('one'), hash('two'))).toBe(false);
      expect(await store.sessions.isResumable(hash('one'))).toBe(true);
      expect(await store.sessions.confirmResume(opened.id, hash('one'), hash('three'))).toBe(true);
      expect(await store.sessions.resume(hash('one'), hash('four'), 'gw_b')).toBeUndefined();
      expect(await store.sessions.get(opened.id)).toMatchObject({ gatewayId: 'gw_b', rooms: ['rm_a'] });
      // The old gateway noticing only now must not end what the new one has.
      await store.sessions.detach(opened.id, hash('one'), 0);
      expect(await store.sessions.due(10)).toEqual([]);
    });

    test('the connected sessions of a gateway are listed when they are more than expected', async () => {
      const [here, detached, elsewhere] = [session('gw_a'), session('gw_a'), session('gw_b')];
      for (const each of [here, detached, elsewhere]) await store.sessions.open(each, hash(each.id));
      await store.sessions.detach(detached.id, hash(detached.id), 60_000);
      expect(await store.sessions.connectedTo('gw_a', 0)).toEqual([{ id: here.id, resumeHash: hash(here.id) }]);
      expect(await store.sessions.connectedTo('gw_a', 1)).toEqual([]);
    });

    test('a session whose window has passed is due until it is closed, and can not be resumed', async () => {
      const opened = session();
      await store.sessions.open(opened, hash('one'));
      await store.sessions.detach(opened.id, hash('one'), 20);
      const due = await waitFor('it is due', async () => {
        const found = await store.sessions.due(10);
        return found.length > 0 ? found : notYet('nothing is due');
      });
      expect(due).toEqual([opened.id]);
      expect(await store.sessions.isResumable(hash('one'))).toBe(false);
      expect(await store.sessions.resume(hash('one'), hash('two'), 'gw_b')).toBeUndefined();
      await store.sessions.close(opened.id, 'left');
      expect(await store.sessions.due(10)).toEqual([]);
      expect(await store.sessions.get(opened.id)).toBeUndefined();
    });

    test('a closed session can neither join nor resume', async () => {
      const opened = session();
      await store.sessions.open(opened, hash('one'));
      await store.sessions.close(opened.id, 'left');
      await expect(enter('rm_a', opened.id)).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
      expect(await store.rooms.state('rm_a')).toMatchObject({ members: [] });
      expect(await store.sessions.get(opened.id)).toBeUndefined();
      expect(await store.sessions.resume(hash('one'), hash('two'), 'gw_a')).toBeUndefined();
    });

    test('the sessions of a dead gateway are detached, those of others are not', async () => {
      const lost = session('gw_lost');
      const fine = session('gw_fine');
      await store.sessions.gatewayAlive('gw_lost');
      await store.sessions.open(lost, hash('lost'));
      await store.sessions.open(fine, hash('fine'));
      const detached = await waitFor('the gateway is declared dead', async () => {
        await store.sessions.gatewayAlive('gw_fine');
        return (await store.sessions.detachOrphaned(200, 10, 100)).detached || notYet('no gateway has timed out');
      });
      expect(detached).toBe(1);
      await waitFor('it is due', async () =>
        (await store.sessions.due(10)).length === 1 ? undefined : notYet('not due'),
      );
      expect(await store.sessions.due(10)).toEqual([lost.id]);
    });

    test('a gateway that was declared dead reattaches its sessions except those that were resumed elsewhere or ended', async () => {
      const [mine, moved, ended] = [session('gw_a'), session('gw_a'), session('gw_a')];
      expect(await store.sessions.gatewayAlive('gw_a')).toBe(false);
      expect(await store.sessions.gatewayAlive('gw_a')).toBe(true);
      for (const each of [mine, moved, ended]) await store.sessions.open(each, hash(each.id));
      await waitFor('the gateway is declared dead', async () =>
        (await store.sessions.detachOrphaned(20, 50, 100)).detached > 0 ? undefined : notYet('it is not'),
      );
      await store.sessions.resume(hash(moved.id), hash('next'), 'gw_b');
      await store.sessions.close(ended.id, 'left');
      expect(await store.sessions.gatewayAlive('gw_a')).toBe(false);
      await store.sessions.reattach([mine.id, moved.id, ended.id], 'gw_a');
      await store.sessions.detach(moved.id, hash('next'), 0);
      await waitFor('the one of the other gateway is due', async () =>
        (await store.sessions.due(10)).length > 0 ? undefined : notYet('nothing is due'),
      );
      expect(await store.sessions.due(10)).toEqual([moved.id]);
      expect(await store.sessions.get(ended.id)).toBeUndefined();
    });

    test('a refreshed token replaces all claims of the session', async () => {
      const opened = session();
      await store.sessions.open(opened, hash('one'));
      const claims = { grants: ['data' as const], bridge: [], expiresAt: 2_000_000_000_000 };
      await store.sessions.refresh(opened.id, hash('one'), token('jti-r1'), claims);
      const { name: _name, room: _room, ...rest } = opened;
      expect(await store.sessions.get(opened.id)).toEqual({
        ...rest,
        grants: ['data'],
        bridge: [],
        expiresAt: 2_000_000_000_000,
        rooms: [],
      });
      await store.sessions.close(opened.id, 'left');
      const late = store.sessions.refresh(opened.id, hash('one'), token('jti-r2'), claims);
      await expect(late).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
      expect(await store.sessions.get(opened.id)).toBeUndefined();
    });

    test('a session is refreshed again by its last token, by no older one and by none of another session', async () => {
      const [mine, other] = [session(), session()];
      for (const each of [mine, other]) await store.sessions.open(each, hash(each.id));
      const claims = (expiresAt: number) => ({ grants: [], bridge: [], expiresAt });
      const refresh = ({ id }: { id: string }, tokenId: string, expiresAt: number) =>
        store.sessions.refresh(id, hash(id), token(tokenId), claims(expiresAt));
      for (const [tokenId, expiresAt] of [
        ['jti-a', 1],
        ['jti-a', 1],
        ['jti-b', 2],
        ['jti-b', 2],
      ] as const)
        await refresh(mine, tokenId, expiresAt);
      for (const [by, tokenId] of [
        [mine, 'jti-a'],
        [other, 'jti-a'],
        [other, 'jti-b'],
      ] as const)
        await expect(refresh(by, tokenId, 3)).rejects.toMatchObject({ code: 'TOKEN_REPLAYED' });
      expect(await openWith('jti-b')).toBe('TOKEN_REPLAYED');
      expect(await store.sessions.get(mine.id)).toMatchObject({ expiresAt: 2 });
    });

    test('a refresh by a connection that was replaced uses no token up', async () => {
      const opened = session();
      await store.sessions.open(opened, hash('one'));
      await store.sessions.resume(hash('one'), hash('two'), 'gw_b');
      const claims = { grants: [], bridge: [], expiresAt: 3 };
      const late = store.sessions.refresh(opened.id, hash('one'), token('jti-l'), claims);
      await expect(late).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
      await store.sessions.refresh(opened.id, hash('two'), token('jti-l'), claims);
      expect(await store.sessions.get(opened.id)).toMatchObject({ expiresAt: 3 });
    });

    test('the sessions of a user are listed until they end', async () => {
      const devices = [session('gw_a'), session('gw_a'), session('gw_b')];
      for (const device of devices) await store.sessions.open(device, hash(device.id));
      await store.sessions.open({ ...session('gw_b'), userId: 'ada.of-another+kind' }, hash('other'));
      const found = await store.sessions.ofUser('ada');
      expect(found.toSorted()).toEqual(devices.map(({ id }) => id).toSorted());
      await store.sessions.close(devices[0]!.id, 'left');
      expect(await store.sessions.ofUser('ada')).toHaveLength(2);
      const [other] = await store.sessions.ofUser('ada.of-another+kind');
      await store.sessions.close(other!, 'left');
      expect(await store.sessions.ofUser('ada.of-another+kind')).toEqual([]);
    });

    test('a message to a user is appended once per gateway with a session of the user, and kept for sessions that resume', async () => {
      const [here, there, away] = [session('gw_a'), session('gw_b'), session('gw_c')];
      const from = await store.sessions.open(here, hash('1'));
      await store.sessions.open({ ...session('gw_a') }, hash('2'));
      await store.sessions.open(there, hash('3'));
      await store.sessions.open(away, hash('4'));
      await store.sessions.detach(away.id, hash('4'), 60_000);

      const first = await store.sessions.sendToUser('ada', '{"n":1}');
      const second = await store.sessions.sendToUser('ada', '{"n":2}');
      expect(compareOffsets(first, second)).toBeLessThan(0);
      for (const gateway of ['gw_a', 'gw_b']) {
        const entries = await events.readAfter(gatewayStream(gateway), '0-0', 10);
        expect((entries as { data: string }[]).map(({ data }) => JSON.parse(data) as unknown)).toEqual([
          { type: 'user_message', userId: 'ada', seq: first, message: { n: 1 } },
          { type: 'user_message', userId: 'ada', seq: second, message: { n: 2 } },
        ]);
      }
      expect(await events.readAfter(gatewayStream('gw_c'), '0-0', 10)).toEqual([]);
      const all = [
        { offset: first, data: '{"n":1}' },
        { offset: second, data: '{"n":2}' },
      ];
      expect(await store.sessions.messagesToUser('ada', from)).toEqual({ complete: true, entries: all });
      expect(await store.sessions.messagesToUser('ada', first)).toEqual({ complete: true, entries: all.slice(1) });
      expect(await store.sessions.messagesToUser('ada', second)).toEqual({ complete: true, entries: [] });
    });

    test('a message to a user without a session that is connected or may resume gets RECIPIENT_OFFLINE', async () => {
      await expect(store.sessions.sendToUser('ada', '{}')).rejects.toMatchObject({ code: 'RECIPIENT_OFFLINE' });
      const opened = session();
      await store.sessions.open(opened, hash('one'));
      await store.sessions.detach(opened.id, hash('one'), 20);
      await waitFor('the window is over', async () => {
        const sent = await store.sessions.sendToUser('ada', '{}').catch((error: { code: string }) => error.code);
        if (sent !== 'RECIPIENT_OFFLINE') notYet('a message was taken');
      });
      await store.sessions.close(opened.id, 'left');
      await expect(store.sessions.sendToUser('ada', '{}')).rejects.toMatchObject({ code: 'RECIPIENT_OFFLINE' });
    });

    test('of too many messages to a detached user the newest are kept, and the result is marked as incomplete', async () => {
      const opened = session();
      const from = await store.sessions.open(opened, hash('one'));
      for (let number = 0; number < keptMessagesPerUser + 10; number++)
        await store.sessions.sendToUser('ada', JSON.stringify({ number }));
      const { complete, entries } = await store.sessions.messagesToUser('ada', from);
      expect(complete).toBe(false);
      expect(entries).toHaveLength(keptMessagesPerUser);
      expect(entries[0]!.data).toBe('{"number":10}');
      expect(await store.sessions.messagesToUser('ada', entries[5]!.offset)).toMatchObject({ complete: true });
    });

    test('a large message to a detached user leaves the small ones before it, as long as all fit', async () => {
      const from = await store.sessions.open(session(), hash('one'));
      for (let number = 0; number < 200; number++)
        await store.sessions.sendToUser('ada', JSON.stringify({ number, text: 'x'.repeat(180) }));
      await store.sessions.sendToUser('ada', JSON.stringify('x'.repeat(16_000)));
      const { complete, entries } = await store.sessions.messagesToUser('ada', from);
      expect(complete).toBe(true);
      expect(entries).toHaveLength(201);
    });

    test('of messages of mixed sizes to a detached user those are kept that fit the inbox, the newest in any case', async () => {
      const from = await store.sessions.open(session(), hash('one'));
      const sent: string[] = [];
      const newestThatFit = () => {
        let bytes = 0;
        const fit = sent.toReversed().findIndex((message) => (bytes += Buffer.byteLength(message)) > maxInboxBytes);
        return sent.slice(-Math.min(keptMessagesPerUser, fit === -1 ? Infinity : Math.max(1, fit)));
      };
      for (const [length, count] of [
        [200, 120],
        [16_000, 20],
        [200, 40],
        [8000, 20],
        [30, 300],
        [60_000, 6],
        [300_000, 2],
        [1000, 3],
      ] as const) {
        for (let number = 0; number < count; number++) {
          const message = JSON.stringify({ number: sent.length, text: 'é'.repeat(length / 2) });
          sent.push(message);
          await store.sessions.sendToUser('ada', message);
        }
        const { complete, entries } = await store.sessions.messagesToUser('ada', from);
        expect(entries.map(({ data }) => data)).toEqual(newestThatFit());
        expect(complete).toBe(entries.length === sent.length);
      }
    });

    test('sessions are counted while they are connected or may resume', async () => {
      const [one, other] = [session(), session()];
      expect(await store.sessions.count()).toBe(0);
      await store.sessions.open(one, hash('one'));
      await store.sessions.open(other, hash('other'));
      await store.sessions.detach(one.id, hash('one'), 60_000);
      expect(await store.sessions.count()).toBe(2);
      await store.sessions.close(one.id, 'left');
      expect(await store.sessions.count()).toBe(1);
    });

    test('of large messages to a detached user fewer are kept, and the result is marked as incomplete', async () => {
      const opened = session();
      const from = await store.sessions.open(opened, hash('one'));
      const message = JSON.stringify('x'.repeat(16_000));
      const kept = Math.floor(maxInboxBytes / message.length);
      for (let number = 0; number < kept; number++) await store.sessions.sendToUser('ada', message);
      const all = await store.sessions.messagesToUser('ada', from);
      expect(all.complete).toBe(true);
      expect(all.entries).toHaveLength(kept);
      await store.sessions.sendToUser('ada', message);
      expect(await store.sessions.messagesToUser('ada', from)).toMatchObject({ complete: false });
      const [first] = all.entries;
      expect(await store.sessions.messagesToUser('ada', first!.offset)).toMatchObject({ complete: false });
      expect(await store.sessions.messagesToUser('ada', all.entries[1]!.offset)).toMatchObject({ complete: true });
    });
  });
});
