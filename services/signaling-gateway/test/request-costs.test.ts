import { requestExamples, type RequestType, signalRequests } from '@flotilla/contracts';
import { describe, expect, test } from 'vitest';
import { costOf, requestCosts } from '../src/limits/request-costs.ts';
import { RoomBytes } from '../src/limits/room-bytes.ts';

describe('the cost of a request', () => {
  test('is known for each type of request, and one message at least', () => {
    expect(Object.keys(requestCosts).toSorted()).toEqual(Object.keys(signalRequests).toSorted());
    expect(Math.min(...Object.values(requestCosts))).toBe(1);
  });

  test.each(Object.entries(requestExamples))(
    'of a typical %s is its own, and a tenth for each publication',
    (type, { payload }) => {
      const { publicationIds = [] } = payload as { publicationIds?: string[] };
      expect(costOf(type, payload, 300, 0)).toBeCloseTo(requestCosts[type as RequestType] + publicationIds.length / 10);
    },
  );

  test('of a resume grows with the rooms that it restores, that of other requests does not', () => {
    expect(costOf('resume', { offsets: {} }, 300, 16) - costOf('resume', { offsets: {} }, 300, 0)).toBe(80);
    expect(costOf('ping', {}, 300, 16)).toBe(1);
  });

  test('grows with its bytes', () => {
    expect(costOf('message', {}, 16 * 1024, 0)).toBe(17);
    expect(costOf('unknown', {}, 0, 0)).toBe(1);
  });

  test('of the largest requests is below the burst of a session, so that each can be sent', () => {
    const publicationIds = Array.from({ length: 64 }, (_, index) => `pub_${index}`);
    expect(costOf('subscribe', { publicationIds }, 65_536, 0)).toBeLessThan(300);
  });
});

describe('the bytes of messages into a room', () => {
  test('are limited for all its senders together, and not for other rooms', () => {
    const bytes = new RoomBytes(1000);
    const send = (room: string, at: number) => () => bytes.take(room, 500, undefined, at);
    for (let index = 0; index < 4; index++) send('rm_a', 0)();
    expect(send('rm_a', 0)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
    expect(send('rm_b', 0)).not.toThrow();
    expect(send('rm_a', 500)).not.toThrow();
  });

  test('of a member that sends little are taken when those of others are refused, for as long as it sends little', () => {
    const bytes = new RoomBytes(64_000);
    const [loud, quiet] = [{}, {}];
    const send = (member: object, count: number) => () => bytes.take('rm_a', count, member, 0);
    const refused = expect.objectContaining({ code: 'RATE_LIMITED' });
    const most = 64_000 * 3 * 0.75;
    for (let sent = 0; sent < most; sent += 16_000) send(loud, 16_000)();
    expect(send(loud, 16_000)).toThrow(refused);
    for (let sent = 0; sent < 3000; sent += 1000) send(quiet, 1000)();
    expect(send(quiet, 1000)).toThrow(refused);
  });

  test('of a resumed member are not taken as those of one that has sent nothing, until it sent little for a while', () => {
    const bytes = new RoomBytes(64_000);
    const send = (member: object, count: number, at: number) => () => bytes.take('rm_a', count, member, at);
    const refused = expect.objectContaining({ code: 'RATE_LIMITED' });
    const loud = {};
    for (let sent = 0; sent < 64_000 * 3 * 0.75; sent += 16_000) send(loud, 16_000, 0)();
    expect(send({}, 1000, 0)).not.toThrow();
    expect(send({ restoredAt: 0 }, 1000, 0)).toThrow(refused);
    // By then the room has refilled, and another member takes what it may.
    for (let sent = 0; sent < 64_000 - 16_000; sent += 16_000) send(loud, 16_000, 1000)();
    expect(send({ restoredAt: 0 }, 1000, 1000)).not.toThrow();
  });

  test('of rooms that nobody writes to are forgotten', () => {
    const bytes = new RoomBytes(1000);
    for (let index = 0; index < 25_000; index++) bytes.take(`rm_${index}`, 1, undefined, 0);
    expect(bytes.tracked).toBeLessThanOrEqual(10_000);
  });
});
