import { DtlsParameters, RtpCapabilities, RtpParameters } from '@flotilla/contracts';
import { testParser } from '@flotilla/testkit/fuzz';
import { expect } from 'vitest';

/** Members that are not put into a session description, so that any text may be in them. */
const freeText = new Set(['priority', 'networkPriority', 'fecMechanisms']);

/** What other clients put into a session description is one line of ASCII, and numbers are finite. */
function expectOneLine(value: unknown): void {
  if (typeof value === 'string') expect(value).toMatch(/^[ -~]{0,512}$/);
  if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    expect(key).toMatch(/^[!-~]{1,256}$/);
    if (!freeText.has(key)) expectOneLine(child);
  }
}

const schemas = {
  'rtp-parameters': RtpParameters,
  'rtp-capabilities': RtpCapabilities,
  'dtls-parameters': DtlsParameters,
};

for (const [name, schema] of Object.entries(schemas))
  testParser(`${name} of a client`, new URL(`corpus/${name}/`, import.meta.url), {
    outcomes: ['accepted', 'BAD_PAYLOAD'],
    maxBytes: 65_536,
    json: true,
    words: [
      ...[
        'video/VP8',
        'audio/opus',
        'video/rtx',
        'nack',
        'pli',
        'sha-256',
        'urn:ietf:params:rtp-hdrext:sdes:mid',
        'L1T3',
      ],
      ...['a b', 'a\r\na=candidate:1', 'a;apt=1', 'a=b', '{b5f1} {c6a2}', 'L1000000T1000000', '00:11', 'server'],
    ],
    outcomeOf: (input) => {
      let value: unknown;
      try {
        value = JSON.parse(input.toString());
      } catch {
        // Refused with the envelope that it is in.
        return 'BAD_PAYLOAD';
      }
      const parsed = schema.safeParse(value);
      if (!parsed.success) return 'BAD_PAYLOAD';
      expectOneLine(parsed.data);
      expect(schema.parse(parsed.data)).toEqual(parsed.data);
      return 'accepted';
    },
  });
