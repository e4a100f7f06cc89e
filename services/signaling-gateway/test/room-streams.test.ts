import { appendNextRoomEvent, appendRoomEvent, type EventLog, MemoryEventLog } from '@flotilla/bus';
import { closeCodes, compareOffsets, type LeaveReason, participantIdOf, type RoomEvent } from '@flotilla/contracts';
import { notYet, waitFor } from '@flotilla/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { maxBacklogBytes } from '../src/delivery/backlog.ts';
import { textFrame } from '../src/delivery/websocket-frames.ts';
import { RoomStreams } from '../src/rooms/room-streams.ts';
import type { Session } from '../src/sessions/session.ts';
import { recordingSession } from './recording-session.ts';

/** A session that records the events it is sent. */
function recorder(id: string) {
  const sent: { seq: string; payload: { data: number } }[] = [];
  return { sent, ...recordingSession(id, (text) => sent.push(JSON.parse(text) as (typeof sent)[number])) };
}

const append = (events: EventLog, data: number, only?: string[]) =>
  appendRoomEvent(events, 'rm_a', { type: 'message', from: 'pt_x', payload: { data }, only });
const numbers = (sent: { payload: { data: number } }[]) => sent.map(({ payload }) => payload.data);
const until = (sent: unknown[], count: number) =>
  waitFor(`${count} events`, () => sent.length >= count || notYet(`${sent.length} came`), { everyMs: 1 });

describe('room streams', () => {
  test('each session gets every event after its own offset once, in order, whenever it attaches', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 20 }),
        async (starts, count) => {
          const events = new MemoryEventLog();
          const streams = new RoomStreams(events);
          const offsets = ['0-0'];
          const recorders = starts.map((start, index) => ({
            start: Math.min(start, count),
            ...recorder(`ss_${index}`),
          }));
          for (let number = 1; number <= count; number++) {
            offsets.push(await append(events, number));
            // Some attach at an offset before the current one.
            for (const each of recorders)
              if (each.start === number - 1) await streams.attach('rm_a', each.session, offsets[each.start]!);
          }
          for (const each of recorders)
            if (each.start === count) await streams.attach('rm_a', each.session, offsets[each.start]!);
          await append(events, count + 1);
          for (const { start, sent } of recorders) {
            const expected = Array.from({ length: count + 1 - start }, (_, index) => start + 1 + index);
            await until(sent, expected.length);
            expect(numbers(sent)).toEqual(expected);
          }
          streams.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('events delivered directly and events of other gateways arrive once, in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }), async (own) => {
        const events = new MemoryEventLog();
        const streams = new RoomStreams(events);
        const { session, sent } = recorder('ss_a');
        await streams.attach('rm_a', session, '0-0');
        await Promise.all(
          own.map(async (isOwn, data) => {
            if (!isOwn) {
              await append(events, data);
              return;
            }
            const event = { type: 'message', from: 'pt_x', payload: { data } } as const;
            const { offset, previous } = await appendNextRoomEvent(events, 'rm_a', event);
            streams.deliverOwn('rm_a', previous, { offset, event });
          }),
        );
        await until(sent, own.length);
        expect(numbers(sent)).toEqual(own.map((_, data) => data));
        const seqs = sent.map(({ seq }) => seq);
        expect(seqs.toSorted(compareOffsets)).toEqual(seqs);
        streams.close();
      }),
      { numRuns: 200 },
    );
  });

  test('an event addressed to some sessions is sent to those only', async () => {
    const events = new MemoryEventLog();
    const streams = new RoomStreams(events);
    const [a, b] = [recorder('ss_a'), recorder('ss_b')];
    await streams.attach('rm_a', a.session, '0-0');
    await streams.attach('rm_a', b.session, '0-0');
    await append(events, 1, ['ss_b']);
    await append(events, 2);
    await Promise.all([until(a.sent, 1), until(b.sent, 2)]);
    expect(numbers(a.sent)).toEqual([2]);
    expect(numbers(b.sent)).toEqual([1, 2]);
  });

  test('a session whose missed events were trimmed is not attached', async () => {
    const events = new MemoryEventLog();
    const streams = new RoomStreams(events);
    const ahead = recorder('ss_ahead');
    const offset = await append(events, 1);
    await streams.attach('rm_a', ahead.session, offset);
    const late = recorder('ss_late');
    expect(await streams.attach('rm_a', late.session, '1-1')).toBe(false);
    await append(events, 2);
    await until(ahead.sent, 1);
    expect(late.sent).toEqual([]);
  });

  test('a stream is closed with its last session', async () => {
    const streams = new RoomStreams(new MemoryEventLog());
    const { session } = recorder('ss_a');
    await streams.attach('rm_a', session, '0-0');
    expect(streams.size).toBe(1);
    streams.detach('rm_a', session);
    expect(streams.size).toBe(0);
  });

  /** The session becomes a member of the room. */
  const enter = (session: Session) =>
    session.rooms.set('rm_a', { roomId: 'rm_a', participantId: participantIdOf(session.id), nodeId: 'nd_a' });
  const leftEvent = (participantId: string, reason: LeaveReason): RoomEvent => ({
    type: 'participant_left',
    from: '*',
    payload: { participantId, reason, publicationIds: [] },
  });
  const movedEvent = (participantId: string, nodeId: string): RoomEvent => ({
    type: 'participant_moved',
    from: '*',
    payload: { participantId, nodeId },
  });

  test('a removal between the snapshot of a session and its attachment is applied to the session', async () => {
    const events = new MemoryEventLog();
    const streams = new RoomStreams(events);
    const [early, late] = [recorder('ss_early'), recorder('ss_late')];
    for (const { session } of [early, late]) enter(session);
    await streams.attach('rm_a', early.session, '0-0');
    const snapshot = await append(events, 1);
    await appendRoomEvent(events, 'rm_a', leftEvent('pt_late', 'removed'));
    await until(early.sent, 2);
    await streams.attach('rm_a', late.session, snapshot);
    expect(late.session.rooms.size).toBe(0);
    expect(early.session.rooms.size).toBe(1);
    streams.close();
  });

  test('a removal before the snapshot of a session is not applied to the session', async () => {
    const events = new MemoryEventLog();
    const streams = new RoomStreams(events);
    await appendRoomEvent(events, 'rm_a', leftEvent('pt_a', 'removed'));
    const snapshot = await append(events, 1);
    const [observer, rejoined] = [recorder('ss_observer'), recorder('ss_a')];
    enter(rejoined.session);
    await streams.attach('rm_a', observer.session, '0-0');
    await streams.attach('rm_a', rejoined.session, snapshot);
    await append(events, 2);
    await Promise.all([until(observer.sent, 3), until(rejoined.sent, 1)]);
    expect(rejoined.session.rooms.size).toBe(1);
    expect(numbers(rejoined.sent)).toEqual([2]);
    streams.close();
  });

  test.each(['left', 'removed'] as const)(
    'a session whose own participant %s is sent that event, and nothing of the room afterwards',
    async (reason) => {
      const events = new MemoryEventLog();
      const streams = new RoomStreams(events);
      const [leaver, observer] = [recorder('ss_a'), recorder('ss_b')];
      for (const { session } of [leaver, observer]) {
        enter(session);
        await streams.attach('rm_a', session, '0-0');
      }
      await appendRoomEvent(events, 'rm_a', leftEvent('pt_a', reason));
      await append(events, 1);
      await until(observer.sent, 2);
      expect(leaver.sent).toHaveLength(1);
      expect(leaver.session.rooms.size).toBe(0);
      streams.detachAll(observer.session);
      expect(streams.size).toBe(0);
    },
  );

  test('detaching a session from all streams includes those of rooms that it is no longer a member of', async () => {
    const streams = new RoomStreams(new MemoryEventLog());
    const { session } = recorder('ss_a');
    enter(session);
    await streams.attach('rm_a', session, '0-0');
    session.rooms.delete('rm_a');
    streams.detachAll(session);
    expect(streams.size).toBe(0);
  });

  test('moves that are read before the subscription delivers them are applied once, in order', async () => {
    const events = new MemoryEventLog();
    // Its subscription delivers nothing until the stream was read.
    const subscribe = events.subscribe.bind(events);
    const wasRead = Promise.withResolvers<void>();
    events.subscribe = (stream, after, onEntries, onMissed) =>
      subscribe(stream, after, (entries) => void wasRead.promise.then(() => onEntries(entries)), onMissed);
    const streams = new RoomStreams(events);
    const [ahead, behind] = [recorder('ss_ahead'), recorder('ss_behind')];
    enter(behind.session);
    const offset = await append(events, 1);
    await streams.attach('rm_a', ahead.session, offset);
    await appendRoomEvent(events, 'rm_a', movedEvent('pt_behind', 'nd_b'));
    await appendRoomEvent(events, 'rm_a', movedEvent('pt_behind', 'nd_c'));
    await streams.attach('rm_a', behind.session, '0-0');
    expect(behind.session.rooms.get('rm_a')!.nodeId).toBe('nd_c');
    wasRead.resolve();
    await until(ahead.sent, 2);
    expect(behind.sent).toHaveLength(3);
    expect(behind.session.rooms.get('rm_a')!.nodeId).toBe('nd_c');
    streams.close();
  });

  test('a move that arrives while older ones are read is applied after them', async () => {
    const events = new MemoryEventLog();
    const streams = new RoomStreams(events);
    const [ahead, behind] = [recorder('ss_ahead'), recorder('ss_behind')];
    enter(behind.session);
    await streams.attach('rm_a', ahead.session, '0-0');
    await appendRoomEvent(events, 'rm_a', movedEvent('pt_behind', 'nd_b'));
    await until(ahead.sent, 1);
    const readAfter = events.readAfter.bind(events);
    const nodes: string[] = [];
    events.readAfter = async (stream, after, limit) => {
      const entries = await readAfter(stream, after, limit);
      await appendRoomEvent(events, 'rm_a', movedEvent('pt_behind', 'nd_c'));
      await until(ahead.sent, 2);
      nodes.push(behind.session.rooms.get('rm_a')!.nodeId);
      return entries;
    };
    await streams.attach('rm_a', behind.session, '0-0');
    nodes.push(behind.session.rooms.get('rm_a')!.nodeId);
    expect(nodes).toEqual(['nd_a', 'nd_c']);
    streams.close();
  });
});

describe('an ordered delivery', () => {
  const frame = Buffer.alloc(16 * 1024);
  const offsetOf = (number: number) => `${number + 1}-0`;

  test('closes a connection for which more bytes are held than may be unsent, over all of its streams, and drops them', () => {
    const { session, closings } = recordingSession('ss_a', () => undefined, [], {
      resumption: { rooms: [], usedHash: '' },
    });
    const most = maxBacklogBytes / frame.length;
    for (let number = 0; number < most; number++)
      (number % 2 ? session.inbox : session.broadcasts).deliver({ offset: offsetOf(number), frame });
    expect(closings).toEqual([]);
    session.inbox.deliver({ offset: offsetOf(most), frame });
    expect(closings).toEqual([closeCodes.SERVICE_RESTART]);
    expect(session.heldBytes).toBe(maxBacklogBytes / 2);
    session.broadcasts.stop();
    expect(session.heldBytes).toBe(0);
  });

  test('sends what it held when it is flushed, and holds no bytes then', () => {
    const sent: string[] = [];
    const { session } = recordingSession('ss_a', (text) => sent.push(text), [], {
      resumption: { rooms: [], usedHash: '' },
    });
    for (let number = 0; number < 3; number++)
      session.inbox.deliver({ offset: offsetOf(number), frame: textFrame(String(number)) });
    expect(session.heldBytes).toBeGreaterThan(0);
    session.inbox.flush();
    expect(sent).toEqual(['0', '1', '2']);
    expect(session.heldBytes).toBe(0);
  });
});
