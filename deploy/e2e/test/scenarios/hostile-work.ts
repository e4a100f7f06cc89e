import type { Reply } from '@flotilla/contracts';
import { enter, joinWithMedia, publishAudio, type RawClient } from '@flotilla/testkit';
import { expect } from 'vitest';
import { HonestPair, withinRate } from './honest-pair.ts';
import type { HostileScenario } from './hostile-frames.ts';

/** Outcomes of requests: `ok`, or the error code. */
const outcomes = (replies: readonly Reply[]): Set<string> =>
  new Set(replies.map(({ ok, error }) => (ok ? 'ok' : error!.code)));

/** Requests at a time, fewer than a session may have. */
const parallel = 20;

/** Sends a request in batches until one is refused for its rate: a client that continues is disconnected. */
async function untilRefused(batches: number, request: () => Promise<Reply>): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (let index = 0; index < batches && !outcomes(replies).has('RATE_LIMITED'); index++)
    replies.push(...(await Promise.all(Array.from({ length: parallel }, request))));
  return replies;
}

/** Clients whose requests are few but cost much, in bytes or in work. */
export const hostileWork: readonly HostileScenario[] = [
  {
    title: 'senders of more bytes than a room takes are refused with RATE_LIMITED, and no member is disconnected',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        const room = await topology.api.newRoom('bytes');
        const [member, ...senders] = await Promise.all(Array.from({ length: 4 }, () => enter(topology, room)));
        const data = 'x'.repeat(16_000);
        const send = (client: RawClient) => untilRefused(4, () => client.request('message', { data }, `room:${room}`));
        const replies = (await Promise.all(senders.map(send))).flat();
        expect(outcomes(replies)).toEqual(new Set(['ok', 'RATE_LIMITED']));
        const tooBig = { data: 'x'.repeat(17_000) };
        expect(await withinRate(() => senders[0]!.request('message', tooBig, `room:${room}`))).toMatchObject({
          error: { code: 'MESSAGE_TOO_BIG' },
        });
        const accepted = replies.filter(({ ok }) => ok).length;
        report(`${accepted} of ${replies.length} messages of 16 KB accepted; ${await pair.after(20)}`);
        for (const client of [member!, ...senders]) {
          expect(await client.request('ping')).toMatchObject({ ok: true });
          client.close();
        }
      }),
  },
  {
    title: 'loops of costly requests are refused with RATE_LIMITED, and a list that repeats an id with BAD_PAYLOAD',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        const room = await topology.api.newRoom('media');
        const to = `room:${room}`;
        const publisher = await joinWithMedia(topology, room);
        const { publication } = (await publishAudio(publisher.raw, room)).payload as { publication: { id: string } };
        const loops: Record<string, (raw: RawClient, rtpCapabilities: object) => Promise<Reply>> = {
          'join and leave': async (raw, rtpCapabilities) => {
            await raw.request('leave', {}, to);
            return raw.request('join', { room, rtpCapabilities });
          },
          'open media': (raw, rtpCapabilities) => raw.request('open_media', { rtpCapabilities, subscribe: true }, to),
          publish: (raw) => publishAudio(raw, room),
          subscribe: async (raw) => {
            await raw.request('unsubscribe', { publicationIds: [publication.id] }, to);
            return raw.request('subscribe', { publicationIds: [publication.id] }, to);
          },
        };
        for (const [title, loop] of Object.entries(loops)) {
          const { raw } = await joinWithMedia(topology, room);
          const { rtpCapabilities } = (await raw.welcome()) as { rtpCapabilities: object };
          const replies = await untilRefused(15, () => loop(raw, rtpCapabilities));
          const refused = replies.findIndex(({ error }) => error?.code === 'RATE_LIMITED');
          expect(refused, `${title}: ${[...outcomes(replies)].join()}`).toBeGreaterThan(-1);
          report(`${title}: refused first after ${refused}; ${await pair.after(20)}`);
          raw.close();
        }
        const twice = { publicationIds: [publication.id, publication.id] };
        for (const type of ['subscribe', 'unsubscribe', 'update_subscriptions'] as const)
          expect(await publisher.raw.request(type, twice, to)).toMatchObject({ error: { code: 'BAD_PAYLOAD' } });
        publisher.raw.close();
      }),
  },
];
