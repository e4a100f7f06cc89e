import { describe, expect, test } from 'vitest';
import { chatTextBytes, fanOutBytes, frameOverheadBytes } from '../src/limits/fan-out.ts';
import { RoomBytes, type SendingMember } from '../src/limits/room-bytes.ts';
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
  const member = (resumed = false): SendingMember => ({ openedAt: 0, resumed });
  /** A message that takes `cost`. */
  const costing = (cost: number) => ({ bytes: cost - frameOverheadBytes, receivers: 3 });

  test('are limited for all its senders together, and not for other rooms', () => {
    const bytes = new RoomBytes(1000);
    const send = (room: string, at: number) => () => bytes.take(room, costing(500), undefined, at);
    for (let index = 0; index < 4; index++) send('rm_a', 0)();
    expect(send('rm_a', 0)).toThrow(limited);
    expect(send('rm_b', 0)).not.toThrow();
    expect(send('rm_a', 500)).not.toThrow();
  });

  test('of a member that sends little are taken when those of others are refused, for as long as it sends little', () => {
    const bytes = new RoomBytes(64_000);
    const [loud, quiet] = [member(), member()];
    const send = (from: SendingMember, cost: number) => () => bytes.take('rm_a', costing(cost), from, 0);
    const most = 64_000 * 3 * 0.75;
    for (let sent = 0; sent < most; sent += 16_000) send(loud, 16_000)();
    expect(send(loud, 16_000)).toThrow(limited);
    for (let sent = 0; sent < 3000; sent += 1000) send(quiet, 1000)();
    expect(send(quiet, 1000)).toThrow(limited);
  });

  test.each([3, 3000, 10_000])(
    'of members that send little are taken while one of them sends without a pause, in a room of %i',
    (receivers) => {
      const bytes = new RoomBytes(262_144);
      const [loud, quiet] = [member(), Array.from({ length: 20 }, () => member())];
      let refused = 0;
      for (let at = 0; at < 120 * second; at += 20) {
        try {
          bytes.take('rm_a', { bytes: receivers === 3 ? 12_000 : 150, receivers }, loud, at);
        } catch (error) {
          expect(error).toEqual(limited);
          refused++;
        }
        const text = { bytes: 400, receivers };
        if (at % (3 * second) === 0)
          expect(() => bytes.take('rm_a', text, quiet[(at / 3 / second) % 20], at)).not.toThrow();
      }
      expect(refused).toBeGreaterThan(500);
    },
  );

  test.each([3000, 10_000, 100_000])('in a room of %i are taken up to the largest text of a chat', (receivers) => {
    const bytes = new RoomBytes(262_144);
    const loud = member();
    expect(() => {
      for (;;) bytes.take('rm_a', { bytes: 100, receivers }, loud, 0);
    }).toThrow(limited);
    expect(() => bytes.take('rm_a', { bytes: chatTextBytes + 1, receivers }, member(), 0)).toThrow(limited);
    expect(() => bytes.take('rm_a', { bytes: chatTextBytes, receivers }, member(), 0)).not.toThrow();
  });

  test('of a member that sends more than its part leave a quarter to the others also in a large room', () => {
    const bytes = new RoomBytes(262_144);
    const loud = member();
    const sent = () => bytes.take('rm_a', { bytes: 100, receivers: 3000 }, loud, 0);
    expect(() => {
      for (;;) sent();
    }).toThrow(limited);
    const others = Array.from({ length: 30 }, () => member());
    for (const other of others) bytes.take('rm_a', { bytes: 100, receivers: 3000 }, other, 0);
  });

  test('of a member that leaves the room and joins again are not taken as those of one that has sent nothing', () => {
    const bytes = new RoomBytes(64_000);
    const rejoining = member();
    bytes.take('rm_a', costing(3000), rejoining, 0);
    expect(rejoining.sentBytes?.has(0, 1)).toBe(false);
    bytes.take('rm_b', costing(3000), rejoining, 0);
  });

  test('of a resumed member are not taken as those of one that has sent nothing, until it sent little for a while', () => {
    const bytes = new RoomBytes(64_000);
    const send = (from: SendingMember, cost: number, at: number) => () => bytes.take('rm_a', costing(cost), from, at);
    const loud = member();
    for (let sent = 0; sent < 64_000 * 3 * 0.75; sent += 16_000) send(loud, 16_000, 0)();
    expect(send(member(), 1000, 0)).not.toThrow();
    expect(send(member(true), 1000, 0)).toThrow(limited);
    // By then the room has refilled, and another member takes what it may.
    for (let sent = 0; sent < 64_000 - 16_000; sent += 16_000) send(loud, 16_000, 1000)();
    expect(send(member(true), 1000, 1000)).not.toThrow();
  });

  test('of rooms that nobody writes to are forgotten', () => {
    const bytes = new RoomBytes(1000);
    for (let index = 0; index < 25_000; index++) bytes.take(`rm_${index}`, costing(200), undefined, 0);
    expect(bytes.tracked).toBeLessThanOrEqual(10_000);
  });

  test('above what a room ever has are taken when little was sent, and not one after the other', () => {
    const bytes = new RoomBytes(262_144);
    const send = (at: number) => () => bytes.take('rm_a', { bytes: 16_384, receivers: 10_000 }, member(), at);
    bytes.take('rm_a', { bytes: 150, receivers: 10_000 }, member(), 0);
    expect(send(0)).not.toThrow();
    expect(send(0)).toThrow(limited);
    expect(send(2 * second)).not.toThrow();
  });
});

describe('the bytes of messages to users', () => {
  const rate = 64_000;
  /** Takes 10,000. */
  const large = 10_000 - frameOverheadBytes;
  const message = (changes: Partial<UserMessage> = {}): UserMessage => {
    return { from: 'eve', to: 'ada', bytes: 1000 - frameOverheadBytes, receivers: 1, ...changes };
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

  test('are limited for each receiver, over all senders', () => {
    const bytes = new UserBytes(rate);
    const sent = (index: number) => message({ from: `eve-${index % 10}`, bytes: large });
    expect(accepted(bytes, sent)).toBe(14);
    expect(accepted(bytes, sent, second)).toBe(6);
    expect(accepted(bytes, (index) => ({ ...sent(index), to: 'bob' }), second)).toBe(14);
  });

  test('are limited for each sender, over all receivers', () => {
    const bytes = new UserBytes(rate);
    const sent = (index: number) => message({ to: `user-${index}`, bytes: large });
    expect(accepted(bytes, sent)).toBe(19);
    expect(accepted(bytes, sent, second)).toBe(6);
    expect(accepted(bytes, (index) => ({ ...sent(index), from: 'bob' }), second)).toBe(19);
  });

  test('of a sender that sends little are taken when those of others to the same receiver are refused', () => {
    const bytes = new UserBytes(rate);
    expect(accepted(bytes, (index) => message({ from: `eve-${index % 5}`, bytes: 9000 - frameOverheadBytes }))).toBe(
      16,
    );
    expect(accepted(bytes, () => message({ from: 'quiet' }))).toBe(3);
  });

  test('to everybody take more of the rate of their receivers than of that of their sender', () => {
    const bytes = new UserBytes(rate);
    const toAll = message({ to: '*', receivers: 6400 });
    expect(accepted(bytes, () => toAll)).toBe(3);
    expect(accepted(bytes, () => message())).toBeGreaterThan(100);
  });

  test.each([3000, 10_000])(
    'to everybody, of %i, are taken of a user that sends few while another sends many',
    (receivers) => {
      const bytes = new UserBytes(131_072);
      const [loud, quiet] = [
        message({ to: '*', bytes: 150, receivers }),
        message({ from: 'quiet', to: '*', receivers }),
      ];
      for (let at = 0; at < 60 * second; at += 20) {
        if (at % (5 * second) === 0) expect(() => bytes.take(quiet, at)).not.toThrow();
        try {
          bytes.take(loud, at);
        } catch (error) {
          expect(error).toEqual(limited);
        }
      }
    },
  );

  test('are taken of the largest size with the lowest rate that can be set, one after the other', () => {
    const bytes = new UserBytes(16_384);
    for (const at of [0, 4 * second, 8 * second])
      for (const to of ['ada', '*']) {
        const largest = message({ from: `to-${to}`, to, bytes: 65_536, receivers: 1 });
        expect(() => bytes.take(largest, at)).not.toThrow();
        expect(() => bytes.take(largest, at)).toThrow(limited);
      }
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

  test('are taken again after they were given back, of the session and of the room', () => {
    const events = new RoomEvents(16_384);
    const own = opened();
    for (let index = 0; index < 200; index++) events.take('rm_a', 'publish', 3000, own, performance.now())();
    accepted(events, own, 3000, performance.now());
    const roomIsUsed = () => events.take('rm_b', 'publish', 3000, { ...own });
    for (let index = 0; index < 200; index++) roomIsUsed()();
  });

  test('that a session has for itself are fewer after a resume', () => {
    const used = new RoomEvents(262_144);
    accepted(used, opened(), 3000, 0);
    expect(accepted(used, opened(true), 3000, 0)).toBe(16);
  });
});

describe('the number of participants of a room', () => {
  const sizes = (participants: number, local = 20) => {
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
    expect(known.of('rm_a', 0)).toBe(20);
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
    expect(sizes(0, 30).known.of('rm_a', 0)).toBe(30);
  });

  test('is not read where few of them are at this gateway', () => {
    const { known, reads } = sizes(3000, 3);
    expect(known.of('rm_a', 0)).toBe(3);
    expect(reads()).toBe(0);
  });

  test('is kept for a bounded number of rooms', () => {
    const { known } = sizes(1);
    for (let index = 0; index < 25_000; index++) known.of(`rm_${index}`, 0);
    expect(known.tracked).toBe(10_000);
  });
});
