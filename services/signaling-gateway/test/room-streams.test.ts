import { appendNextRoomEvent, appendRoomEvent, type EventLog, MemoryEventLog } from '@flotilla/bus';
import { compareOffsets } from '@flotilla/contracts';
import { notYet, waitFor } from '@flotilla/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyRoomEvent } from '../src/rooms/room-event-effects.ts';
import { RoomStreams } from '../src/rooms/room-streams.ts';
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
          const streams = new RoomStreams(events, () => undefined);
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
        const streams = new RoomStreams(events, () => undefined);
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
    const streams = new RoomStreams(events, () => undefined);
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
    const streams = new RoomStreams(events, () => undefined);
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
    const streams = new RoomStreams(new MemoryEventLog(), () => undefined);
    const { session } = recorder('ss_a');
    await streams.attach('rm_a', session, '0-0');
    expect(streams.size).toBe(1);
    streams.detach('rm_a', session);
    expect(streams.size).toBe(0);
  });

  test('a removal between the snapshot of a session and its attachment is applied to the session', async () => {
    const events = new MemoryEventLog();
    const removed: string[] = [];
    const streams = new RoomStreams(events, (session, roomId, placed) =>
      applyRoomEvent(session, roomId, placed, ({ id }) => removed.push(id)),
    );
    const [early, late] = [recorder('ss_early'), recorder('ss_late')];
    for (const { session } of [early, late])
      session.rooms.set('rm_a', { roomId: 'rm_a', participantId: session.id.replace('ss_', 'pt_'), nodeId: 'nd_a' });
    await streams.attach('rm_a', early.session, '0-0');
    const snapshot = await append(events, 1);
    const leave = { participantId: 'pt_late', reason: 'removed', publicationIds: [] as string[] } as const;
    await appendRoomEvent(events, 'rm_a', { type: 'participant_left', from: '*', payload: leave });
    await until(early.sent, 2);
    expect(removed).toEqual([]);
    await streams.attach('rm_a', late.session, snapshot);
    expect(removed).toEqual(['ss_late']);
    streams.close();
  });

  test('a removal before the snapshot of a session is not applied to the session', async () => {
    const events = new MemoryEventLog();
    const removed: string[] = [];
    const streams = new RoomStreams(events, (session, roomId, placed) =>
      applyRoomEvent(session, roomId, placed, ({ id }) => removed.push(id)),
    );
    const leave = { participantId: 'pt_a', reason: 'removed', publicationIds: [] as string[] } as const;
    const removal = { type: 'participant_left', from: '*', payload: leave } as const;
    await appendRoomEvent(events, 'rm_a', removal);
    const snapshot = await append(events, 1);
    const [observer, rejoined] = [recorder('ss_observer'), recorder('ss_a')];
    rejoined.session.rooms.set('rm_a', { roomId: 'rm_a', participantId: 'pt_a', nodeId: 'nd_a' });
    await streams.attach('rm_a', observer.session, '0-0');
    await streams.attach('rm_a', rejoined.session, snapshot);
    await append(events, 2);
    await Promise.all([until(observer.sent, 3), until(rejoined.sent, 1)]);
    expect(removed).toEqual([]);
    expect(numbers(rejoined.sent)).toEqual([2]);
    streams.close();
  });
});
