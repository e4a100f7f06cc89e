import { RtpParameters } from '@flotilla/contracts';
import { describe, expect, test } from 'vitest';
import { readDescription } from '../src/description.ts';
import { publishParameters } from '../src/publish-parameters.ts';
import { fleet } from './fleet.ts';
import { chromiumOffer } from './offers.ts';

const parametersOf = (offer: string) =>
  readDescription(offer).sections.map((section) => publishParameters(section, fleet));

describe('RTP parameters of a WHIP offer', () => {
  test('have the first codec of the fleet, with the payload types, feedback and extension ids of the offer', () => {
    const [audio, video] = parametersOf(chromiumOffer('sendonly'));
    expect(audio).toMatchObject({
      mid: '0',
      codecs: [{ mimeType: 'audio/opus', payloadType: 111, parameters: { minptime: 10, useinbandfec: 1 } }],
      encodings: [{ ssrc: 1001 }],
      rtcp: { cname: 'abc' },
    });
    expect(video!.codecs).toEqual([
      {
        mimeType: 'video/VP8',
        payloadType: 96,
        clockRate: 90_000,
        parameters: {},
        rtcpFeedback: [
          { type: 'nack', parameter: '' },
          { type: 'nack', parameter: 'pli' },
        ],
      },
      { mimeType: 'video/rtx', payloadType: 97, clockRate: 90_000, parameters: { apt: 96 }, rtcpFeedback: [] },
    ]);
    expect(video!.headerExtensions!.map(({ id }) => id)).toEqual([3, 4, 10]);
    for (const each of [audio, video]) expect(RtpParameters.safeParse(each)).toMatchObject({ success: true });
  });

  test('have simulcast layers from the lowest to the highest: known names sorted, others as they are offered', () => {
    expect(parametersOf(chromiumOffer('sendonly'))[1]!.encodings).toEqual([{ rid: 'l' }, { rid: 'm' }, { rid: 'h' }]);
    const numbered = chromiumOffer('sendonly')
      .replaceAll('a=rid:h', 'a=rid:2')
      .replaceAll('a=rid:m', 'a=rid:0')
      .replaceAll('a=rid:l', 'a=rid:1')
      .replace('send h;m;l', 'send 2;~0,9;1');
    expect(parametersOf(numbered)[1]!.encodings).toEqual([{ rid: '2' }, { rid: '0' }, { rid: '1' }]);
  });

  test('take H.264 in a profile of the fleet alone, and retransmissions when their SSRC is known', () => {
    const offer = chromiumOffer('sendonly')
      .replace('96 97 102 108 109', '102 108 109')
      .replace(/a=rid[^]*$/, 'a=ssrc-group:FID 7 8\r\na=ssrc:7 cname:c\r\na=ssrc:8 cname:c\r\n');
    const [, video] = parametersOf(offer);
    expect(video!.codecs.map(({ payloadType }) => payloadType)).toEqual([108, 109]);
    expect(video!.encodings).toEqual([{ ssrc: 7, rtx: { ssrc: 8 } }]);
    const withoutRtxSsrc = offer.replace(/a=ssrc-group.*\r\n/, '').replace(/a=ssrc:8.*\r\n/, '');
    expect(parametersOf(withoutRtxSsrc)[1]!.codecs.map(({ payloadType }) => payloadType)).toEqual([108]);
  });

  test('have text also where an offer has a number, such as the canonical name or a single rid', () => {
    const offer = chromiumOffer('sendonly')
      .replace('cname:abc', 'cname:12')
      .replace('a=rid:h', 'a=rid:1')
      .replace('send h;m;l', 'send 1')
      .replace('fmtp:97 apt=96', 'fmtp:96 5');
    const [audio, video] = parametersOf(offer);
    expect(audio!.rtcp!.cname).toBe('12');
    expect(video!.encodings).toEqual([{ rid: '1' }]);
  });

  test('do not have a canonical name that other browsers cannot parse', () => {
    expect(parametersOf(chromiumOffer('sendonly').replace('cname:abc', 'cname:a b'))[0]!.rtcp!.cname).toBe('');
  });
});
