import { appendRoomEvent } from '@flotilla/bus';
import { memoryBackplane } from '@flotilla/backplane';
import { FlotillaError, participantIdOf } from '@flotilla/contracts';
import { newcomer, nodeReport, notYet, participantClaims, roomRecord, waitFor } from '@flotilla/testkit';
import { describe, expect, test } from 'vitest';
import type { Received } from '../src/requests/request-handler.ts';
import { RoomRequests } from '../src/requests/room-requests.ts';
import { Memberships } from '../src/rooms/memberships.ts';
import { RoomStreams } from '../src/rooms/room-streams.ts';
import { log } from './gateway-harness.ts';
import { recordingSession } from './recording-session.ts';

const address = 'room:rm_a';

/** A room with three messages, which `ss_a` joined after the second, and a connection that resumes `ss_a`. */
async function resumingSession() {
  const backplane = memoryBackplane(log);
  const { store, events, bus } = backplane;
  const append = (data: number) =>
    appendRoomEvent(events, 'rm_a', { type: 'message', from: 'pt_x', payload: { data } });
  await store.nodes.report(nodeReport('nd_a'));
  await store.rooms.create(roomRecord('a'));
  await store.sessions.open({ id: 'ss_a', userId: 'u', gatewayId: 'gw_a', ...participantClaims() }, 'first');
  const beforeJoin = await append(1);
  await append(2);
  const { offset: joinedAt } = await store.rooms.join(newcomer('rm_a', 'ss_a'));
  await append(3);
  await store.sessions.resume('first', 'next', 'gw_b');
  const sent: unknown[] = [];
  const { session } = recordingSession('ss_a', (text) => sent.push(JSON.parse(text)), [], {
    resumeHash: 'next',
    resumption: { rooms: ['rm_a'], usedHash: 'first' },
  });
  const streams = new RoomStreams(events);
  const memberships = new Memberships(bus, store.rooms, streams, 16, log);
  const messages = { catchUp: async () => [] };
  const requests = new RoomRequests(backplane, memberships, streams, messages as never, {} as never, log);
  const resume = (offsets: Record<string, string>) =>
    requests.resume({ session, payload: { offsets } } as unknown as Received<'resume'>);
  const leave = () => requests.leave({ session, roomId: 'rm_a' } as Received<'leave'>);
  const join = () => requests.join({ session, payload: { room: 'rm_a' } } as unknown as Received<'join'>);
  return { store, events, streams, session, sent, append, resume, leave, join, beforeJoin, joinedAt };
}

describe('a resumed room', () => {
  test('is sent from the offset that the client names when it is after the join', async () => {
    const { resume, sent, joinedAt } = await resumingSession();
    const { payload, afterwards } = await resume({ [address]: joinedAt });
    expect(payload.rooms).toEqual([{ roomId: 'rm_a', participantId: 'pt_a', resumed: true }]);
    afterwards();
    await waitFor('an event', () => sent.length > 0 || notYet('none came'), { everyMs: 1 });
    expect(sent).toMatchObject([{ payload: { data: 3 } }]);
  });

  test.each(['0-0', 'a message before the join'])('is a snapshot when the client names %s', async (offset) => {
    const { resume, append, sent, beforeJoin } = await resumingSession();
    const { payload, afterwards } = await resume({ [address]: offset === '0-0' ? offset : beforeJoin });
    expect(payload.rooms).toMatchObject([{ roomId: 'rm_a', resumed: false, snapshot: { room: { id: 'rm_a' } } }]);
    afterwards();
    await append(4);
    await waitFor('an event', () => sent.length > 0 || notYet('none came'), { everyMs: 1 });
    expect(sent).toMatchObject([{ payload: { data: 4 } }]);
  });

  test('that was deleted meanwhile is left out, and requests about it are refused', async () => {
    const { resume, leave, store, events, session } = await resumingSession();
    const readAfter = events.readAfter.bind(events);
    events.readAfter = async (...which) => {
      const entries = await readAfter(...which);
      await store.rooms.delete('rm_a');
      return entries;
    };
    expect((await resume({ [address]: '0-0' })).payload.rooms).toEqual([]);
    expect(session.rooms.size).toBe(0);
    await expect(leave()).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
  });

  test('is not attached when the session leaves it while it is resumed', async () => {
    const { resume, leave, streams, store, session, joinedAt } = await resumingSession();
    const { rooms } = store;
    const storeLeave = rooms.leave.bind(rooms);
    const gate = Promise.withResolvers<void>();
    rooms.leave = (...who) => gate.promise.then(() => storeLeave(...who));
    const { afterwards } = await resume({ [address]: joinedAt });
    const leaving = leave();
    afterwards();
    expect(streams.size).toBe(1);
    gate.resolve();
    await leaving;
    expect(streams.size).toBe(0);
    expect(session.rooms.size).toBe(0);
  });

  test('is not attached to the membership that the session had before it left and joined again', async () => {
    const { resume, leave, join, streams, session, sent, joinedAt } = await resumingSession();
    const { afterwards } = await resume({ [address]: joinedAt });
    await leave();
    const joined = await join();
    afterwards();
    expect(streams.size).toBe(0);
    joined.afterwards();
    expect(streams.size).toBe(1);
    expect(session.rooms.size).toBe(1);
    expect(sent).toEqual([]);
  });

  test('is detached when the leave that was answered with an error was carried out', async () => {
    const { resume, leave, streams, store, session, joinedAt } = await resumingSession();
    const { rooms } = store;
    const storeLeave = rooms.leave.bind(rooms);
    rooms.leave = async (...who) => {
      await storeLeave(...who);
      throw new FlotillaError('UNAVAILABLE');
    };
    (await resume({ [address]: joinedAt })).afterwards();
    await expect(leave()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await waitFor('the detachment', () => streams.size === 0 || notYet('it is attached'), { everyMs: 1 });
    expect(session.rooms.size).toBe(0);
  });

  test('cannot be joined before it is resumed', async () => {
    const { resume, join } = await resumingSession();
    await expect(join()).rejects.toMatchObject({ code: 'ALREADY_IN_ROOM' });
    await resume({});
    await expect(join()).rejects.toMatchObject({ code: 'ALREADY_IN_ROOM' });
  });

  test('is not there for a connection that resumes no session, or has resumed it already', async () => {
    const { resume, session } = await resumingSession();
    await resume({});
    await expect(resume({})).rejects.toMatchObject({ code: 'WRONG_STATE' });
    expect(session.rooms.size).toBe(1);
    const { session: fresh } = recordingSession('ss_b', () => undefined);
    const requests = new RoomRequests({} as never, {} as never, {} as never, {} as never, {} as never, log);
    const request = { session: fresh, payload: { offsets: {} } } as unknown as Received<'resume'>;
    await expect(requests.resume(request)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });

  test('can be resumed again when the store did not answer', async () => {
    const { resume, store } = await resumingSession();
    const { rooms } = store;
    const member = rooms.member.bind(rooms);
    rooms.member = async () => {
      rooms.member = member;
      throw new FlotillaError('UNAVAILABLE');
    };
    await expect(resume({})).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect((await resume({})).payload.rooms).toMatchObject([{ participantId: participantIdOf('ss_a') }]);
  });
});
