import type { Attack, Attacker } from '../attacker.ts';

const senders = 4;
/** With its envelope just below the limit of 16 KiB. */
const largest = 'x'.repeat(16_000);
const expected = ['ok', 'RATE_LIMITED', 'HTTP 429 RATE_LIMITED'];

function floodRoom(attacker: Attacker, room: string, parallel: number, data: unknown): Promise<void> {
  return attacker.repeat(parallel, async () => {
    const client = await attacker.enter(room);
    await attacker.flood(client, () => ({ type: 'message', to: `room:${room}`, payload: { data } }));
  });
}

export const roomMessages: Attack = {
  name: 'room-messages',
  about: `${senders} members of a room of their own send it messages of maximum size, as fast as it takes them`,
  expected,
  streams: 1,
  run: async (attacker) => floodRoom(attacker, await attacker.api.newRoom('attack'), senders, largest),
};

export const pairMessages: Attack = {
  name: 'pair-messages',
  about: `${senders} members of the pair's room send it messages of maximum size, as fast as it takes them`,
  expected,
  streams: 1,
  run: (attacker) => floodRoom(attacker, attacker.target.pairRoom, senders, largest),
};

const smallSenders = 20;
/** With the senders and the pair, below what the SFU node takes. */
const receivers = 160;

export const roomFanOut: Attack = {
  name: 'room-fan-out',
  about: `${smallSenders} members of a room send it, and ${receivers} others, messages of one byte, as fast as it takes them`,
  expected,
  streams: 1,
  run: async (attacker) => {
    const room = await attacker.api.newRoom('attack', { maxParticipants: receivers + smallSenders });
    const listening = Array.from({ length: receivers }, () => attacker.enter(room));
    const clients = (await Promise.allSettled(listening)).flatMap((each) => {
      if (each.status === 'fulfilled') return each.value;
      attacker.countError(each.reason);
      return [];
    });
    for (const { socket } of clients) socket.removeAllListeners('message');
    await floodRoom(attacker, room, smallSenders, 0);
    for (const client of clients) client.close();
  },
};

export const pairSmallMessages: Attack = {
  name: 'pair-small-messages',
  about: `${smallSenders} members of the pair's room send it messages of 1,000 bytes: small ones use up the last of what the room takes`,
  expected,
  streams: 1,
  run: (attacker) => floodRoom(attacker, attacker.target.pairRoom, smallSenders, 'x'.repeat(1000)),
};

export const messageFlood: Attack = {
  name: 'message-flood',
  about: '8 sessions send small messages without regard to refusals, and connect again when they are closed',
  expected: [...expected, 'close 4429'],
  streams: 1,
  run: async (attacker) => {
    const room = await attacker.api.newRoom('attack');
    await attacker.repeat(8, async () => {
      const client = await attacker.enter(room);
      const next = () => ({ type: 'message', to: `room:${room}`, payload: { data: 'x' } });
      await attacker.flood(client, next, { inFlight: 200, patient: false });
    });
  },
};
