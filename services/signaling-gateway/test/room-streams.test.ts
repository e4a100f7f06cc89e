import { appendNextRoomEvent, appendRoomEvent, type EventLog, MemoryEventLog } from '@flotilla/bus';
import { compareOffsets } from '@flotilla/contracts';
import { notYet, waitFor } from '@flotilla/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RoomStreams } from '../src/rooms/room-streams.ts';
import { recordingSession } from './recording-session.ts';

/** A session that remembers what it heard. */
function listener(id: string) {
  const sent: { seq: string; payload: { data: number } }[] = [];
  return { sent, ...recordingSession(id, (text) => sent.push(JSON.parse(text) as (typeof sent)[number])) };
}

const say = (events: EventLog, data: number, only?: string[]) =>
  appendRoomEvent(events, 'rm_a', { type: 'message', from: 'pt_x', payload: { data }, only });
const numbers = (sent: { payload: { data: number } }[]) => sent.map(({ payload }) => payload.data);
const until = (sent: unknown[], count: number) =>
  waitFor(`${count} events`, () => sent.length >= count || notYet(`${sent.length} came`), { everyMs: 1 });

describe('the feed of a room', () => {
  test('gives each listener every event after its own offset once, in order, whenever it comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 20 }),
        async (starts, count) => {
          const events = new MemoryEventLog();
          const feeds = new RoomStreams(events, () => undefined);
          const offsets = ['0-0'];
          const listeners = starts.map((start, index) => ({
            start: Math.min(start, count),
            ...listener(`ss_${index}`),
          }));
          for (let number = 1; number <= count; number++) {
            offsets.push(await say(events, number));
            // Some attach late, at an offset that is long past.
            for (const each of listeners)
              if (each.start === number - 1) await feeds.attach('rm_a', each.session, offsets[each.start]!);
          }
          for (const each of listeners)
            if (each.start === count) await feeds.attach('rm_a', each.session, offsets[each.start]!);
          await say(events, count + 1);
          for (const { start, sent } of listeners) {
            const wanted = Array.from({ length: count + 1 - start }, (_, index) => start + 1 + index);
            await until(sent, wanted.length);
            expect(numbers(sent)).toEqual(wanted);
          }
          feeds.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('whatever is offered, and whoever else writes meanwhile: every event once, in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }), async (offered) => {
        const events = new MemoryEventLog();
        const feeds = new RoomStreams(events, () => undefined);
        const { session, sent } = listener('ss_a');
        await feeds.attach('rm_a', session, '0-0');
        await Promise.all(
          offered.map(async (here, data) => {
            if (!here) {
              await say(events, data);
              return;
            }
            const event = { type: 'message', from: 'pt_x', payload: { data } } as const;
            const { offset, previous } = await appendNextRoomEvent(events, 'rm_a', event);
            feeds.deliverOwn('rm_a', previous, { offset, event });
          }),
        );
        await until(sent, offered.length);
        expect(numbers(sent)).toEqual(offered.map((_, data) => data));
        const seqs = sent.map(({ seq }) => seq);
        expect(seqs.toSorted(compareOffsets)).toEqual(seqs);
        feeds.close();
      }),
      { numRuns: 200 },
    );
  });

  test('tells an event that is for some to those only', async () => {
    const events = new MemoryEventLog();
    const feeds = new RoomStreams(events, () => undefined);
    const [a, b] = [listener('ss_a'), listener('ss_b')];
    await feeds.attach('rm_a', a.session, '0-0');
    await feeds.attach('rm_a', b.session, '0-0');
    await say(events, 1, ['ss_b']);
    await say(events, 2);
    await Promise.all([until(a.sent, 1), until(b.sent, 2)]);
    expect(numbers(a.sent)).toEqual([2]);
    expect(numbers(b.sent)).toEqual([1, 2]);
  });

  test('does not attach a listener whose events are gone', async () => {
    const events = new MemoryEventLog();
    const feeds = new RoomStreams(events, () => undefined);
    const ahead = listener('ss_ahead');
    const offset = await say(events, 1);
    await feeds.attach('rm_a', ahead.session, offset);
    const late = listener('ss_late');
    expect(await feeds.attach('rm_a', late.session, '1-1')).toBe(false);
    await say(events, 2);
    await until(ahead.sent, 1);
    expect(late.sent).toEqual([]);
  });

  test('is closed with its last listener', async () => {
    const feeds = new RoomStreams(new MemoryEventLog(), () => undefined);
    const { session } = listener('ss_a');
    await feeds.attach('rm_a', session, '0-0');
    expect(feeds.size).toBe(1);
    feeds.detach('rm_a', session);
    expect(feeds.size).toBe(0);
  });
});
