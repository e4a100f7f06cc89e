import type { Attack, Attacker } from '../attacker.ts';

const senders = 4;
/** With its envelope just below the limit of 16 KiB. */
const largest = 'x'.repeat(16_000);
const expected = ['ok', 'RATE_LIMITED', 'HTTP 429 RATE_LIMITED'];

async function floodRoom(attacker: Attacker, room: string, to: string): Promise<void> {
  await attacker.repeat(senders, async () => {
    const client = await attacker.enter(room);
    await attacker.flood(client, () => ({ type: 'message', to, payload: { data: largest } }));
  });
}

export const roomMessages: Attack = {
  name: 'room-messages',
  about: `${senders} members of a room of their own send it messages of maximum size, as fast as it takes them`,
  expected,
  streams: 1,
  run: async (attacker) => {
    const room = await attacker.api.newRoom('attack');
    await floodRoom(attacker, room, `room:${room}`);
  },
};

export const pairMessages: Attack = {
  name: 'pair-messages',
  about: `${senders} members of the pair's room send it messages of maximum size, as fast as it takes them`,
  expected,
  streams: 1,
  run: (attacker) => floodRoom(attacker, attacker.target.pairRoom, `room:${attacker.target.pairRoom}`),
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
