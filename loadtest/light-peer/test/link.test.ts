import { waitFor, notYet } from '@flotilla/testkit';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LightLink } from '../src/link.ts';
import { endTransports } from '../src/transport.ts';
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

/** Somebody who receives these publications, by their first transport. */
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

describe('a light link to a real media worker', () => {
  test('what one publishes another receives, and one who comes later gets a key frame by asking for it', async () => {
    const from = await publisher();
    const [audio, video] = [await from.publish('audio'), await from.publish('video')];
    for (const _ of ['first', 'later']) {
      const { link, packets } = await subscriber([audio.id, video.id]);
      await link.firstMedia(() => [audio.id, video.id]);
      await waitFor('both flow', () => {
        for (const { id } of [audio, video]) if ((packets.get(id) ?? 0) < 30) notYet(`${packets.get(id)} of ${id}`);
      });
    }
    const [{ pliCount }] = (await server.producers.get(video.id)!.getStats()) as unknown as [
      { pliCount: number; packetsLost: number },
    ];
    expect(pliCount).toBeGreaterThan(0);
  });

  test('its receiver reports tell the server how long the way is and that nothing was lost', async () => {
    const { id } = await (await publisher()).publish('video');
    await subscriber([id]);
    await waitFor('a round trip is known', async () => {
      const [stats] = (await server.consumers[0]!.getStats()) as unknown as [
        { roundTripTime: number; packetsLost: number },
      ];
      if (!(stats.roundTripTime > 0)) notYet(`it is ${stats.roundTripTime}`);
      expect(stats.roundTripTime).toBeLessThan(10_000);
      expect(stats.packetsLost).toBe(0);
    });
  });

  test('nothing comes while it pauses, and afterwards it goes on without a gap in its numbers', async () => {
    const from = await publisher();
    const { id } = await from.publish('audio');
    const { link, packets } = await subscriber([id]);
    await link.firstMedia(() => [id]);
    from.pause();
    const sent = from.packetsSent;
    await waitFor('all that was sent came', () => packets.get(id)! > 0 || notYet('nothing did'));
    expect(from.packetsSent).toBe(sent);
    from.resume();
    await waitFor('it goes on', () => from.packetsSent > sent + 30 || notYet(`${from.packetsSent} were sent`));
    const [{ packetsLost }] = (await server.producers.get(id)!.getStats()) as unknown as [
      { pliCount: number; packetsLost: number },
    ];
    expect(packetsLost).toBe(0);
  });
});
