import type { Attack } from '../attacker.ts';

/** So few that each may send more through its address than its own rate, and all of them more than the rate of one receiver. */
const users = 4;
/** With its envelope just below the limit of 16 KiB. */
const largest = 'x'.repeat(16_000);

export const userMessages: Attack = {
  name: 'user-messages',
  about: `${users} users send one of the pair, and each other, messages of maximum size, as fast as they are taken`,
  expected: ['ok', 'RATE_LIMITED', 'RECIPIENT_OFFLINE', 'HTTP 429 RATE_LIMITED', 'close 4413'],
  // That of the gateway of the receivers, whose inboxes take less.
  streams: 1,
  run: async (attacker) => {
    const room = await attacker.api.newRoom('attack');
    const receivers = Array.from({ length: users }, (_, index) => `attack-${index}`);
    await attacker.repeat(users, async (index) => {
      const token = await attacker.api.issueToken(room, { userId: receivers[index]! });
      const client = await attacker.connect({ token });
      await client.welcome();
      let sent = index;
      await attacker.flood(client, () => {
        const to = ++sent % 2 === 0 ? attacker.target.pairUser : receivers[sent % users]!;
        return { type: 'message', to: `user:${to}`, payload: { data: largest } };
      });
    });
  },
};

export const largeFrames: Attack = {
  name: 'large-frames',
  about: '8 sessions send frames of 64 KiB without regard to refusals, and connect again when they are closed',
  expected: ['ok', 'RATE_LIMITED', 'BAD_MESSAGE', 'HTTP 429 RATE_LIMITED', 'close 4429'],
  run: async (attacker) => {
    const room = await attacker.api.newRoom('attack');
    // Not closed: it has to be read to its end.
    const frame = `{"id":"large","type":"ping","payload":{"x":[${'[],'.repeat(21_000)}`;
    await attacker.repeat(8, async () => {
      const client = await attacker.enter(room);
      await attacker.flood(client, () => frame, { inFlight: 200, patient: false });
    });
  },
};
