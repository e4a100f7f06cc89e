import type { Grant } from '@flotilla/contracts';
import { expect } from 'vitest';
import { RawClient, type Topology } from '@flotilla/testkit';
import { HonestPair } from './honest-pair.ts';
import type { HostileScenario } from './hostile-frames.ts';

const opus = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 };
export const audioParameters = { mid: '0', codecs: [opus], encodings: [{ ssrc: 1 }] };
const [encoding] = audioParameters.encodings;
let ssrcs = 100;

/** RTP parameters that a browser could not parse in a session description, or that would break it. */
const badAudio: readonly [string, object][] = [
  ['a blank in the cname', { ...audioParameters, rtcp: { cname: 'my mic' } }],
  ['a line break in the cname', { ...audioParameters, rtcp: { cname: 'a\r\na=candidate:1' } }],
  ['a blank in the mid', { ...audioParameters, mid: '0 1' }],
  ['an SSRC of 41 bits', { ...audioParameters, encodings: [{ ssrc: 2 ** 40 }] }],
  [
    'a scalability mode of a million layers',
    { ...audioParameters, encodings: [{ ...encoding, scalabilityMode: 'L1000000T1000000' }] },
  ],
  ['a line break in a codec parameter', { ...audioParameters, codecs: [{ ...opus, parameters: { stereo: '1\r\n' } }] }],
  ['a header extension with id 0', { ...audioParameters, headerExtensions: [{ uri: 'urn:a', id: 0 }] }],
];

/** A client without the SDK, in the room with a token of these grants or a given one, and with media as far as it may have it. */
export async function joinWithMedia(
  topology: Topology,
  room: string,
  grants?: readonly Grant[],
  given?: string,
): Promise<{
  readonly raw: RawClient;
  /** Undefined when no media was opened. */
  readonly subscribed: readonly string[] | undefined;
}> {
  const token = given ?? (await topology.api.issueToken(room, grants && { grants: [...grants] }));
  const raw = await RawClient.connect(topology.signalUrls[0]!, { token });
  const { rtpCapabilities } = (await raw.event('welcome')).payload;
  const reply = await raw.request('join', { room, rtpCapabilities });
  if (!reply.ok) throw new Error(`not joined: ${JSON.stringify(reply)}`);
  const { media } = reply.payload as { media?: { subscriptions: readonly { publicationId: string }[] } };
  return { raw, subscribed: media?.subscriptions.map(({ publicationId }) => publicationId) };
}

export const publishAudio = (raw: RawClient, room: string, changes: object = {}) =>
  raw.request(
    'publish',
    {
      kind: 'audio',
      source: 'microphone',
      muted: false,
      rtpParameters: { ...audioParameters, encodings: [{ ssrc: ++ssrcs }] },
      ...changes,
    },
    `room:${room}`,
  );

/** Media parameters that would break the receivers. */
export const hostileMedia: readonly HostileScenario[] = [
  {
    title: 'RTP parameters that browsers cannot parse are refused, and the room keeps receiving publications',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async () => {
        const room = await topology.api.newRoom('media');
        const { raw } = await joinWithMedia(topology, room);
        for (const [what, rtpParameters] of badAudio)
          expect(await publishAudio(raw, room, { rtpParameters }), what).toMatchObject({
            ok: false,
            error: { code: 'BAD_PAYLOAD' },
          });
        expect(await publishAudio(raw, room, { kind: 'video', source: 'camera' })).toMatchObject({
          ok: false,
          error: { code: 'MEDIA_UNSUPPORTED' },
        });
        const published = await publishAudio(raw, room);
        expect(published).toMatchObject({ ok: true });
        const { publication } = published.payload as { publication: { id: string } };
        const newcomer = await joinWithMedia(topology, room);
        expect(newcomer.subscribed).toEqual([publication.id]);
        raw.close();
        newcomer.raw.close();
      }),
  },
];
