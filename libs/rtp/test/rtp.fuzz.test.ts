import { testParser } from '@flotilla/testkit/fuzz';
import { expect } from 'vitest';
import {
  type Depacketizer,
  type DepacketizerHandlers,
  H264Depacketizer,
  h264Parameters,
  H265Depacketizer,
  h265Parameters,
  type MediaFrame,
  readRtcp,
  RtpPacket,
  unitsOf,
  type VideoParameters,
  Vp8Depacketizer,
  vp8Size,
} from '../src/index.ts';

/** An IPv4 datagram. */
const maxBytes = 65_507;
const corpus = (name: string) => new URL(`corpus/${name}/`, import.meta.url);

testParser('RTP packet', corpus('rtp'), {
  outcomes: ['accepted', 'refused'],
  maxBytes,
  bounds: { cpuMs: 10, allocatedBytes: 2 ** 20 },
  outcomeOf: (input) => {
    const packet = new RtpPacket();
    if (!packet.parse(input)) return 'refused';
    expect(packet.payloadStart).toBeGreaterThanOrEqual(12);
    expect(packet.payloadEnd).toBeGreaterThanOrEqual(packet.payloadStart);
    expect(packet.payloadEnd).toBeLessThanOrEqual(input.length);
    for (let id = 0; id < 16; id++) {
      const data = packet.extension(id);
      if (!data) continue;
      expect(data.length).toBeGreaterThanOrEqual(1);
      expect(data.length).toBeLessThanOrEqual(16);
    }
    return 'accepted';
  },
});

testParser('RTCP compound packet', corpus('rtcp'), {
  outcomes: ['messages', 'nothing'],
  maxBytes,
  outcomeOf: (input) => {
    const messages = [...readRtcp(input)];
    // Each takes 4 bytes at least.
    expect(messages.length).toBeLessThanOrEqual(input.length / 4);
    for (const message of messages)
      if (message.type === 'sender report') expect(Number.isFinite(message.unixMs)).toBe(true);
    return messages.length > 0 ? 'messages' : 'nothing';
  },
});

/** The packets of an input: each is behind its length of two bytes. */
function* packetsIn(input: Buffer): Generator<Buffer> {
  for (let at = 0; at + 2 <= input.length;) {
    const end = at + 2 + input.readUInt16BE(at);
    yield input.subarray(at + 2, end);
    at = end;
  }
}

function testDepacketizer(
  name: string,
  folder: string,
  create: (handlers: DepacketizerHandlers, options: { maxFrameBytes: number }) => Depacketizer,
  check: (frame: MediaFrame) => void,
): void {
  const maxFrameBytes = 20_000;
  testParser(name, corpus(folder), {
    outcomes: ['frames', 'no frame'],
    maxBytes,
    outcomeOf: (input) => {
      let frames = 0;
      let isFirst = true;
      const depacketizer = create(
        {
          onFrame: (frame) => {
            frames++;
            expect(frame.isComplete).toBe(true);
            expect(frame.isKeyFrame || !isFirst).toBe(true);
            isFirst = false;
            expect(frame.data.length).toBeGreaterThan(0);
            expect(frame.data.length).toBeLessThanOrEqual(Math.min(maxFrameBytes, 4 * input.length));
            check(frame);
          },
        },
        { maxFrameBytes },
      );
      const packet = new RtpPacket();
      for (const bytes of packetsIn(input)) if (packet.parse(bytes)) depacketizer.push(packet);
      return frames > 0 ? 'frames' : 'no frame';
    },
  });
}

testDepacketizer(
  'H.264 payloads',
  'h264',
  (handlers, options) => new H264Depacketizer(handlers, options),
  ({ data }) => expect(data.subarray(0, 4).toString('hex')).toBe('00000001'),
);
testDepacketizer(
  'H.265 payloads',
  'h265',
  (handlers, options) => new H265Depacketizer(handlers, options),
  ({ data }) => expect(data.subarray(0, 4).toString('hex')).toBe('00000001'),
);
testDepacketizer(
  'VP8 payloads',
  'vp8',
  (handlers, options) => new Vp8Depacketizer(handlers, options),
  ({ data, isKeyFrame }) => expect(vp8Size(data) !== undefined).toBe(isKeyFrame),
);

function testParameters(
  name: string,
  folder: string,
  parse: (accessUnit: Buffer) => VideoParameters | undefined,
): void {
  testParser(name, corpus(folder), {
    outcomes: ['accepted', 'refused'],
    maxBytes,
    outcomeOf: (input) => {
      const found = parse(input);
      if (!found) return 'refused';
      for (const side of [found.width, found.height]) {
        expect(side).toBeGreaterThan(0);
        expect(side).toBeLessThanOrEqual(16_384);
      }
      expect(unitsOf(found.parameterSets).length).toBeGreaterThan(0);
      expect(parse(found.parameterSets)).toEqual(found);
      return 'accepted';
    },
  });
}

testParameters('H.264 parameter sets', 'h264-parameters', h264Parameters);
testParameters('H.265 parameter sets', 'h265-parameters', h265Parameters);
