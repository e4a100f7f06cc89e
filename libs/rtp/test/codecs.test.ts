import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Depacketizer,
  type DepacketizerHandlers,
  H264Depacketizer,
  H264Packetizer,
  H265Depacketizer,
  H265Packetizer,
  type Packetizer,
  PacketPool,
  ReorderBuffer,
  RtpPacket,
  type RtpWriter,
  Vp8Depacketizer,
  Vp8Packetizer,
} from '../src/index.ts';
import { packetsOf, receive } from './streams.ts';

interface Picture {
  readonly isKeyFrame: boolean;
  /** What the packetiser takes, and the depacketiser returns. */
  readonly data: Buffer;
}

/** Bytes that have no start code in them, and do not end with a zero. */
const content = (maxLength: number) =>
  fc.uint8Array({ minLength: 1, maxLength }).map((bytes) => bytes.map((byte) => (byte === 0 ? 0x80 : byte)));
const unit = (header: readonly number[], bytes: Uint8Array) => Buffer.from([0, 0, 0, 1, ...header, ...bytes]);
const maxBytes = 400;

/** Slices begin with a set bit: they are the first of their picture. */
const h264Picture = (isKeyFrame: boolean): fc.Arbitrary<Picture> =>
  fc
    .tuple(content(20), content(20), content(maxBytes), fc.array(content(60), { maxLength: 3 }))
    .map(([sps, pps, first, others]) => {
      const type = isKeyFrame ? 0x65 : 0x41;
      const sets = isKeyFrame ? [unit([0x67], sps), unit([0x68], pps)] : [];
      const slices = [unit([type, 0x88], first), ...others.map((bytes) => unit([type, 0x40], bytes))];
      return { isKeyFrame, data: Buffer.concat([...sets, ...slices]) };
    });
const h265Picture = (isKeyFrame: boolean): fc.Arbitrary<Picture> =>
  fc
    .tuple(content(20), content(20), content(maxBytes), fc.array(content(60), { maxLength: 3 }))
    .map(([vps, sps, first, others]) => {
      const type = (isKeyFrame ? 19 : 1) << 1;
      const sets = isKeyFrame ? [unit([32 << 1, 1], vps), unit([33 << 1, 1], sps)] : [];
      const slices = [unit([type, 1, 0x80], first), ...others.map((bytes) => unit([type, 1, 0x40], bytes))];
      return { isKeyFrame, data: Buffer.concat([...sets, ...slices]) };
    });
const vp8Picture = (isKeyFrame: boolean): fc.Arbitrary<Picture> =>
  content(maxBytes).map((bytes) => ({
    isKeyFrame,
    data: Buffer.concat([
      isKeyFrame ? Buffer.from([0x50, 0, 0, 0x9d, 1, 0x2a, 64, 1, 240, 0]) : Buffer.from([0x51]),
      bytes,
    ]),
  }));

const codecs: readonly {
  name: string;
  picture: (isKeyFrame: boolean) => fc.Arbitrary<Picture>;
  packetizer: (writer: RtpWriter) => Packetizer;
  depacketizer: (handlers: DepacketizerHandlers) => Depacketizer;
}[] = [
  {
    name: 'H.264',
    picture: h264Picture,
    packetizer: (writer) => new H264Packetizer(writer),
    depacketizer: (handlers) => new H264Depacketizer(handlers),
  },
  {
    name: 'H.265',
    picture: h265Picture,
    packetizer: (writer) => new H265Packetizer(writer),
    depacketizer: (handlers) => new H265Depacketizer(handlers),
  },
  {
    name: 'VP8',
    picture: vp8Picture,
    packetizer: (writer) => new Vp8Packetizer(writer),
    depacketizer: (handlers) => new Vp8Depacketizer(handlers),
  },
];

const ticks = 3000;

describe.each(codecs)('$name in RTP', ({ picture, packetizer, depacketizer }) => {
  const stream = fc
    .array(fc.oneof({ weight: 1, arbitrary: picture(true) }, { weight: 3, arbitrary: picture(false) }), {
      maxLength: 12,
    })
    .chain((rest) => picture(true).map((first) => [first, ...rest]));
  const sizes = fc.integer({ min: 30, max: 300 });
  const packetize = (pictures: readonly Picture[], maxPayloadBytes: number): Buffer[] =>
    packetsOf(
      (writer) => {
        const packets = packetizer(writer);
        for (const [at, { data }] of pictures.entries()) packets.write(data, (4_294_960_000 + at * ticks) >>> 0);
      },
      { maxPayloadBytes },
    );
  const asFrames = (pictures: readonly Picture[]) =>
    pictures.map(({ data, isKeyFrame }, at) => ({
      data: data.toString('hex'),
      isKeyFrame,
      isComplete: true,
      rtpTimestamp: (4_294_960_000 + at * ticks) >>> 0,
    }));

  it('returns the same frames when all packets arrive in order, and no packet exceeds the limit', () => {
    fc.assert(
      fc.property(stream, sizes, (pictures, maxPayloadBytes) => {
        const packets = packetize(pictures, maxPayloadBytes);
        expect(Math.max(...packets.map(({ length }) => length))).toBeLessThanOrEqual(maxPayloadBytes + 12);
        const { frames, depacketizer: used } = receive(packets, depacketizer);
        expect(frames).toEqual(asFrames(pictures));
        expect(used.malformedPackets + used.droppedFrames).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('returns the same frames when packets are reordered or doubled', () => {
    fc.assert(
      fc.property(stream, sizes, fc.array(fc.nat(6), { maxLength: 200 }), (pictures, maxPayloadBytes, jumps) => {
        const packets = packetize(pictures, maxPayloadBytes);
        const order = packets
          .map((packet, at) => ({ packet, at: at === 0 ? -1 : at + (jumps[at] ?? 0) }))
          .flatMap((one) => (one.at % 5 === 0 ? [one, one] : [one]))
          .sort((a, b) => a.at - b.at);
        const ordered: Buffer[] = [];
        const pool = new PacketPool();
        const buffer = new ReorderBuffer(pool, ({ bytes, length }) =>
          ordered.push(Buffer.from(bytes.subarray(0, length))),
        );
        const view = new RtpPacket();
        for (const { packet } of order) if (view.parse(packet)) buffer.push(view, 0);
        buffer.flush();
        expect(pool.free).toBe(pool.created);
        expect(receive(ordered, depacketizer).frames).toEqual(asFrames(pictures));
      }),
      { numRuns: 60 },
    );
  });

  it('returns only whole frames whose references arrived, and asks for a key frame, when packets are lost', () => {
    fc.assert(
      fc.property(
        stream,
        sizes,
        fc.array(fc.nat(8), { minLength: 1, maxLength: 300 }),
        (pictures, maxPayloadBytes, dice) => {
          const packets = packetize(pictures, maxPayloadBytes);
          const isLost = (at: number) => dice[at % dice.length] === 0;
          const { frames, requests } = receive(
            packets.filter((_, at) => !isLost(at)),
            depacketizer,
          );
          const sent = asFrames(pictures);
          // Each frame is one that was sent, and the one before it too unless it is a key frame.
          let before = -1;
          for (const frame of frames) {
            const at = sent.findIndex(({ rtpTimestamp }) => rtpTimestamp === frame.rtpTimestamp);
            expect(frame).toEqual(sent[at]);
            expect(at).toBeGreaterThan(before);
            if (!frame.isKeyFrame) expect(at).toBe(before + 1);
            before = at;
          }
          // Something arrived after the loss.
          if (frames.length < sent.length && !isLost(packets.length - 1)) expect(requests).toBeGreaterThan(0);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('drops a frame that is larger than its limit, and asks for a key frame', () => {
    const large = codecs.find(({ depacketizer: one }) => one === depacketizer)!;
    const [first] = fc.sample(large.picture(true), 1);
    const limited = receive(packetize([first!], 300), (handlers) => {
      const options = { maxFrameBytes: first!.data.length - 1 };
      if (large.name === 'VP8') return new Vp8Depacketizer(handlers, options);
      return large.name === 'H.264' ? new H264Depacketizer(handlers, options) : new H265Depacketizer(handlers, options);
    });
    expect(limited.frames).toEqual([]);
    expect(limited.depacketizer.droppedFrames).toBe(1);
    expect(limited.requests).toBeGreaterThan(0);
  });
});

describe('a depacketiser that delivers incomplete frames', () => {
  const parts = [7, 8, 9].map((byte) => Buffer.alloc(100, byte));
  const key = Buffer.concat([unit([0x67], Buffer.of(1)), unit([0x65, 0x88], parts[0]!), unit([0x65, 0x40], parts[1]!)]);

  it('has the units of H.264 that arrived whole, without a part of another one', () => {
    const packets = packetsOf((writer) => new H264Packetizer(writer).write(key, 90), { maxPayloadBytes: 80 });
    // The second slice is in two fragments. Its last one is lost, and the next frame ends this one.
    const next = packetsOf((writer) => new H264Packetizer(writer).write(unit([0x41, 0x88], parts[2]!), 3090), {
      sequenceNumber: (65_530 + packets.length) & 0xff_ff,
    });
    const { frames } = receive(
      [...packets.slice(0, -1), ...next],
      (handlers) => new H264Depacketizer(handlers, { deliversIncomplete: true }),
    );
    expect(frames[0]).toEqual({
      data: Buffer.concat([unit([0x67], Buffer.of(1)), unit([0x65, 0x88], parts[0]!)]).toString('hex'),
      isComplete: false,
      isKeyFrame: false,
      rtpTimestamp: 90,
    });
  });

  it('has the part of a VP8 frame before the loss', () => {
    const frame = Buffer.concat([Buffer.from([0x50, 0, 0, 0x9d, 1, 0x2a, 64, 1, 240, 0]), parts[0]!]);
    const packets = packetsOf((writer) => new Vp8Packetizer(writer).write(frame, 90), { maxPayloadBytes: 44 });
    const { frames } = receive(
      packets.toSpliced(1, 1),
      (handlers) => new Vp8Depacketizer(handlers, { deliversIncomplete: true }),
    );
    expect(frames).toEqual([
      { data: frame.subarray(0, 40).toString('hex'), isComplete: false, isKeyFrame: false, rtpTimestamp: 90 },
    ]);
  });
});

describe('parameter sets of the SDP', () => {
  it('precede key frames of H.264 that have none', () => {
    const sets = Buffer.concat([unit([0x67], Buffer.of(1)), unit([0x68], Buffer.of(2))]);
    const slice = unit([0x65, 0x88], Buffer.of(3));
    const packets = packetsOf((writer) => new H264Packetizer(writer).write(slice, 90));
    const { frames } = receive(packets, (handlers) => new H264Depacketizer(handlers, { parameterSets: sets }));
    expect(frames.map(({ data }) => data)).toEqual([Buffer.concat([sets, slice]).toString('hex')]);
  });
});
