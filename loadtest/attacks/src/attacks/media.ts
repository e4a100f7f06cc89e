import { setTimeout as pause } from 'node:timers/promises';
import { LightPeer } from '@flotilla/light-peer';
import { publishAudio } from '@flotilla/testkit';
import { type Attack, RequestRefused } from '../attacker.ts';

export const keyFrames: Attack = {
  name: 'key-frames',
  about: "a member of the pair's room requests a key frame of each video a thousand times a second",
  expected: ['requested'],
  run: async (attacker) => {
    const { gatewayUrl: url, pairRoom: room } = attacker.target;
    const peer = await LightPeer.join({ url, token: await attacker.api.issueToken(room), room, publish: [] });
    while (!attacker.over) {
      for (let index = 0; index < 5; index++) peer.requestKeyFrames();
      attacker.count('requested', 5);
      await pause(5);
    }
    peer.close();
  },
};

/** More than the 16 of a participant. */
const publications = 20;

export const reopenedMedia: Attack = {
  name: 'reopened-media',
  about: '8 sessions publish until they are refused, open their media again, and publish more',
  expected: ['ok', 'RATE_LIMITED', 'HTTP 429 RATE_LIMITED'],
  run: async (attacker) => {
    const room = await attacker.api.newRoom('attack');
    await attacker.repeat(8, async () => {
      const client = await attacker.enter(room, { media: true });
      const { rtpCapabilities } = await client.welcome();
      while (!attacker.over) {
        client.events.length = 0;
        client.replies.length = 0;
        for (let index = 0; index < publications && !attacker.over; index++) {
          const { error } = await publishAudio(client, room);
          attacker.count(error?.code ?? 'ok');
          if (error) await pause(50);
        }
        const opened = await client.request('open_media', { rtpCapabilities }, `room:${room}`);
        if (opened.error && opened.error.code !== 'RATE_LIMITED') throw new RequestRefused(opened.error.code);
      }
      client.close();
    });
  },
};
