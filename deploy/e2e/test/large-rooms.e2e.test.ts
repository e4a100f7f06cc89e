import type { ReplyPayload } from '@flotilla/contracts';
import { LightPeer } from '@flotilla/light-peer';
import { firstPageLimits } from '@flotilla/store';
import { gatewayUrl, notYet, RawClient, type Topology, waitFor } from '@flotilla/testkit';
import { describe, expect, test } from 'vitest';
import { topologies } from './use-topology.ts';

/** Members without media that join first, and fill the first page. */
const listeners = firstPageLimits.members + 6;

describe.each(topologies)('a room with more members than the first page, on %s', (_name, use) => {
  let topology: Topology;
  use((it) => (topology = it));

  test(
    'a participant that joins receives the media of one that its join did not list',
    { timeout: 60_000 },
    async () => {
      const room = await topology.api.newRoom('large', { maxParticipants: 1000 });
      const clients = await Promise.all(
        Array.from({ length: listeners }, async (_, index) => {
          const client = await RawClient.connect(gatewayUrl(topology, index), {
            token: await topology.api.issueToken(room),
          });
          expect(await client.request('join', { room })).toMatchObject({ ok: true });
          return client;
        }),
      );
      const join = async (publish: readonly 'audio'[]): Promise<LightPeer> =>
        LightPeer.join({ url: gatewayUrl(topology), token: await topology.api.issueToken(room), room, publish });
      const speaker = await join(['audio']);
      const observer = await RawClient.connect(gatewayUrl(topology, 1), { token: await topology.api.issueToken(room) });
      const reply = await observer.request('join', { room });
      const { snapshot } = reply.payload as ReplyPayload<'join'>;
      expect(snapshot.next).toBeDefined();
      expect(snapshot.publications).toEqual([]);
      const subscriber = await join([]);
      await waitFor('media of the speaker', () => {
        const [received] = subscriber.takeReceived();
        if ((received?.packets ?? 0) === 0) notYet('no packet arrived');
      });
      expect(subscriber.takeReceived()).toMatchObject([{ participantId: speaker.participantId }]);
      for (const peer of [speaker, subscriber]) {
        peer.close();
        expect(peer.problems).toEqual([]);
      }
      for (const client of [...clients, observer]) client.close();
    },
  );
});
