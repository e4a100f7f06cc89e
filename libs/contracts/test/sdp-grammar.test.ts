import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DtlsParameters, RtpCapabilities, RtpParameters } from '../src/index.ts';

const codec = { mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000 };
const good = {
  mid: '0',
  msid: '{b5f1} {c6a2}',
  codecs: [
    { ...codec, parameters: { 'x-google-start-bitrate': 1000 }, rtcpFeedback: [{ type: 'nack', parameter: 'pli' }] },
    { mimeType: 'video/rtx', payloadType: 97, clockRate: 90_000, parameters: { apt: 96 } },
  ],
  headerExtensions: [{ uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', id: 4 }],
  encodings: [{ rid: 'r0', ssrc: 4_294_967_295, scalabilityMode: 'L1T3', rtx: { ssrc: 1 } }],
  rtcp: { cname: '{user}@host', reducedSize: true },
};
const [encoding] = good.encodings;

describe('RTP parameters of a client', () => {
  test.each([
    ['of a browser', good],
    ['without optional members', { codecs: [codec] }],
    [
      'of H.264 with parameter sets',
      withCodec({ parameters: { 'sprop-parameter-sets': 'Z0IAH5WoFAFuQA==,aM48gA==' } }),
    ],
    ['of RED, whose parameter has no value', withCodec({ parameters: { '111/111': null } })],
    ['with a stream of no name', { ...good, msid: '- {c6a2}' }],
    ['of simulcast by RID, whose cname browsers leave empty', { ...good, rtcp: { cname: '', reducedSize: true } }],
  ])('%s are accepted', (_, parameters) => {
    expect(RtpParameters.safeParse(parameters).error).toBeUndefined();
  });

  const badTexts = ['my mic', 'a\r\na=candidate:1', 'a\nb', '\0', 'é', '\u{1F600}', '', 'a'.repeat(300)];
  test.each(badTexts)('with %j in a place of the session description are refused', (text) => {
    for (const parameters of [
      { ...good, mid: text },
      { ...good, encodings: [{ ...encoding, rid: text }] },
      { ...good, encodings: [{ ...encoding, scalabilityMode: text }] },
      { ...good, headerExtensions: [{ uri: text, id: 4 }] },
      withCodec({ mimeType: text }),
      withCodec({ mimeType: `video/${text}` }),
      withCodec({ parameters: { [text]: 1 } }),
      withCodec({ rtcpFeedback: [{ type: text }] }),
      ...(text === '' ? [] : [{ ...good, rtcp: { cname: text } }, withCodec({ parameters: { key: text } })]),
    ])
      expect(RtpParameters.safeParse(parameters).success, JSON.stringify(parameters)).toBe(false);
  });

  test.each([
    ['a parameter that adds another', withCodec({ parameters: { key: 'a;apt=1' } })],
    ['an msid of three parts', { ...good, msid: 'a b c' }],
    ['an SSRC of more than 32 bits', { ...good, encodings: [{ ssrc: 2 ** 40 }] }],
    ['an RTX SSRC of more than 32 bits', { ...good, encodings: [{ rtx: { ssrc: 2 ** 32 } }] }],
    ['a bit rate of more than 32 bits', { ...good, encodings: [{ maxBitrate: 2 ** 40 }] }],
    ['a scalability mode of a million layers', { ...good, encodings: [{ scalabilityMode: 'L1000000T1000000' }] }],
    ['a header extension with id 0', { ...good, headerExtensions: [{ uri: 'urn:a', id: 0 }] }],
    ['a payload type of 128', withCodec({ payloadType: 128 })],
    ['a clock rate of 0', withCodec({ clockRate: 0 })],
    ['a media type of neither audio nor video', withCodec({ mimeType: 'text/html' })],
  ])('with %s are refused', (_, parameters) => {
    expect(RtpParameters.safeParse(parameters).success).toBe(false);
  });

  test('that are accepted put no line break and no space into an attribute', () => {
    const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string());
    fc.assert(
      fc.property(anyText, (text) => {
        const { success } = RtpParameters.safeParse({ ...good, mid: text, rtcp: { cname: text } });
        expect(success && /[^!-~]/.test(text)).toBe(false);
      }),
    );
  });
});

describe('RTP capabilities of a client', () => {
  test.each([
    ['a codec of neither kind', { codecs: [{ kind: 'video', mimeType: 'x y', clockRate: 90_000 }] }],
    [
      'a header extension with a line break',
      { headerExtensions: [{ kind: 'audio', uri: 'urn:a\r\nb', preferredId: 1 }] },
    ],
    ['a header extension with id 0', { headerExtensions: [{ kind: 'audio', uri: 'urn:a', preferredId: 0 }] }],
  ])('with %s are refused', (_, capabilities) => {
    expect(RtpCapabilities.safeParse(capabilities).success).toBe(false);
  });
});

describe('a certificate fingerprint', () => {
  const hash = (bytes: number, byte = 'A7'): string => Array.from({ length: bytes }, () => byte).join(':');
  const accepts = (algorithm: string, value: string): boolean =>
    DtlsParameters.safeParse({ fingerprints: [{ algorithm, value }] }).success;

  test('has as many bytes as its hash function', () => {
    const sizes = { 'sha-1': 20, 'sha-224': 28, 'sha-256': 32, 'sha-384': 48, 'sha-512': 64 };
    for (const [algorithm, bytes] of Object.entries(sizes)) {
      expect(accepts(algorithm, hash(bytes))).toBe(true);
      expect(accepts(algorithm, hash(bytes - 1))).toBe(false);
      expect(accepts(algorithm, hash(bytes + 1))).toBe(false);
    }
  });

  test.each(['zz', hash(32, 'zz'), hash(32, 'a7'), hash(32).replaceAll(':', ' '), `${hash(31)}\r\n`])(
    'of the form %j is refused',
    (value) => {
      expect(accepts('sha-256', value)).toBe(false);
    },
  );
});

function withCodec(changes: object): object {
  return { ...good, codecs: [{ ...codec, ...changes }] };
}
