import { notYet, RawClient, waitFor } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { metricsOf, useOwnFleet } from './use-topology.ts';

let fleet: TestFleet;
useOwnFleet(
  'dead-node',
  () => ({ sfuNodes: 2, gateways: 1 }),
  (it) => (fleet = it),
);

test('a node stops sending publications to a node that was killed, and they continue for others', async () => {
  const { api } = fleet;
  await api.createRoom({ name: 'call' });
  const join = async () => {
    const client = await RawClient.connect(fleet.gatewayUrls[0]!, { token: await api.issueToken('call') });
    const { rtpCapabilities } = await client.welcome();
    const reply = await client.request('join', { room: 'call', rtpCapabilities });
    expect(reply).toMatchObject({ ok: true });
    return { client, ...(reply.payload as { participantId: string; media: { nodeId: string } }) };
  };
  const [publisher, migrated] = [await join(), await join()];
  const codecs = [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }];
  const rtpParameters = { mid: '0', codecs, encodings: [{ ssrc: 1 }] };
  const audio = { kind: 'audio', source: 'microphone', muted: false, rtpParameters };
  const published = await publisher.client.request('publish', audio, 'room:call');
  expect(published).toMatchObject({ ok: true });
  const { nodeId: sender } = publisher.media;
  const killed = sender === 'nd_1' ? 'nd_2' : 'nd_1';
  await api.request('POST', `/v1/rooms/call/participants/${migrated.participantId}/migrate`, { toNode: killed });
  const { migrationId } = (await migrated.client.event('migrate')).payload;
  expect(await migrated.client.request('migrated', { migrationId }, 'room:call')).toMatchObject({ ok: true });

  const pipesAre = (expected: number): Promise<void> =>
    waitFor(
      `${expected} pipes on ${sender}`,
      async () => {
        const [, pipes] = /^sfu_streams\{[^}]*kind="pipes"[^}]*\} (\d+)$/m.exec(await metricsOf(fleet, sender)) ?? [];
        if (Number(pipes) !== expected) notYet(`there are ${pipes}`);
      },
      { timeoutMs: 40_000, everyMs: 200 },
    );
  await pipesAre(1);
  fleet.processes.get(killed)!.killGroup();
  await pipesAre(0);
  const subscriber = await join();
  const { id } = (published.payload as { publication: { id: string } }).publication;
  expect(subscriber.media).toMatchObject({ nodeId: sender, subscriptions: [{ publicationId: id }] });
  for (const { client } of [publisher, migrated, subscriber]) client.close();
});
