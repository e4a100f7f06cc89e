import { memoryBackplane } from '@flotilla/backplane';
import { broadcastStream, roomStream } from '@flotilla/bus';
import { type Address, type ErrorCode, FlotillaError } from '@flotilla/contracts';
import { newcomer, nodeReport, participantClaims, roomRecord } from '@flotilla/testkit';
import { describe, expect, test, vi } from 'vitest';
import { RoomBytes } from '../src/limits/room-bytes.ts';
import { RoomEvents } from '../src/limits/room-events.ts';
import { UserBytes } from '../src/limits/user-bytes.ts';
import { UserMessages } from '../src/messages/user-messages.ts';
import { MessageRequests } from '../src/requests/message-requests.ts';
import { RoomChanges } from '../src/rooms/room-changes.ts';
import { RoomStreams } from '../src/rooms/room-streams.ts';
import { FleetSessions } from '../src/sessions/fleet-sessions.ts';
import type { Session } from '../src/sessions/session.ts';
import { SessionTable } from '../src/sessions/session-table.ts';
import { log } from './gateway-harness.ts';
import { recordingSession } from './recording-session.ts';

const refused = (code: string) => expect.objectContaining({ code });
const roomRate = 262_144;
const userRate = 16_384;
const maxBytes = 16_384;

/** A gateway's message requests over a fleet in memory with the room `rm_a`. `participants`: of any room. */
async function messaging(participants = 3) {
  const backplane = memoryBackplane(log);
  const { store, events } = backplane;
  await store.nodes.report(nodeReport('nd_a'));
  await store.rooms.create(roomRecord('a', { acceptBridged: true }));
  const table = new SessionTable();
  const sizes = { of: () => participants } as never;
  const fleet = new FleetSessions(store.sessions, table);
  const bytes = new UserBytes(userRate);
  const users = new UserMessages('gw_a', table, store.sessions, events, bytes, fleet, {} as never, log);
  const rooms = new RoomBytes(roomRate);
  const requests = new MessageRequests(backplane, users, new RoomStreams(events), sizes, rooms, maxBytes);
  /** A session of a user that may send into `rm_a` from outside. */
  const open = async (id: string, userId = 'u') => {
    const claims = { ...participantClaims(), bridge: ['rm_a'] };
    await store.sessions.open({ id, userId, gatewayId: 'gw_a', ...claims }, id);
    const recording = recordingSession(id, () => undefined, ['data', 'broadcast'], { resumeHash: id });
    recording.session.identity = { ...recording.session.identity, userId, bridge: ['rm_a'] };
    table.add(recording.session);
    return recording;
  };
  const send = (session: Session, to: Address, data: unknown = 0) =>
    requests.send({ session, roomId: to === 'room:rm_a' ? 'rm_a' : '', to, payload: { data } });
  const writtenToAll = async () => await events.lastOffset(broadcastStream);
  const written = async () => (await events.readAfter(roomStream('rm_a'), '0-0', 1000)) as readonly unknown[];
  return { store, open, send, written, writtenToAll };
}

/** Number of sends that are accepted before the first that is refused for the rate. */
async function acceptedOf(send: () => Promise<unknown>): Promise<number> {
  for (let count = 0; count < 5000; count++) {
    const error = await send().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) continue;
    expect(error).toEqual(refused('RATE_LIMITED'));
    return count;
  }
  return Infinity;
}

describe('messages into a room', () => {
  test('of the smallest size are limited by their envelope, and by the number of receivers', async () => {
    const small = await messaging();
    const { session } = await small.open('ss_a');
    session.rooms.set('rm_a', { roomId: 'rm_a', participantId: 'pt_a', nodeId: 'nd_a' });
    const inSmall = await acceptedOf(() => small.send(session, 'room:rm_a'));
    expect(inSmall).toBeGreaterThan(1000);
    expect(inSmall).toBeLessThan(((roomRate * 3) / 200) * 1.01);
    const large = await messaging(3000);
    const other = (await large.open('ss_b')).session;
    other.rooms.set('rm_a', { roomId: 'rm_a', participantId: 'pt_b', nodeId: 'nd_a' });
    const inLarge = await acceptedOf(() => large.send(other, 'room:rm_a'));
    expect(inLarge).toBeGreaterThan(60);
    expect(inLarge).toBeLessThan(inSmall / 15);
  });
});

describe('messages into a room from outside', () => {
  test('are accepted with the claim, and refused to a banned user with any session until the ban is lifted', async () => {
    const { store, open, send, written } = await messaging();
    const { session } = await open('ss_a');
    await send(session, 'room:rm_a');
    const { member } = await store.rooms.join(newcomer('rm_a', 'ss_a'));
    await store.rooms.remove('rm_a', member.id, { userId: 'u', seconds: 60 });
    const before = await written();
    const other = (await open('ss_b')).session;
    for (const banned of [session, other]) await expect(send(banned, 'room:rm_a')).rejects.toEqual(refused('BANNED'));
    expect(await written()).toEqual(before);
    await send((await open('ss_c', 'other')).session, 'room:rm_a');
    await store.rooms.liftBan('rm_a', 'u');
    await send(session, 'room:rm_a');
  });

  test('are refused to a session that ended or was resumed elsewhere, and to a user whose tokens were revoked', async () => {
    const { store, open, send, written } = await messaging();
    const [ended, resumed, revoked] = [await open('ss_a'), await open('ss_b'), await open('ss_c', 'revoked')];
    await store.sessions.revoke('ss_a');
    await store.sessions.resume('ss_b', 'next', 'gw_b');
    await store.sessions.revokeTokens('revoked', Math.ceil(Date.now() / 1000) + 1);
    await expect(send(ended.session, 'room:rm_a')).rejects.toEqual(refused('SESSION_EXPIRED'));
    await expect(send(resumed.session, 'room:rm_a')).rejects.toEqual(refused('SESSION_EXPIRED'));
    await expect(send(revoked.session, 'room:rm_a')).rejects.toEqual(refused('TOKEN_REVOKED'));
    expect(await written()).toEqual([]);
  });

  test('are refused when the claim, the grant or the connection ends while the room is asked', async () => {
    const { store, open, send, written } = await messaging();
    const { session, websocket } = await open('ss_a');
    const { identity } = session;
    const changes: [code: string, change: () => void][] = [
      ['NOT_IN_ROOM', () => (session.identity = { ...identity, bridge: [] })],
      ['FORBIDDEN', () => (session.identity = { ...identity, grants: [] })],
      ['SESSION_EXPIRED', () => (websocket.readyState = 2)],
    ];
    for (const [code, change] of changes) {
      session.identity = identity;
      vi.spyOn(store.rooms, 'requireBridge').mockImplementationOnce(async () => (change(), 1));
      await expect(send(session, 'room:rm_a')).rejects.toEqual(refused(code));
    }
    expect(await written()).toEqual([]);
  });
});

describe('a message whose numbers are larger when they are written in full', () => {
  test('is refused above the limit of bytes, to a room, a user and everybody, and not kept', async () => {
    const { store, open, send, written, writtenToAll } = await messaging();
    const { session } = await open('ss_a');
    session.rooms.set('rm_a', { roomId: 'rm_a', participantId: 'pt_a', nodeId: 'nd_a' });
    const data = JSON.parse(`[${'1e20,'.repeat(3000)}0]`) as unknown;
    const before = await writtenToAll();
    for (const to of ['room:rm_a', 'user:u', '*'] as const)
      await expect(send(session, to, data)).rejects.toEqual(refused('MESSAGE_TOO_BIG'));
    expect(await written()).toEqual([]);
    expect(await writtenToAll()).toEqual(before);
    expect(await store.sessions.messagesToUser('u', '0-0')).toMatchObject({ entries: [] });
    await send(session, 'user:u', 'x'.repeat(maxBytes - 2));
  });
});

describe('messages to users', () => {
  const large = 'x'.repeat(10_000);

  test('are limited for all sessions of their sender together, and for all senders of their receiver', async () => {
    const { open, send } = await messaging();
    for (const user of ['ada', 'bob', 'cleo', 'dan', 'fay', 'gil']) await open(`ss_${user}`, user);
    const [one, other] = [(await open('ss_1', 'eve')).session, (await open('ss_2', 'eve')).session];
    const burst = Math.floor((userRate * 3) / 10_000);
    const receivers = ['ada', 'bob', 'cleo', 'dan', 'fay', 'gil'];
    let next = 0;
    expect(await acceptedOf(() => send(next % 2 ? one : other, `user:${receivers[next++ % 6]}`, large))).toBe(burst);
    const senders = await Promise.all(Array.from({ length: 6 }, (_, index) => open(`ss_s${index}`, `sender-${index}`)));
    next = 0;
    const toAda = () => send(senders[next++ % 6]!.session, 'user:gil', large);
    expect(await acceptedOf(toAda)).toBeLessThan(burst);
  });

  test('that are refused for the rate are neither kept nor sent', async () => {
    const { store, open, send } = await messaging();
    const { session } = await open('ss_eve', 'eve');
    await open('ss_ada', 'ada');
    const accepted = await acceptedOf(() => send(session, 'user:ada', large));
    const { entries } = await store.sessions.messagesToUser('ada', '0-0');
    expect(entries).toHaveLength(accepted);
  });

  test('to everybody are limited by the sessions of the fleet, whichever gateway they are at', async () => {
    const ofMany = async (sessions: number) => {
      const { store, open, send } = await messaging();
      vi.spyOn(store.sessions, 'count').mockResolvedValue(sessions);
      const senders = await Promise.all(
        Array.from({ length: 40 }, (_, index) => open(`ss_${index}`, `sender-${index}`)),
      );
      let next = 0;
      // Each sends once, so that no rate of a sender is used up.
      return acceptedOf(async () => {
        const sender = senders[next++];
        if (!sender) throw new FlotillaError('RATE_LIMITED');
        await send(sender.session, '*');
      });
    };
    expect(await ofMany(40)).toBe(40);
    expect(await ofMany(10_000)).toBeLessThan(6);
  });
});

test('a message to everybody is refused when its sender loses the grant while the sessions of the fleet are counted', async () => {
  const { store, open, send, writtenToAll } = await messaging();
  const { session } = await open('ss_a');
  const before = await writtenToAll();
  vi.spyOn(store.sessions, 'count').mockImplementation(async () => {
    session.identity = { ...session.identity, grants: ['data'] };
    return 1;
  });
  await expect(send(session, '*')).rejects.toEqual(refused('FORBIDDEN'));
  expect(await writtenToAll()).toEqual(before);
});

describe('the number of sessions of the fleet', () => {
  test('is read once in five seconds, again after a failure, and is at least that of this gateway', async () => {
    let [reads, fails] = [0, true];
    const count = async () => {
      reads++;
      if (fails) throw new FlotillaError('UNAVAILABLE');
      return 3;
    };
    const sessions = new FleetSessions({ count }, { size: 2 });
    await expect(sessions.count(0)).rejects.toEqual(refused('UNAVAILABLE'));
    fails = false;
    for (let at = 0; at < 5000; at += 1000) expect(await sessions.count(at)).toBe(3);
    expect(reads).toBe(2);
    await sessions.count(5000);
    expect(reads).toBe(3);
    expect(await new FleetSessions({ count }, { size: 7 }).count(0)).toBe(7);
  });
});

describe('changes of a room', () => {
  const changing = (participants = 3) => {
    const changes = new RoomChanges(new RoomEvents(16_384), { of: () => participants } as never);
    const { session } = recordingSession('ss_a', () => undefined, ['publish']);
    session.identity = { ...session.identity, room: 'rm_a' };
    session.rooms.set('rm_a', { roomId: 'rm_a', participantId: 'pt_a', nodeId: 'nd_a' });
    const fail = (type: 'join' | 'publish' | 'mute', code: ErrorCode) =>
      changes.run(type, { session, roomId: 'rm_a' }, async () => {
        throw new FlotillaError(code);
      });
    const succeed = () => changes.run('publish', { session, roomId: 'rm_a' }, async () => ({}));
    return { fail, succeed };
  };

  test.each([
    ['publish', 'UNAVAILABLE'],
    ['publish', 'NODE_UNAVAILABLE'],
    ['mute', 'UNAVAILABLE'],
    ['mute', 'NODE_UNAVAILABLE'],
    ['join', 'ROOM_FULL'],
    ['join', 'NO_CAPACITY'],
  ] as const)('by a %s that is refused with %s and repeated are never limited', async (type, code) => {
    const { fail, succeed } = changing(3000);
    const repeated = async () => {
      for (let attempt = 0; attempt < 200; attempt++) await expect(fail(type, code)).rejects.toEqual(refused(code));
    };
    await repeated();
    // Neither where the session has used up what it has for itself.
    for (let sent = 0; sent < 30; sent++) await succeed();
    await repeated();
    await succeed();
  });

  test('by a join that fails at its node are limited: its member was in the room', async () => {
    const { fail } = changing(3000);
    const limited = async () => {
      for (let attempt = 0; attempt < 100; attempt++)
        await expect(fail('join', 'NODE_UNAVAILABLE')).rejects.toEqual(refused('NODE_UNAVAILABLE'));
    };
    await expect(limited()).rejects.toThrow();
  });

  test('by others than its participants, or without a claim to join it, take nothing of its rate', async () => {
    const events = new RoomEvents(roomRate);
    const take = vi.spyOn(events, 'take');
    const changes = new RoomChanges(events, { of: () => 3 } as never);
    const { session } = recordingSession('ss_a', () => undefined, ['publish']);
    const run = (type: 'join' | 'mute') => changes.run(type, { session, roomId: 'rm_a' }, async () => ({}));
    await expect(run('mute')).rejects.toEqual(refused('NOT_IN_ROOM'));
    await run('join');
    expect(take).not.toHaveBeenCalled();
    session.identity = { ...session.identity, room: 'rm_a' };
    await run('join');
    expect(take).toHaveBeenCalledWith('rm_a', 'join', 3, session);
  });
});
