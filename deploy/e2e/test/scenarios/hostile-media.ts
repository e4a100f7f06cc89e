import { expect } from 'vitest';
import { audioParameters, joinWithMedia, opusCodec, publishAudio } from '@flotilla/testkit';
import { HonestPair } from './honest-pair.ts';
import type { HostileScenario } from './hostile-frames.ts';

const [encoding] = audioParameters.encodings;

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
  [
    'a line break in a codec parameter',
    { ...audioParameters, codecs: [{ ...opusCodec, parameters: { stereo: '1\r\n' } }] },
  ],
  ['a header extension with id 0', { ...audioParameters, headerExtensions: [{ uri: 'urn:a', id: 0 }] }],
];

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
