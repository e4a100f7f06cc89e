import { appendRoomEvent, CommandBus, MemoryCommandTransport, MemoryEventLog } from '@flotilla/bus';
import { FlotillaError, sfuQueue } from '@flotilla/contracts';
import { MemoryStore } from '@flotilla/store';
import { newcomer, nodeReport, notYet, participantClaims, roomRecord, waitFor } from '@flotilla/testkit';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Received } from '../src/requests/request-handler.ts';
import { ReplyThen } from '../src/requests/request-handler.ts';
import { RoomRequests } from '../src/requests/room-requests.ts';
import { Memberships } from '../src/rooms/memberships.ts';
import { MetadataLinks } from '../src/rooms/metadata-links.ts';
import { RoomStreams } from '../src/rooms/room-streams.ts';
import { log } from './gateway-harness.ts';
import { recordingSession } from './recording-session.ts';

const membership = { roomId: 'rm_a', participantId: 'pt_a', nodeId: 'nd_a' };

/** A bus whose calls this answers, with retries and without breakers. */
const busOf = (call: (...args: never[]) => unknown) =>
  ({ call, mayRetry: () => true, refusedInstances: () => [] }) as never;

/** A session in the room `rm_a`, with what it was sent. */
function member() {
  const sent: number[] = [];
  const recording = recordingSession('ss_a', (text) =>
    sent.push((JSON.parse(text) as { payload: { data: number } }).payload.data),
  );
  recording.session.rooms.set('rm_a', membership);
  return { sent, ...recording };
}

function roomRequests(memberships: object) {
  const events = new MemoryEventLog();
  const streams = new RoomStreams(events);
  const requests = new RoomRequests({} as never, memberships as never, streams, {} as never, {} as never, log);
  const append = (data: number) =>
    appendRoomEvent(events, 'rm_a', { type: 'message', from: 'pt_x', payload: { data } });
  return { streams, requests, append };
}

describe('room requests', () => {
  test('a leave that fails keeps the session attached, and it misses no event', async () => {
    const failing = Promise.withResolvers<void>();
    const { streams, requests, append } = roomRequests({ leave: () => failing.promise });
    const { session, sent } = member();
    await streams.attach('rm_a', session, '0-0');
    const leaving = requests.leave({ session, roomId: 'rm_a' } as Received<'leave'>);
    await append(1);
    failing.reject(new FlotillaError('UNAVAILABLE'));
    await expect(leaving).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await append(2);
    await waitFor('both events', () => sent.length === 2 || notYet(`${sent.length} came`), { everyMs: 1 });
    expect(sent).toEqual([1, 2]);
    streams.close();
  });

  test('a session that closed while it joined is not attached to the stream of the room', async () => {
    const reply = { snapshot: { room: { id: 'rm_a' }, offset: '0-0' } };
    const { streams, requests } = roomRequests({ join: async () => reply });
    const { session } = member();
    const result = await requests.join({ session, payload: {} } as Received<'join'>);
    session.close('TOKEN_EXPIRED', 'test');
    (result as ReplyThen<unknown>).afterwards();
    expect(streams.size).toBe(0);
  });
});

describe('memberships', () => {
  const streams = new RoomStreams(new MemoryEventLog());
  const media = { rtpCapabilities: {}, subscribe: true };
  const joined = {
    member: { id: 'pt_a', nodeId: 'nd_a', grants: ['publish'] },
    room: { id: 'rm_a' },
    mediaMode: 'sfu',
    members: [],
    publications: [],
    offset: '0-0',
  };

  test('a join that fails after its connection was replaced does not take the resumed session out of the room', async () => {
    const { session } = recordingSession('ss_a', () => undefined);
    const leave = vi.fn();
    const call = async (): Promise<never> => {
      session.state = 'closed';
      throw new FlotillaError('NODE_UNAVAILABLE');
    };
    const rooms = { join: async () => joined, leave, reassign: async () => ({ nodeId: 'nd_b' }) };
    const memberships = new Memberships(busOf(call), rooms as never, streams, 16, log);
    await expect(memberships.join(session, { room: 'rm_a', ...media })).rejects.toThrow();
    expect(leave).not.toHaveBeenCalled();
  });

  test('a join that the store does not answer is rolled back once the store is reachable', async () => {
    const { session } = recordingSession('ss_a', () => undefined);
    const unavailable = async (): Promise<never> => {
      throw new FlotillaError('UNAVAILABLE');
    };
    const leave = vi
      .fn(async () => true)
      .mockImplementationOnce(unavailable)
      .mockImplementationOnce(unavailable);
    const memberships = new Memberships({} as never, { join: unavailable, leave } as never, streams, 16, log);
    await expect(memberships.join(session, { room: 'rm_a', ...media })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(leave.mock.calls).not.toEqual([]);
    await waitFor('the roll-back', () => session.rollbacks.size === 0 || notYet('it is retried'), { everyMs: 5 });
    expect(leave.mock.calls).toEqual(Array.from({ length: 3 }, () => ['rm_a', 'pt_a', 'failed']));
  });

  test('a roll-back that is retried does not take the session out of a room that it joined again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { session } = recordingSession('ss_a', () => undefined);
    const unavailable = async (): Promise<never> => {
      throw new FlotillaError('UNAVAILABLE');
    };
    const leave = vi.fn(unavailable);
    const join = vi.fn(async () => joined).mockImplementationOnce(unavailable);
    const memberships = new Memberships({} as never, { join, leave } as never, streams, 16, log);
    const request = { room: 'rm_a', subscribe: true };
    await expect(memberships.join(session, request)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await memberships.join(session, request);
    const attempts = leave.mock.calls.length;
    await vi.advanceTimersByTimeAsync(200_000);
    expect(leave).toHaveBeenCalledTimes(attempts);
    expect(session.rooms.has('rm_a')).toBe(true);
  });

  test('a join that fails after the session was attached to the room detaches it', async () => {
    const { session } = recordingSession('ss_a', () => undefined);
    const call = async (): Promise<never> => {
      await streams.attach('rm_a', session, '0-0');
      throw new FlotillaError('NO_CAPACITY');
    };
    const rooms = { join: async () => joined, leave: async () => true };
    const memberships = new Memberships(busOf(call), rooms as never, streams, 16, log);
    await expect(memberships.join(session, { room: 'rm_a', ...media })).rejects.toMatchObject({ code: 'NO_CAPACITY' });
    expect(streams.size).toBe(0);
  });

  test('a connection that was replaced while it joined opens no media', async () => {
    const { session } = recordingSession('ss_a', () => undefined);
    const call = vi.fn();
    const join = async () => {
      session.state = 'closed';
      return joined;
    };
    const memberships = new Memberships(busOf(call), { join } as never, streams, 16, log);
    await expect(memberships.join(session, { room: 'rm_a', ...media })).rejects.toMatchObject({
      code: 'SESSION_EXPIRED',
    });
    expect(call).not.toHaveBeenCalled();
  });
});

describe('the media of a new participant', () => {
  const joined = {
    member: { id: 'pt_a', nodeId: 'nd_a', grants: ['publish'] },
    room: { id: 'rm_a' },
    mediaMode: 'sfu',
    members: [],
    publications: [],
    offset: '0-0',
  };
  const media = { rtpCapabilities: {}, subscribe: true };
  const transport = {
    id: 't',
    iceParameters: { usernameFragment: 'u', password: 'p' },
    iceCandidates: [],
    dtlsParameters: { fingerprints: [{ algorithm: 'sha-256', value: Array(32).fill('AB').join(':') }] },
  };
  const openedOn = (nodeId: string) => ({ nodeId, send: transport, recv: transport, subscriptions: [] });

  test('is opened on another node at once while calls to the assigned one are refused', async () => {
    const bus = new CommandBus(new MemoryCommandTransport(), log, { lastingMs: 0 });
    const asked: string[] = [];
    for (const id of ['nd_a', 'nd_b', 'nd_c'])
      await bus.serve(sfuQueue(id), 'exclusive', {
        'sfu.open_session': async () => {
          asked.push(id);
          return openedOn(id) as never;
        },
        'sfu.ping': () => new Promise<never>(() => undefined),
      });
    for (const id of ['nd_a', 'nd_b'])
      for (let call = 0; call < 5; call++)
        await bus.call(sfuQueue(id), 'sfu.ping', {}, { timeoutMs: 1 }).catch(() => undefined);
    const reassign = vi.fn(async () => ({ nodeId: 'nd_c' }));
    const rooms = { join: async () => joined, reassign };
    const streams = new RoomStreams(new MemoryEventLog());
    const { session } = recordingSession('ss_a', () => undefined);
    const reply = await new Memberships(bus, rooms as never, streams, 16, log).join(session, { room: 'a', ...media });
    expect(reply.media).toMatchObject({ nodeId: 'nd_c' });
    expect(asked).toEqual(['nd_c']);
    expect(reassign).toHaveBeenCalledWith(expect.anything(), 'pt_a', ['nd_a', 'nd_a', 'nd_b']);
    await bus.close();
  });

  test('is opened on no third node after timeouts when the budget of retries is used up', async () => {
    const bus = new CommandBus(new MemoryCommandTransport(), log);
    while (bus.mayRetry(sfuQueue('nd_a'))) continue;
    const call = vi.spyOn(bus, 'call').mockRejectedValue(new FlotillaError('DEADLINE_EXCEEDED'));
    const rooms = { join: async () => joined, reassign: vi.fn(), leave: async () => true };
    const streams = new RoomStreams(new MemoryEventLog());
    const { session } = recordingSession('ss_a', () => undefined);
    const joining = new Memberships(bus, rooms as never, streams, 16, log).join(session, { room: 'a', ...media });
    await expect(joining).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(call).toHaveBeenCalledTimes(1);
    expect(rooms.reassign).not.toHaveBeenCalled();
    await bus.close();
  });
});

describe('metadata links', () => {
  test('a participant that is removed while its link is opened gets NOT_IN_ROOM, and the link is closed', async () => {
    const { session } = member();
    const call = vi.fn(async (_queue: string, command: string) => {
      if (command === 'relay.connect') session.rooms.delete('rm_a');
      return {};
    });
    const links = new MetadataLinks(busOf(call), { relays: { assign: async () => 'rl_a' }, rooms: {} } as never, log);
    const connecting = links.connect(session, membership, { dtlsParameters: {} as never });
    await expect(connecting).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
    expect(call.mock.calls.map(([, command]) => command)).toEqual(['relay.connect', 'relay.disconnect']);
  });

  test('after a relay did not answer, the next one is not asked for a participant that was removed', async () => {
    const { session } = member();
    const call = vi.fn(async () => {
      session.rooms.delete('rm_a');
      throw new FlotillaError('NODE_UNAVAILABLE');
    });
    const links = new MetadataLinks(busOf(call), { relays: { assign: async () => 'rl_a' }, rooms: {} } as never, log);
    const connecting = links.connect(session, membership, { dtlsParameters: {} as never });
    await expect(connecting).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
    expect(call).toHaveBeenCalledTimes(1);
  });

  test('a client leaves out the relay of its last link, also after a resume, and chooses no other', async () => {
    const store = new MemoryStore(new MemoryEventLog(), Date.now);
    for (const [id, links] of [
      ['rl_a', 0],
      ['rl_b', 1],
      ['rl_c', 2],
    ] as const)
      await store.relays.report({ id, links, startedAt: 1, state: 'active', capacity: 10, rooms: 0 });
    await store.nodes.report(nodeReport('nd_a'));
    await store.rooms.create(roomRecord('a'));
    await store.sessions.open({ id: 'ss_a', userId: 'u', gatewayId: 'gw_a', ...participantClaims() }, 'first');
    const { member: joined } = await store.rooms.join(newcomer('rm_a', 'ss_a'));
    const call = async (queue: string) => ({ relayId: queue.slice(queue.indexOf('rl_')) });
    const inRoom = { ...membership, participantId: joined.id };
    /** A gateway and its connection of the session, which the first one opens and others resume. */
    const connection = () => {
      const links = new MetadataLinks(busOf(call), store, log);
      const { session } = member();
      return async (exceptRelay?: string) =>
        (await links.connect(session, inRoom, { dtlsParameters: {} as never, exceptRelay })).relayId;
    };
    const connect = connection();
    expect(await connect()).toBe('rl_a');
    expect(await connect('rl_c')).toBe('rl_a');
    expect(await connect('rl_a')).toBe('rl_b');
    expect(await connect('rl_b')).toBe('rl_a');
    expect(await connect('rl_b')).toBe('rl_a');
    const resumed = connection();
    expect(await resumed('rl_a')).toBe('rl_b');
    expect(await resumed('rl_a')).toBe('rl_a');
  });

  test('a link is closed when the participant left the room while its relay was kept', async () => {
    const store = new MemoryStore(new MemoryEventLog(), Date.now);
    await store.relays.report({ id: 'rl_a', links: 0, startedAt: 1, state: 'active', capacity: 10, rooms: 0 });
    const { session } = member();
    const call = vi.fn(async (_queue: string, _command: string) => ({}));
    const links = new MetadataLinks(busOf(call), store, log);
    const connecting = links.connect(session, membership, { dtlsParameters: {} as never });
    await expect(connecting).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
    expect(call.mock.calls.map(([, command]) => command)).toEqual(['relay.connect', 'relay.disconnect']);
  });
});
