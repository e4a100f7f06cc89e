import { publishAudio } from '@flotilla/testkit';
import type { Attack, Attacker } from '../attacker.ts';

/** Sessions of one address: together they send what it may, by the costs of requests. */
const sessions = 20;
const expected = ['ok', 'RATE_LIMITED', 'HTTP 429 RATE_LIMITED'];

/** A loop of requests about a room by sessions with media. `publications` of them publish. */
const loop =
  (
    publishers: number,
    requestsOf: (media: {
      readonly publicationIds: string[];
      readonly transportId: string;
      readonly rtpCapabilities: object;
    }) => readonly (readonly [type: string, payload: object])[],
  ): Attack['run'] =>
  async (attacker: Attacker) => {
    const room = await attacker.api.newRoom('attack');
    const to = `room:${room}`;
    const publicationIds: string[] = [];
    for (let index = 0; index < publishers; index++) {
      const reply = await publishAudio(await attacker.enter(room, { media: true }), room);
      publicationIds.push((reply.payload as { publication: { id: string } }).publication.id);
    }
    await attacker.repeat(sessions, async () => {
      const client = await attacker.enter(room, { media: true });
      const { media } = client.replies[0]!.payload as { media: { recv: { id: string } } };
      const { rtpCapabilities } = await client.welcome();
      const requests = requestsOf({ publicationIds, transportId: media.recv.id, rtpCapabilities: rtpCapabilities! });
      let turn = 0;
      await attacker.flood(client, () => {
        const [type, payload] = requests[turn++ % requests.length]!;
        return type === 'join' ? { type, payload: { room, ...payload } } : { type, payload, to };
      });
    });
  };

export const openMedia: Attack = {
  name: 'open-media',
  about: `${sessions} sessions open their media again and again (cost 10)`,
  expected,
  run: loop(0, ({ rtpCapabilities }) => [['open_media', { rtpCapabilities }]]),
};

export const restartIce: Attack = {
  name: 'restart-ice',
  about: `${sessions} sessions restart ICE again and again (cost 5)`,
  expected,
  run: loop(0, ({ transportId }) => [['restart_ice', { transportId }]]),
};

export const joinLeave: Attack = {
  name: 'join-leave',
  about: `${sessions} sessions leave a room and join it again with media, without waiting (cost 5 and 10)`,
  expected: [...expected, 'ALREADY_IN_ROOM', 'NOT_IN_ROOM'],
  run: loop(0, ({ rtpCapabilities }) => [
    ['leave', {}],
    ['join', { rtpCapabilities }],
  ]),
};

export const subscribeAll: Attack = {
  name: 'subscribe-all',
  about: `${sessions} sessions subscribe to everything in a room, and unsubscribe (cost 2 and 1, and 0.1 for each publication)`,
  expected,
  run: loop(10, ({ publicationIds }) => [
    ['unsubscribe', { publicationIds }],
    ['subscribe', { publicationIds }],
  ]),
};

export const repeatedIds: Attack = {
  name: 'repeated-ids',
  about: '8 sessions name one publication 64 times in a request, and send 256 requests with one id at once',
  expected: [...expected, 'BAD_PAYLOAD', 'BAD_MESSAGE', 'close 4429'],
  run: async (attacker) => {
    const room = await attacker.api.newRoom('attack');
    const payload = { publicationIds: Array.from({ length: 64 }, () => 'pub_none') };
    await attacker.repeat(8, async () => {
      const client = await attacker.enter(room, { media: true });
      const next = () => ({ id: 'same', type: 'subscribe', payload, to: `room:${room}` });
      await attacker.flood(client, next, { inFlight: 256, patient: false });
    });
  },
};

export const topologyWatch: Attack = {
  name: 'topology',
  about: `${sessions} sessions without the grant ask for the topology and for drills (cost 20)`,
  expected: [...expected, 'FORBIDDEN'],
  run: async (attacker) => {
    const room = await attacker.api.newRoom('attack');
    await attacker.repeat(sessions, async () => {
      const client = await attacker.enter(room);
      await attacker.flood(client, () => ({ type: 'watch_topology' }));
    });
  },
};
