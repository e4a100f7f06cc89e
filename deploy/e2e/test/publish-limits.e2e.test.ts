import type { Room } from '@flotilla/client';
import { LightPeer } from '@flotilla/light-peer';
import { CallPage, joinWithMedia, notYet, publishAudio, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { useBrowser, useStandalone } from './use-topology.ts';

/** Above the 32 kbit/s of a light peer's audio, below the 240 of its video. */
const limitForAudio = 100_000;
/** Below what the call page sends of a small camera without a limit. */
const limitForBrowser = 250_000;
/** Measurements of the sent bit rate in a row that must be below the limit. The page measures every two seconds. */
const obedientMeasurements = 4;

declare global {
  var endedPublications: string[];
  var sentBitrates: number[];
}

describe('the maximum bit rate of what a participant publishes', () => {
  let topology: Topology;
  let browser: Browser;
  useStandalone((it) => (topology = it));
  useBrowser((it) => (browser = it));

  test('of a sender that ignores it, the video ends with the reason bitrate_exceeded and the audio stays', async () => {
    const room = await topology.api.newRoom('limited', { maxPublishBitrate: limitForAudio });
    const witness = await joinWithMedia(topology, room);
    const sender = await LightPeer.join({
      url: topology.signalUrls[0]!,
      token: await topology.api.issueToken(room),
      room,
    });
    const idOf = (kind: string) => [...sender.published].find(([, each]) => each === kind)![0];
    const removed = () => witness.raw.events.find(({ type }) => type === 'publication_removed');
    const ended = await waitFor('the end of a publication', () => removed() ?? notYet('there is none'), {
      timeoutMs: 30_000,
    });
    expect(ended.payload).toEqual({
      publicationId: idOf('video'),
      participantId: sender.participantId,
      reason: 'bitrate_exceeded',
    });
    const newcomer = await joinWithMedia(topology, room);
    expect(newcomer.subscribed).toEqual([idOf('audio')]);
    await expect(sender.publish('video')).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect(await publishAudio(witness.raw, room)).toMatchObject({ ok: true });
    sender.close();
    for (const { raw } of [witness, newcomer]) raw.close();
  });

  test('a browser sends less than that of the room, and its publications stay', async () => {
    const room = await topology.api.newRoom('obedient', { maxPublishBitrate: limitForBrowser });
    const caller = await CallPage.join(browser, topology.pageUrl, {
      room,
      name: 'Ada',
    });
    await caller.page.evaluate(() => {
      globalThis.endedPublications = [];
      globalThis.sentBitrates = [];
      const joined = globalThis.flotilla.room as unknown as Room;
      joined.on('publicationEnded', ({ id }, reason) => globalThis.endedPublications.push(`${id} ${reason}`));
      joined.on('qualityChanged', ({ sent }) =>
        globalThis.sentBitrates.push([...sent.values()].reduce((sum, { bitrate }) => sum + bitrate, 0)),
      );
    });
    await waitFor(
      'bit rates below the limit',
      async () => {
        const last = (await caller.page.evaluate(() => globalThis.sentBitrates)).slice(-obedientMeasurements);
        if (last.length < obedientMeasurements || last.some((each) => each === 0 || each > limitForBrowser))
          notYet(`${last.join(', ')} bit/s`);
      },
      { timeoutMs: 40_000 },
    );
    expect(await caller.page.evaluate(() => globalThis.endedPublications)).toEqual([]);
    await caller.close();
  });
});
