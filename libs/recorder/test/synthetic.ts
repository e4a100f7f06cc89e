import {
  H264Packetizer,
  H265Packetizer,
  OpusPacketizer,
  type Packetizer,
  PacketPool,
  RtpWriter,
  Vp8Packetizer,
} from '@flotilla/rtp';
import type { TrackFeed } from '../src/index.ts';

const frameMs = 40;
const clockRate = 90_000;
const pool = new PacketPool();

/** A key frame of VP8 by its header, with undecodable content. */
export const vp8Frame = (isKeyFrame: boolean, bytes = 100, width = 320): Buffer =>
  Buffer.concat([
    isKeyFrame ? Buffer.from([0x50, 0, 0, 0x9d, 1, 0x2a, width & 255, width >> 8, 240, 0]) : Buffer.of(0x51),
    Buffer.alloc(bytes, 7),
  ]);

const packetizers = {
  vp8: (writer: RtpWriter): Packetizer => new Vp8Packetizer(writer),
  h264: (writer: RtpWriter): Packetizer => new H264Packetizer(writer),
  h265: (writer: RtpWriter): Packetizer => new H265Packetizer(writer),
  opus: (writer: RtpWriter): Packetizer => new OpusPacketizer(writer),
};

/** A publisher: 25 frames a second by its timestamps, as fast as it is called. */
export class Publisher {
  readonly #packetizer: Packetizer;
  #frames = 0;

  constructor(
    private readonly feed: TrackFeed,
    readonly ssrc: number,
    private readonly startMs: number,
    codec: keyof typeof packetizers = 'vp8',
  ) {
    const writer = new RtpWriter({ ssrc, payloadType: 96, sequenceNumber: ssrc & 0xff_ff, pool }, ({ bytes, length }) =>
      this.feed.packet(bytes.subarray(0, length), this.#now),
    );
    this.#packetizer = packetizers[codec](writer);
  }

  get #now(): number {
    return this.startMs + this.#frames * frameMs;
  }

  report(): void {
    this.feed.senderReport({ ssrc: this.ssrc, unixMs: this.#now, rtpTimestamp: this.#timestamp });
  }

  get #timestamp(): number {
    return ((this.ssrc << 16) + (this.#frames * frameMs * clockRate) / 1000) >>> 0;
  }

  send(...frames: readonly Buffer[]): void {
    for (const frame of frames) {
      this.#packetizer.write(frame, this.#timestamp);
      this.#frames++;
    }
  }

  /** Sends nothing for some frames. */
  pause(frames: number): void {
    this.#frames += frames;
  }
}
