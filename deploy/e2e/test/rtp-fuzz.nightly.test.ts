import { setTimeout as pause } from 'node:timers/promises';
import type { Room } from '@flotilla/client';
import type { ErrorCode } from '@flotilla/contracts';
import { CallPage, joinWithMedia, publishAudio, type RawClient, type Topology } from '@flotilla/testkit';
import fc from 'fast-check';
import type { Browser } from 'playwright-core';
import { afterEach, describe, expect, test } from 'vitest';
import { useBrowser, useStandalone } from './use-topology.ts';

/** How long parameters are published: a minute, or RTP_FUZZ_SECONDS. */
const seconds = Number(process.env['RTP_FUZZ_SECONDS'] ?? 60);
/** Number of publications that stay at a time. A participant may have 16. */
const keptPublications = 8;
const refusals: ReadonlySet<ErrorCode> = new Set(['BAD_PAYLOAD', 'MEDIA_UNSUPPORTED', 'RATE_LIMITED']);

declare global {
  var mediaStates: string[];
}

const text = fc.oneof(
  fc.string({ maxLength: 40, unit: 'grapheme' }),
  fc.stringMatching(/^[ -~]{0,20}$/),
  fc.constantFrom('0', '1', 'a b', 'a\r\nb', 'a=b', 'm=video', '\u0000', 'é', 'cname:x', '::', '99999999999'),
);
const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 1, 127, 128, 255, 2 ** 32 - 1, 2 ** 32, 2 ** 40));
const anything = fc.oneof(
  { weight: 4, arbitrary: text },
  { weight: 4, arbitrary: number },
  fc.jsonValue({ maxDepth: 2 }),
);

/** The valid value most of the time, so that what is wrong is one field among right ones. */
const mostly = (...valid: readonly unknown[]): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 30, arbitrary: fc.constantFrom(...valid) }, { weight: 1, arbitrary: anything });

const parameters = fc.dictionary(fc.oneof(text, fc.constantFrom('useinbandfec', 'minptime')), mostly(1, '10'), {
  maxKeys: 3,
});
const codec = fc.record(
  {
    mimeType: mostly('audio/opus'),
    payloadType: mostly(111, 96, 127),
    clockRate: mostly(48_000),
    channels: mostly(2),
    parameters: fc.oneof({ weight: 8, arbitrary: fc.constant({}) }, parameters),
    rtcpFeedback: mostly([], [{ type: 'transport-cc', parameter: '' }], [{ type: 'nack', parameter: 'pli' }]),
  },
  { requiredKeys: ['mimeType', 'payloadType', 'clockRate', 'channels'] },
);
const extension = fc.record({
  uri: mostly('urn:ietf:params:rtp-hdrext:sdes:mid', 'urn:ietf:params:rtp-hdrext:ssrc-audio-level'),
  id: mostly(1, 2, 14),
  encrypt: mostly(false),
  parameters: mostly({}),
});
const encoding = fc.record(
  {
    ssrc: fc.oneof({ weight: 30, arbitrary: fc.integer({ min: 1, max: 2 ** 32 - 1 }) }, anything),
    rid: mostly('r0', 'a'),
    dtx: mostly(true),
    maxBitrate: mostly(32_000),
    scalabilityMode: mostly('L1T1', 'S1T1'),
    rtx: mostly({ ssrc: 7 }),
  },
  { requiredKeys: ['ssrc'] },
);
const rtpParameters = fc.record(
  {
    mid: fc.oneof({ weight: 30, arbitrary: fc.integer({ min: 0, max: 99_999 }).map(String) }, anything),
    codecs: fc.oneof(
      { weight: 20, arbitrary: fc.array(codec, { minLength: 1, maxLength: 1 }) },
      fc.array(codec, { maxLength: 3 }),
      anything,
    ),
    encodings: fc.oneof(
      { weight: 20, arbitrary: fc.array(encoding, { minLength: 1, maxLength: 1 }) },
      fc.array(encoding, { maxLength: 3 }),
      anything,
    ),
    headerExtensions: fc.oneof({ weight: 6, arbitrary: fc.constant([]) }, fc.array(extension, { maxLength: 3 })),
    rtcp: fc.record({
      cname: fc.oneof({ weight: 3, arbitrary: fc.constantFrom('a', 'me@host') }, text),
      reducedSize: mostly(true),
    }),
  },
  { requiredKeys: ['codecs', 'encodings'] },
);

describe(`random RTP parameters for ${seconds} s`, () => {
  let topology: Topology;
  let browser: Browser;
  const calls: CallPage[] = [];
  useStandalone((it) => (topology = it));
  useBrowser((it) => (browser = it));
  afterEach(async () => {
    await Promise.all(calls.splice(0).map((call) => call.close()));
  });

  async function join(room: string, name: string): Promise<CallPage> {
    const call = await CallPage.join(browser, topology.pageUrl, { room, name });
    calls.push(call);
    await call.page.evaluate(() => {
      globalThis.mediaStates = [];
      const { room: joined } = globalThis.flotilla as unknown as { room: Room };
      joined.on('mediaChanged', (state) => globalThis.mediaStates.push(state));
    });
    return call;
  }

  /** Publishes one set of parameters after the other. Counts the outcomes. */
  async function publishRandomly(raw: RawClient, room: string, seed: number): Promise<Map<string, number>> {
    const outcomes = new Map<string, number>();
    const kept: string[] = [];
    const until = performance.now() + seconds * 1000;
    for (let number = 0; performance.now() < until; number++) {
      const [given] = fc.sample(rtpParameters, { seed: seed + number, numRuns: 1 });
      const reply = await publishAudio(raw, room, { rtpParameters: given });
      const outcome = reply.ok ? 'accepted' : reply.error!.code;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (!reply.ok) expect(refusals, JSON.stringify({ given, reply })).toContain(outcome);
      if (outcome === 'RATE_LIMITED') await pause(200);
      if (!reply.ok) continue;
      kept.push((reply.payload as { publication: { id: string } }).publication.id);
      if (kept.length <= keptPublications) continue;
      const ended = await raw.request('unpublish', { publicationId: kept.shift()! }, `room:${room}`);
      if (!ended.ok) kept.length = 0;
    }
    return outcomes;
  }

  test(
    'never make the browsers of two honest participants open media again, and a newcomer receives both',
    async () => {
      const room = await topology.api.newRoom('fuzz');
      const [ada, bob] = [await join(room, 'ada'), await join(room, 'bob')];
      await Promise.all([ada.receivesMediaOf('bob'), bob.receivesMediaOf('ada')]);
      await Promise.all([ada.watchFrames(), bob.watchFrames()]);
      const { raw } = await joinWithMedia(topology, room);
      const seed = Date.now() % 2 ** 31;
      console.log(`seed ${seed}`);
      const outcomes = await publishRandomly(raw, room, seed);
      console.log(Object.fromEntries(outcomes));
      // Parameters of both kinds were tried.
      expect(outcomes.get('accepted')).toBeGreaterThan(0);
      expect(outcomes.get('BAD_PAYLOAD')).toBeGreaterThan(0);
      for (const call of [ada, bob]) {
        for (const { of, longest, frames } of await call.takeFrameGaps())
          console.log(`${call.name}: ${frames} frames of ${of}, longest gap ${Math.round(longest)} ms`);
        expect(await call.page.evaluate(() => globalThis.mediaStates)).toEqual([]);
      }
      await Promise.all([ada.receivesMediaOf('bob'), bob.receivesMediaOf('ada')]);
      const carol = await join(room, 'carol');
      await Promise.all([carol.receivesMediaOf('ada'), carol.receivesMediaOf('bob')]);
      raw.close();
    },
    (seconds + 120) * 1000,
  );
});
