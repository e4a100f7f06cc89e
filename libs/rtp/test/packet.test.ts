import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headerBytes, isRtcp, RtpPacket, writeHeader } from '../src/index.ts';

const header = fc.record({
  marker: fc.boolean(),
  payloadType: fc.integer({ min: 0, max: 127 }),
  sequenceNumber: fc.integer({ min: 0, max: 0xff_ff }),
  timestamp: fc.integer({ min: 0, max: 0xff_ff_ff_ff }),
  ssrc: fc.integer({ min: 0, max: 0xff_ff_ff_ff }),
});
const extensions = fc.uniqueArray(
  fc.record({ id: fc.integer({ min: 1, max: 14 }), data: fc.uint8Array({ minLength: 1, maxLength: 16 }) }),
  { selector: ({ id }) => id, maxLength: 5 },
);

describe('RTP header', () => {
  it('is the same after it was written and parsed, with its extensions', () => {
    fc.assert(
      fc.property(header, extensions, fc.uint8Array({ maxLength: 40 }), (fields, list, payload) => {
        const bytes = Buffer.alloc(headerBytes(list) + payload.length);
        const start = writeHeader(bytes, fields, list);
        bytes.set(payload, start);
        const packet = new RtpPacket();
        expect(packet.parse(bytes)).toBe(true);
        expect(packet).toMatchObject(fields);
        expect(packet.payload()).toEqual(Buffer.from(payload));
        for (const { id, data } of list) expect(packet.extension(id)).toEqual(Buffer.from(data));
        expect(packet.extension(15)).toBeUndefined();
      }),
    );
  });

  it.each([
    ['an id of 0', { id: 0, data: new Uint8Array(1) }],
    ['an id of 15', { id: 15, data: new Uint8Array(1) }],
    ['no data', { id: 1, data: new Uint8Array(0) }],
    ['17 bytes of data', { id: 1, data: new Uint8Array(17) }],
  ])('refuses an extension with %s', (_, extension) => {
    const fields = { marker: false, payloadType: 96, sequenceNumber: 1, timestamp: 1, ssrc: 1 };
    expect(() => writeHeader(Buffer.alloc(100), fields, [extension])).toThrow(RangeError);
  });

  it('leaves padding out of the payload', () => {
    const bytes = Buffer.from('a0600001000000010000000101020003', 'hex');
    const packet = new RtpPacket();
    expect(packet.parse(bytes)).toBe(true);
    expect(packet.payload().toString('hex')).toBe('01');
  });

  it('is distinguished from RTCP by the second byte', () => {
    expect(isRtcp(Buffer.of(0x80, 200))).toBe(true);
    expect(isRtcp(Buffer.of(0x80, 96 | 0x80))).toBe(false);
  });
});
