import { RtpParameters } from '@flotilla/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readDescription } from '../src/description.ts';
import { readIceFragment } from '../src/ice-fragment.ts';
import { Problem } from '../src/problem.ts';
import { publishParameters } from '../src/publish-parameters.ts';
import { fleet } from './fleet.ts';
import { chromiumOffer } from './offers.ts';

/** An offer with lines removed, repeated, moved, and with characters replaced. */
const mutated = fc
  .array(
    fc.record({
      line: fc.nat(200),
      change: fc.oneof(
        fc.constant('remove' as const),
        fc.constant('repeat' as const),
        fc.record({ at: fc.nat(80), text: fc.string({ unit: 'binary', maxLength: 6 }) }),
      ),
    }),
    { maxLength: 8 },
  )
  .map((changes) => {
    const lines = chromiumOffer('sendonly').split('\r\n');
    for (const { line, change } of changes) {
      const index = line % lines.length;
      const text = lines[index] ?? '';
      if (change === 'remove') lines.splice(index, 1);
      else if (change === 'repeat') lines.splice(index, 0, text);
      else lines[index] = text.slice(0, change.at) + change.text + text.slice(change.at + 1);
    }
    return lines.join('\r\n');
  });

describe('hostile session descriptions', () => {
  test('a mutated offer is read or refused with a 4xx, and nothing else is thrown', () => {
    fc.assert(
      fc.property(mutated, (offer) => {
        try {
          for (const section of readDescription(offer).sections) publishParameters(section, fleet);
        } catch (error) {
          expect(error).toBeInstanceOf(Problem);
          expect([400, 422]).toContain((error as Problem).status);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('an offer of 64 KiB of one repeated line is read in time proportional to its length', () => {
    for (const line of ['a=ssrc:1 cname:x', 'a=rid:x send', 'a=extmap:1 urn:x', 'm=audio 9 UDP/TLS/RTP/SAVPF 111']) {
      const offer = chromiumOffer('sendonly') + `${line}\r\n`.repeat(65_536 / line.length);
      expect(() => {
        try {
          readDescription(offer);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
        }
      }).not.toThrow();
    }
  });

  test.each([
    { name: 'rtcp-fb', line: 'a=rtcp-fb:96 nack pli' },
    { name: 'rtcp-fb of all payload types', line: 'a=rtcp-fb:* nack pli' },
    { name: 'fmtp', line: 'a=fmtp:96 x=1' },
    { name: 'rtpmap', line: 'a=rtpmap:96 VP8/90000' },
  ])('repeated payload types and lines of $name in 64 KiB make 128 codecs at most', ({ line }) => {
    const payloads = ' 96 97 127 128 1.5 999 -1'.repeat(32_768 / 25);
    const offer = chromiumOffer('sendonly')
      .replace(/^m=video .*$/m, (line) => line + payloads)
      .concat(`${line}\r\n`.repeat(32_768 / (line.length + 2)));
    const codecs = readDescription(offer).sections.flatMap((section) => section.codecs);
    const video = codecs.filter(({ mimeType }) => mimeType.startsWith('video/'));
    const payloadTypes = video.map(({ payloadType }) => payloadType);
    expect(payloadTypes).toContain(96);
    expect(new Set(payloadTypes).size).toBe(payloadTypes.length);
    expect(payloadTypes.length).toBeLessThanOrEqual(128);
    expect(Math.max(...video.map(({ rtcpFeedback }) => rtcpFeedback!.length))).toBeLessThanOrEqual(64);
  });

  test('of repeated simulcast streams and a=rid lines in 64 KiB, 8 streams at most are read', () => {
    const [rid, streams] = ['a=rid:h send\r\n', 'h;'.repeat(16_384)];
    const offer =
      chromiumOffer('sendonly') + rid.repeat(32_768 / rid.length) + `a=simulcast:send ${streams.slice(0, -1)}\r\n`;
    for (const { rids } of readDescription(offer).sections) expect(rids.length).toBeLessThanOrEqual(8);
  });

  test('a fragment is read or refused with 400', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(() => readIceFragment(text)).toThrow(expect.objectContaining({ status: 400 }));
      }),
    );
    expect(readIceFragment('a=ice-ufrag:ab\r\na=ice-pwd:cd\r\n')).toEqual({ iceUfrag: 'ab' });
  });

  test('what is read of an offer fits the grammar of the protocol', () => {
    const [audio] = readDescription(chromiumOffer('sendonly')).sections;
    expect(RtpParameters.safeParse(publishParameters(audio!, fleet)).success).toBe(true);
  });
});
