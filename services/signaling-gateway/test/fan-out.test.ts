import { TokenBucket } from '@flotilla/runtime';
import { describe, expect, test } from 'vitest';
import { fanOutBytes } from '../src/limits/fan-out.ts';
import { RoomBytes } from '../src/limits/room-bytes.ts';
import { type CausingSession, ownEventBurst, RoomEvents } from '../src/limits/room-events.ts';
import { UserBytes, type UserMessage } from '../src/limits/user-bytes.ts';
import { RoomSizes } from '../src/rooms/room-sizes.ts';

const limited = expect.objectContaining({ code: 'RATE_LIMITED' });
const second = 1000;

describe('what a message takes of a rate', () => {
  test('has its envelope, and does not depend on its receivers up to 128', () => {
    expect(fanOutBytes(100, 1)).toBe(228);
    expect(fanOutBytes(100, 128)).toBe(228);
    expect(fanOutBytes(100, 1280)).toBe(2280);
  });
});

describe('the bytes of messages into a room', () => {
  test('are limited for all its senders together, and not for other rooms', () => {
    const bytes = new RoomBytes(1000);
    const send = (room: string, at: number) => () => bytes.take(room, 500, undefined, at);
    for (let index = 0; index < 4; index++) send('rm_a', 0)();
    expect(send('rm_a', 0)).toThrow(limited);
    expect(send('rm_b', 0)).not.toThrow();
    expect(send('rm_a', 500)).not.toThrow();
  });

  test('of a member that sends little are taken when those of others are refused, for as long as it sends little', () => {
    const bytes = new RoomBytes(64_000);
    const [loud, quiet] = [{}, {}];
    const send = (member: object, count: number) => () => bytes.take('rm_a', count, member, 0);
    const most = 64_000 * 3 * 0.75;
    for (let sent = 0; sent < most; sent += 16_000) send(loud, 16_000)();
    expect(send(loud, 16_000)).toThrow(limited);
    for (let sent = 0; sent < 3000; sent += 1000) send(quiet, 1000)();
    expect(send(quiet, 1000)).toThrow(limited);
  });

  test('of a resumed member are not taken as those of one that has sent nothing, until it sent little for a while', () => {
    const bytes = new RoomBytes(64_000);
    const send = (member: object, count: number, at: number) => () => bytes.take('rm_a', count, member, at);
    const loud = {};
    for (let sent = 0; sent < 64_000 * 3 * 0.75; sent += 16_000) send(loud, 16_000, 0)();
    expect(send({}, 1000, 0)).not.toThrow();
    expect(send({ restoredAt: 0 }, 1000, 0)).toThrow(limited);
    // By then the room has refilled, and another member takes what it may.
    for (let sent = 0; sent < 64_000 - 16_000; sent += 16_000) send(loud, 16_000, 1000)();
    expect(send({ restoredAt: 0 }, 1000, 1000)).not.toThrow();
  });

  test('of rooms that nobody writes to are forgotten', () => {
    const bytes = new RoomBytes(1000);
    for (let index = 0; index < 25_000; index++) bytes.take(`rm_${index}`, 1, undefined, 0);
    expect(bytes.tracked).toBeLessThanOrEqual(10_000);
  });

  test('above what a room ever has are taken from a full rate', () => {
    const bytes = new RoomBytes(1000);
    const send = () => bytes.take('rm_a', 1_000_000, undefined, 0);
    expect(send).not.toThrow();
    expect(send).toThrow(limited);
  });
});

describe('the bytes of messages to users', () => {
  const rate = 64_000;
  const message = (changes: Partial<UserMessage> = {}): UserMessage => {
    const bytes = changes.bytes ?? 1000;
    return { from: 'eve', to: 'ada', bytes, bytesToAll: bytes, ofAddress: undefined, ...changes };
  };
  /** Number of messages that are accepted at a time, of many. */
  const accepted = (bytes: UserBytes, sent: (index: number) => UserMessage, at = 0): number => {
    let count = 0;
    for (let index = 0; index < 1000; index++)
      try {
        bytes.take(sent(index), at);
        count++;
      } catch (error) {
        expect(error).toEqual(limited);
      }
    return count;
  };

  test('are limited for each receiver, whoever sends them', () => {
    const bytes = new UserBytes(rate);
    const sent = (index: number) => message({ from: `eve-${index % 10}`, bytes: 10_000 });
    expect(accepted(bytes, sent)).toBe(14);
    expect(accepted(bytes, sent, second)).toBe(6);
    expect(accepted(bytes, (index) => ({ ...sent(index), to: 'bob' }), second)).toBe(14);
  });

  test('are limited for each sender, whoever receives them', () => {
    const bytes = new UserBytes(rate);
    const sent = (index: number) => message({ to: `user-${index}`, bytes: 10_000 });
    expect(accepted(bytes, sent)).toBe(19);
    expect(accepted(bytes, sent, second)).toBe(6);
    expect(accepted(bytes, (index) => ({ ...sent(index), from: 'bob' }), second)).toBe(19);
  });

  test('are limited for each address, whoever sends and receives them', () => {
    const bytes = new UserBytes(rate);
    const ofAddress = new TokenBucket(rate, rate, 0);
    const sent = (index: number) => message({ from: `eve-${index}`, to: `user-${index}`, bytes: 10_000, ofAddress });
    expect(accepted(bytes, sent)).toBe(6);
  });

  test('of a sender that sends little are taken when those of others to the same receiver are refused', () => {
    const bytes = new UserBytes(rate);
    expect(accepted(bytes, (index) => message({ from: `eve-${index % 5}`, bytes: 9000 }))).toBe(16);
    expect(accepted(bytes, () => message({ from: 'quiet' }))).toBe(3);
  });

  test('to everybody take more of the rate of their receivers than of that of their sender', () => {
    const bytes = new UserBytes(rate);
    const toAll = message({ to: '*', bytesToAll: 50_000 });
    expect(accepted(bytes, () => toAll)).toBe(2);
    expect(accepted(bytes, () => message())).toBeGreaterThan(100);
  });

  test('are kept of a bounded number of users', () => {
    const bytes = new UserBytes(rate);
    for (let index = 0; index < 25_000; index++) bytes.take(message({ from: `eve-${index}`, to: `user-${index}` }), 0);
    expect(bytes.tracked).toBeLessThanOrEqual(20_000);
  });
});

describe('the events that sessions cause in a room', () => {
  const opened = (resumed = false): CausingSession => ({ ownEvents: undefined, resumed, openedAt: 0 });
  /** Number of requests of a session in a second that are accepted, of 200. */
  const accepted = (events: RoomEvents, own: CausingSession, receivers: number, at: number): number => {
    let count = 0;
    for (let index = 0; index < 200; index++)
      try {
        events.take('rm_a', 'mute', receivers, own, at);
        count++;
      } catch (error) {
        expect(error).toEqual(limited);
      }
    return count;
  };

  test('are never limited for a session in ordinary use, while others use all that the room has', () => {
    const events = new RoomEvents(262_144);
    const loud = Array.from({ length: 20 }, () => opened());
    for (const own of loud) accepted(events, own, 3000, 0);
    const ordinary = opened();
    events.take('rm_a', 'join', 3000, ordinary, 0);
    for (let publication = 0; publication < 3; publication++) events.take('rm_a', 'publish', 3000, ordinary, 0);
    for (let at = second; at < 600 * second; at += second) {
      for (const own of loud) if (at % (60 * second) === 0) accepted(events, own, 3000, at);
      expect(() => events.take('rm_a', 'mute', 3000, ordinary, at)).not.toThrow();
    }
  });

  test('are limited for a session that repeats them, the more the larger its room is', () => {
    const events = new RoomEvents(262_144);
    const own = opened();
    expect(accepted(events, own, 3, 0)).toBe(200);
    const inLarge = opened();
    const atOnce = accepted(new RoomEvents(262_144), inLarge, 3000, 0);
    expect(atOnce).toBeGreaterThan(ownEventBurst);
    expect(atOnce).toBeLessThan(ownEventBurst + 60);
  });

  test('that a session has for itself are fewer after a resume', () => {
    const used = new RoomEvents(262_144);
    accepted(used, opened(), 3000, 0);
    expect(accepted(used, opened(true), 3000, 0)).toBe(16);
  });
});

describe('the number of participants of a room', () => {
  const sizes = (participants: number, local = 2) => {
    let [reads, failing] = [0, false];
    const get = async () => {
      reads++;
      if (failing) throw new Error('the store is out of reach');
      return { participants } as never;
    };
    const known = new RoomSizes({ get }, { sizeOf: () => local });
    return { known, reads: () => reads, fail: () => (failing = true) };
  };
  const read = () => new Promise((resolve) => setImmediate(resolve));

  test('is that of this gateway until that of the fleet was read, which happens once in five seconds', async () => {
    const { known, reads } = sizes(3000);
    expect(known.of('rm_a', 0)).toBe(2);
    await read();
    for (let at = 0; at < 5 * second; at += 100) expect(known.of('rm_a', at)).toBe(3000);
    expect(reads()).toBe(1);
    known.of('rm_a', 5 * second);
    expect(reads()).toBe(2);
  });

  test('stays as it was while the store is out of reach, and is at least that of this gateway', async () => {
    const { known, fail } = sizes(3000);
    known.of('rm_a', 0);
    await read();
    fail();
    known.of('rm_a', 5 * second);
    await read();
    expect(known.of('rm_a', 6 * second)).toBe(3000);
    expect(sizes(0, 7).known.of('rm_a', 0)).toBe(7);
  });

  test('is kept for a bounded number of rooms', () => {
    const { known } = sizes(1);
    for (let index = 0; index < 25_000; index++) known.of(`rm_${index}`, 0);
    expect(known.tracked).toBe(10_000);
  });
});
