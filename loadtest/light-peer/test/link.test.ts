import { waitFor, notYet } from '@flotilla/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LightLink } from '../src/link.ts';
import { endTransports } from '@flotilla/edge-peer';
import { MediaServer } from './media-server.ts';

let server: MediaServer;
const links: LightLink[] = [];
beforeEach(async () => {
  server = await MediaServer.start();
});
afterEach(() => {
  for (const link of links.splice(0)) link.close();
  server.close();
});
afterAll(() => endTransports());

/** A link that is subscribed to the publications. */
async function subscriber(
  publicationIds: readonly string[],
): Promise<{ link: LightLink; packets: Map<string, number> }> {
  const { media, request, recv } = await server.session();
  const subscriptions = await Promise.all(publicationIds.map((id) => server.subscribe(recv, id)));
  const packets = new Map<string, number>();
  const link = await LightLink.open({ ...media, subscriptions }, request, (id) =>
    packets.set(id, (packets.get(id) ?? 0) + 1),
  );
  links.push(link);
  return { link, packets };
}

async function publisher(): Promise<LightLink> {
  const { media, request } = await server.session();
  const link = await LightLink.open(media, request, () => undefined);
  links.push(link);
  return link;
}

describe('LightLink with a mediasoup worker', () => {
  test('a subscriber receives audio and video, and a later one requests and gets a key frame', async () => {
    const from = await publisher();
    const [audio, video] = [await from.publish('audio'), await from.publish('video')];
    for (const _ of ['first', 'later']) {
      const { link, packets } = await subscriber([audio.id, video.id]);
      await link.firstMedia(() => [audio.id, video.id]);
      await waitFor('30 packets of both', () => {
        for (const { id } of [audio, video]) if ((packets.get(id) ?? 0) < 30) notYet(`${packets.get(id)} of ${id}`);
      });
    }
    const [{ pliCount }] = (await server.producers.get(video.id)!.getStats()) as unknown as [
      { pliCount: number; packetsLost: number },
    ];
    expect(pliCount).toBeGreaterThan(0);
  });

  test('its receiver reports give the SFU the round-trip time and a loss of 0', async () => {
    const { id } = await (await publisher()).publish('video');
    await subscriber([id]);
    await waitFor('a round-trip time', async () => {
      const [stats] = (await server.consumers[0]!.getStats()) as unknown as [
        { roundTripTime: number; packetsLost: number },
      ];
      if (!(stats.roundTripTime > 0)) notYet(`it is ${stats.roundTripTime}`);
      expect(stats.roundTripTime).toBeLessThan(10_000);
      expect(stats.packetsLost).toBe(0);
    });
  });

  test('a paused link sends nothing and continues with the next sequence number', async () => {
    const from = await publisher();
    const { id } = await from.publish('audio');
    const { link, packets } = await subscriber([id]);
    await link.firstMedia(() => [id]);
    from.pause();
    const sent = from.packetsSent;
    await waitFor('a received packet', () => packets.get(id)! > 0 || notYet('there is none'));
    expect(from.packetsSent).toBe(sent);
    from.resume();
    await waitFor('30 more packets', () => from.packetsSent > sent + 30 || notYet(`${from.packetsSent} were sent`));
    const [{ packetsLost }] = (await server.producers.get(id)!.getStats()) as unknown as [
      { pliCount: number; packetsLost: number },
    ];
    expect(packetsLost).toBe(0);
  });
});
