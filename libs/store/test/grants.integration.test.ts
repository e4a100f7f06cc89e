import { type EventLog, gatewayStream } from '@flotilla/bus';
import { type Grant, newId, participantIdOf } from '@flotilla/contracts';
import {
  cameraOf,
  joinAs,
  newcomer,
  nodeReport,
  notYet,
  participantClaims,
  roomRecord,
  waitFor,
} from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { brokenInvariants, type Store, takeInventory } from '../src/index.ts';
import { adapters, eventsOf } from './adapters.ts';

describe.each(adapters)('grants in %s', (_name, open) => {
  let store: Store;
  let events: EventLog;
  let close: () => Promise<void>;

  beforeEach(async () => {
    ({ store, events, close } = await open());
    await store.nodes.report(nodeReport('nd_a', { capacity: 100 }));
    for (const name of ['a', 'b']) await store.rooms.create(roomRecord(name));
  });
  afterEach(() => close());

  const openSession = async (claims: { room?: string; grants?: Grant[]; maxPublishBitrate?: number }) => {
    const id = newId('session');
    const session = { id, userId: 'u', gatewayId: 'gw_a', ...participantClaims(), ...claims };
    await store.sessions.open(session, `hash-of-${id}`);
    return id;
  };
  const refresh = (
    sessionId: string,
    claims: { room?: string | undefined; grants?: Grant[]; maxPublishBitrate?: number },
  ) =>
    store.sessions.refresh(
      sessionId,
      `hash-of-${sessionId}`,
      { id: newId('session'), keptUntil: Date.now() + 60_000 },
      { ...participantClaims(), ...claims },
    );
  const eventTypes = async (roomId: string) => (await eventsOf(events, roomId)).map(({ type }) => type);
  const expectWhole = async () => expect(brokenInvariants(await takeInventory(store))).toEqual([]);

  test('a session joins only the room of its token, with * any, and without a room or a grant none', async () => {
    const joining = async (claims: { room?: string; grants?: Grant[] }, roomId = 'rm_a') =>
      store.rooms.join(newcomer(roomId, await openSession(claims)));
    expect(await joining({ room: 'rm_a' })).toMatchObject({ member: { grants: ['publish', 'subscribe', 'data'] } });
    expect(await joining({ room: '*' }, 'rm_b')).toMatchObject({ member: { roomId: 'rm_b' } });
    const refused: [{ room?: string; grants?: Grant[] }, string?][] = [
      [{ room: 'rm_b' }],
      [{ room: '' }],
      [{ grants: [] }],
      [{ grants: ['broadcast', 'admin'] }],
      // The refusal does not reveal whether a room exists.
      [{ room: 'rm_b' }, 'rm_missing'],
    ];
    for (const [claims, roomId] of refused)
      await expect(joining(claims, roomId)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expectWhole();
  });

  test('a member has the grants of its session, whatever the request says', async () => {
    const sessionId = await openSession({ grants: ['admin', 'subscribe'] });
    const { member, members } = await store.rooms.join({ ...newcomer('rm_a', sessionId), grants: ['publish'] });
    expect(member.grants).toEqual(['subscribe']);
    expect(members[0]!.grants).toEqual(['subscribe']);
    expect(await eventsOf(events, 'rm_a')).toMatchObject([
      { type: 'participant_joined', payload: { participant: { grants: ['subscribe'] } } },
    ]);
    await expect(store.rooms.putPublication('rm_a', cameraOf(member))).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await store.rooms.memberAt('rm_a', member.id)).toMatchObject({
      member: { grants: ['subscribe'] },
      offset: (await store.rooms.state('rm_a'))!.offset,
    });
  });

  test('a refresh without publish ends the publications in every room of the session, and no further one is added', async () => {
    const sessionId = await openSession({});
    const { member } = await store.rooms.join(newcomer('rm_a', sessionId));
    await store.rooms.join(newcomer('rm_b', sessionId));
    const publication = cameraOf(member);
    await store.rooms.putPublication('rm_a', publication);
    const before = (await eventsOf(events, 'rm_a')).length;
    await refresh(sessionId, { grants: ['data', 'subscribe'] });
    expect((await eventsOf(events, 'rm_a')).slice(before)).toMatchObject([
      { type: 'grants_changed', payload: { participantId: member.id, grants: ['subscribe', 'data'] } },
      { type: 'publication_removed', payload: { publicationId: publication.id } },
    ]);
    expect(await eventTypes('rm_b')).toEqual(['participant_joined', 'grants_changed']);
    for (const change of [publication, { ...publication, muted: true }])
      await expect(store.rooms.putPublication('rm_a', change)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await store.rooms.state('rm_a')).toMatchObject({
      publications: [],
      members: [{ grants: ['subscribe', 'data'] }],
    });
    await refresh(sessionId, {});
    await store.rooms.putPublication('rm_a', publication);
    await expectWhole();
  });

  test('a member has the maximum bit rate of its token, which a refresh changes and an assignment to another node keeps', async () => {
    const sessionId = await openSession({ maxPublishBitrate: 500_000 });
    const { member } = await store.rooms.join({ ...newcomer('rm_a', sessionId), maxPublishBitrate: 900_000 });
    expect(member).toMatchObject({ grants: ['publish', 'subscribe', 'data'], maxPublishBitrate: 500_000 });
    expect(await store.sessions.get(sessionId)).toMatchObject({ maxPublishBitrate: 500_000 });
    await refresh(sessionId, { maxPublishBitrate: 500_000 });
    await refresh(sessionId, { maxPublishBitrate: 400_000 });
    await store.nodes.report(nodeReport('nd_b', { capacity: 100 }));
    await store.rooms.reassign('rm_a', member.id, ['nd_a']);
    expect((await store.rooms.state('rm_a'))!.members).toMatchObject([{ nodeId: 'nd_b', maxPublishBitrate: 400_000 }]);
    await refresh(sessionId, {});
    expect((await store.rooms.member('rm_a', member.id))!.maxPublishBitrate).toBeUndefined();
    const changes = (await eventsOf(events, 'rm_a')).filter(({ type }) => type === 'grants_changed');
    const common = { participantId: member.id, grants: ['publish', 'subscribe', 'data'] };
    expect(changes.map(({ payload }) => payload)).toEqual([{ ...common, maxPublishBitrate: 400_000 }, common]);
    await expectWhole();
  });

  test('a publication that the server ends has the reason in its event', async () => {
    const { member } = await store.rooms.join(newcomer('rm_a', await openSession({})));
    const publication = cameraOf(member);
    await store.rooms.putPublication('rm_a', publication);
    await store.rooms.removePublication('rm_a', member.id, publication.id, 'bitrate_exceeded');
    expect((await eventsOf(events, 'rm_a')).at(-1)).toMatchObject({
      type: 'publication_removed',
      payload: { publicationId: publication.id, participantId: member.id, reason: 'bitrate_exceeded' },
    });
  });

  test('a refresh that leaves the grants as they are appends no event', async () => {
    const sessionId = await openSession({});
    await store.rooms.join(newcomer('rm_a', sessionId));
    await refresh(sessionId, { grants: ['subscribe', 'data', 'publish', 'admin'] });
    expect(await eventTypes('rm_a')).toEqual(['participant_joined']);
  });

  test('a session leaves the rooms that a refresh does not cover any more', async () => {
    const sessionId = await openSession({});
    for (const roomId of ['rm_a', 'rm_b']) await store.rooms.join(newcomer(roomId, sessionId));
    await refresh(sessionId, { room: 'rm_b' });
    expect((await eventsOf(events, 'rm_a')).at(-1)).toMatchObject({
      type: 'participant_left',
      payload: { reason: 'removed' },
    });
    expect((await store.sessions.get(sessionId))?.rooms).toEqual(['rm_b']);
    await refresh(sessionId, { grants: ['broadcast'] });
    expect((await store.sessions.get(sessionId))?.rooms).toEqual([]);
    expect(await store.nodes.list()).toMatchObject([{ reserved: 0 }]);
    await expectWhole();
  });

  test('a peer-to-peer room moves to the SFU when one of its members may not both publish and subscribe', async () => {
    for (const name of ['joining', 'changing']) await store.rooms.create(roomRecord(name, { peerToPeer: true }));
    const viewer = await openSession({ grants: ['subscribe'] });
    expect(await store.rooms.join(newcomer('rm_joining', viewer))).toMatchObject({ mediaMode: 'sfu' });
    const sessionId = await openSession({});
    const other = await joinAs(store, newcomer('rm_changing'));
    expect(await store.rooms.join(newcomer('rm_changing', sessionId))).toMatchObject({ mediaMode: 'peer' });
    await refresh(sessionId, { grants: ['publish', 'data'] });
    expect(await store.rooms.state('rm_changing')).toMatchObject({ mediaMode: 'sfu' });
    expect((await eventTypes('rm_changing')).slice(-2)).toEqual(['grants_changed', 'media_mode']);
    expect(other.mediaMode).toBe('peer');
  });

  test('a removed user is banned from the room until the ban is lifted or over, with any session', async () => {
    const sessionId = await openSession({});
    const { member } = await store.rooms.join(newcomer('rm_a', sessionId));
    expect(await store.rooms.remove('rm_a', member.id, { userId: 'u', seconds: 60 })).toBe(true);
    expect(await store.rooms.remove('rm_a', member.id, { userId: 'u', seconds: 60 })).toBe(false);
    expect((await eventsOf(events, 'rm_a')).at(-1)).toMatchObject({
      type: 'participant_left',
      payload: { reason: 'removed' },
    });
    for (const id of [sessionId, await openSession({})])
      await expect(store.rooms.join(newcomer('rm_a', id))).rejects.toMatchObject({ code: 'BANNED' });
    await store.rooms.join(newcomer('rm_b', sessionId));
    await store.rooms.join({ ...newcomer('rm_a', await openSession({})), userId: 'other' });
    expect(await store.rooms.liftBan('rm_a', 'u')).toBe(true);
    expect(await store.rooms.liftBan('rm_a', 'u')).toBe(false);
    const again = await store.rooms.join(newcomer('rm_a', sessionId));
    await store.rooms.remove('rm_a', again.member.id, { userId: 'u', seconds: 1 });
    await waitFor('the ban is over', () =>
      store.rooms.join(newcomer('rm_a', sessionId)).catch(() => notYet('the join is refused')),
    );
    await store.rooms.remove('rm_a', again.member.id, undefined);
    await store.rooms.join(newcomer('rm_a', sessionId));
    await expectWhole();
  });

  test('a session may send into a room from outside while it lasts, its token is not revoked, and its user is not banned', async () => {
    await store.rooms.create(roomRecord('open', { acceptBridged: true }));
    const sessionId = await openSession({});
    const bridge = (roomId = 'rm_open') => store.rooms.requireBridge(roomId, sessionId, `hash-of-${sessionId}`);
    const codeOfBridge = (roomId?: string) => bridge(roomId).catch(({ code }: { code: string }) => code);
    expect(await bridge()).toBe(0);
    expect(await codeOfBridge('rm_a')).toBe('FORBIDDEN');
    expect(await codeOfBridge('rm_none')).toBe('ROOM_NOT_FOUND');
    const { member } = await store.rooms.join(newcomer('rm_open', await openSession({})));
    expect(await bridge()).toBe(1);
    await store.rooms.remove('rm_open', member.id, { userId: 'u', seconds: 60 });
    expect(await codeOfBridge()).toBe('BANNED');
    await store.rooms.liftBan('rm_open', 'u');
    expect(await bridge()).toBe(0);
    await expect(store.rooms.requireBridge('rm_open', sessionId, 'other')).rejects.toMatchObject({
      code: 'SESSION_EXPIRED',
    });
    await store.sessions.revokeTokens('u', Math.ceil(Date.now() / 1000) + 1);
    expect(await codeOfBridge()).toBe('TOKEN_REVOKED');
    await store.sessions.revoke(sessionId);
    expect(await codeOfBridge()).toBe('SESSION_EXPIRED');
  });

  test('a ban takes the user out of the room with all its sessions, and nobody else', async () => {
    const own = [await openSession({}), await openSession({})];
    const other = newId('session');
    await store.sessions.open({ id: other, userId: 'other', gatewayId: 'gw_a', ...participantClaims() }, 'other');
    for (const sessionId of own) await store.rooms.join(newcomer('rm_a', sessionId));
    await store.rooms.join(newcomer('rm_b', own[1]));
    await store.rooms.join({ ...newcomer('rm_a', other), userId: 'other' });
    expect(await store.rooms.remove('rm_a', participantIdOf(own[0]!), { userId: 'u', seconds: 60 })).toBe(true);
    expect((await eventsOf(events, 'rm_a')).slice(-2)).toMatchObject(
      own.map((sessionId) => ({
        type: 'participant_left',
        payload: { participantId: participantIdOf(sessionId), reason: 'removed' },
      })),
    );
    expect(await store.rooms.state('rm_a')).toMatchObject({ members: [{ sessionId: other }] });
    expect(await store.rooms.state('rm_b')).toMatchObject({ members: [{ sessionId: own[1] }] });
    await expectWhole();
  });

  test('the bans of a room are listed page by page by their end, without those that are over or lifted', async () => {
    const ban = async (userId: string, seconds: number, roomId = 'rm_a') => {
      const { member } = await joinAs(store, { ...newcomer(roomId), userId });
      await store.rooms.remove(roomId, member.id, { userId, seconds });
    };
    for (const [index, userId] of ['c', 't/b', 'a', 'lifted', 'late'].entries()) await ban(userId, 60 + index * 60);
    await ban('elsewhere', 60, 'rm_b');
    await ban('short', 1);
    await store.rooms.liftBan('rm_a', 'lifted');
    const { bans } = await waitFor('the shortest ban is over', async () => {
      const page = await store.rooms.bans('rm_a', 10);
      return page.bans.length === 4 ? page : notYet(`there are ${page.bans.length}`);
    });
    expect(bans.map(({ userId }) => userId)).toEqual(['c', 't/b', 'a', 'late']);
    const remainingMs = bans[0]!.endsAt - Date.now();
    expect(remainingMs).toBeGreaterThan(0);
    expect(remainingMs).toBeLessThanOrEqual(61_000);
    const first = await store.rooms.bans('rm_a', 2);
    expect(first).toEqual({ bans: bans.slice(0, 2), next: bans[1] });
    // The position is found also when the ban itself has been lifted.
    await store.rooms.liftBan('rm_a', 't/b');
    expect(await store.rooms.bans('rm_a', 2, first.next)).toEqual({ bans: bans.slice(2), next: undefined });
    expect(await store.rooms.bans('rm_missing', 2)).toEqual({ bans: [], next: undefined });
  });

  test('a ban ends with its room', async () => {
    const { member } = await joinAs(store, newcomer('rm_a'));
    await store.rooms.remove('rm_a', member.id, { userId: 'u', seconds: 60 });
    await store.rooms.delete('rm_a');
    await store.rooms.create(roomRecord('a'));
    await joinAs(store, newcomer('rm_a'));
  });

  test('a revoked session leaves its rooms, and its gateway gets one event of it', async () => {
    const sessionId = await openSession({});
    await store.rooms.join(newcomer('rm_a', sessionId));
    for (let run = 0; run < 2; run++) await store.sessions.revoke(sessionId);
    expect((await eventsOf(events, 'rm_a')).at(-1)).toMatchObject({
      type: 'participant_left',
      payload: { reason: 'revoked' },
    });
    expect(await store.sessions.get(sessionId)).toBeUndefined();
    expect(await events.readAfter(gatewayStream('gw_a'), '0-0', 10)).toMatchObject([
      { data: JSON.stringify({ type: 'session_revoked', sessionId }) },
    ]);
    await expectWhole();
  });

  test('sessions are found by when the token was issued that opened or last refreshed them', async () => {
    const [old, older, refreshed, ended] = ['ss_old', 'ss_older', 'ss_refreshed', 'ss_ended'] as const;
    for (const [id, issuedAt] of [
      [old, 20],
      [older, 10],
      [refreshed, 5],
      [ended, 5],
    ] as const)
      await store.sessions.open({ id, userId: 'u', gatewayId: 'gw_a', ...participantClaims(), issuedAt }, `hash-${id}`);
    const token = { id: newId('session'), keptUntil: Date.now() + 60_000 };
    await store.sessions.refresh(refreshed, `hash-${refreshed}`, token, { ...participantClaims(), issuedAt: 30 });
    await store.sessions.close(ended, 'left');
    expect(await store.sessions.issuedBefore(30, 0, 10)).toEqual([older, old]);
    expect(await store.sessions.issuedBefore(20, 0, 10)).toEqual([older]);
    expect(await store.sessions.issuedBefore(31, 1, 1)).toEqual([old]);
  });

  test('tokens that were issued before a time neither open nor refresh a session, of one user or of all', async () => {
    const openAs = (userId: string, issuedAt: number) => {
      const id = newId('session');
      const session = { id, userId, gatewayId: 'gw_a', ...participantClaims(), issuedAt };
      return store.sessions.open(session, `hash-of-${id}`).then(() => id);
    };
    const now = Math.floor(Date.now() / 1000);
    const sessionId = await openAs('u', now);
    await store.sessions.revokeTokens('u', now + 10);
    // An earlier time does not shorten it.
    await store.sessions.revokeTokens('u', now - 10);
    await expect(openAs('u', now + 9)).rejects.toMatchObject({ code: 'TOKEN_REVOKED' });
    await openAs('u', now + 10);
    await openAs('other', now);
    const refreshing = (issuedAt: number) =>
      store.sessions.refresh(
        sessionId,
        `hash-of-${sessionId}`,
        { id: newId('session'), keptUntil: Date.now() + 60_000 },
        { ...participantClaims(), issuedAt },
      );
    await expect(refreshing(now + 9)).rejects.toMatchObject({ code: 'TOKEN_REVOKED' });
    await refreshing(now + 10);
    await store.sessions.revokeTokens(undefined, now + 20);
    for (const userId of ['u', 'other'])
      await expect(openAs(userId, now + 19)).rejects.toMatchObject({ code: 'TOKEN_REVOKED' });
  });
});
