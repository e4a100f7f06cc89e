import { setTimeout as pause } from 'node:timers/promises';
import { MetadataClient } from '@flotilla/testkit';
import type { Attack } from '../attacker.ts';

const message = Buffer.alloc(15_000, 'x');

export const metadataFlood: Attack = {
  name: 'metadata-flood',
  about:
    'a member of a room sends 15,000-byte messages through the relay, 5,000 a second on each channel, to a subscriber',
  expected: ['sent', 'received'],
  run: async (attacker) => {
    const room = await attacker.api.newRoom('attack');
    const [publisher, subscriber] = await Promise.all(
      ['publisher', 'subscriber'].map(async () => {
        const client = await attacker.enter(room);
        const { snapshot } = client.replies[0]!.payload as { snapshot: { room: { id: string } } };
        return MetadataClient.connect(client, snapshot.room.id);
      }),
    );
    subscriber!.onFrame = () => attacker.count('received');
    await publisher!.publish('flood');
    await subscriber!.subscribe(['flood']);
    while (!attacker.over) {
      for (const channel of ['unreliable', 'limited', 'reliable'] as const)
        // What libdatachannel cannot send waits in this process.
        for (let index = 0; index < 25 && publisher!.channels[channel].bufferedAmount() < 1_000_000; index++) {
          publisher!.send('flood', message, { channel });
          attacker.count('sent');
        }
      await pause(5);
    }
    for (const client of [publisher!, subscriber!]) client.close();
  },
};
