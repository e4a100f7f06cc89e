import { rtpPacket, type RtpStream } from '@flotilla/edge-peer';

/**
 * Two frames of a blue picture of 320 by 240, encoded by libvpx: a key frame, and an inter frame without changes, which may follow
 * any number of times. A decoder ignores bytes after the end of the picture, so padding sets the bit rate.
 */
const keyFrame = Buffer.from(
  '5013009d012a4001f000391100011c240c2c2c442c2440100013ad501fc01034342b43a432565c921797a5dd2192b2e490bcbd2ee90c95972485e5e97' +
    '74864acb9242f2f4bba432565c921797a5dd2192b2e490bcbd2ee90c95972485e5e9774864acb9242f2f4bba432565c921797a5dd2192b2e490bcbd2e' +
    'e90c95972485e5cc0fefa795fff7ed2f7da5efb4bfd7b7ff3f33bb717f398',
  'hex',
);
const sameFrame = Buffer.from(
  'b10500e34bdfb87467af104f4fae8f2fde3f801fc06160bfd00021f8c92d093198d5c09e005ae79df3d73cef9eb9e68000',
  'hex',
);

const clockRate = 90_000;
const maxPayloadBytes = 1100;
/** RFC 7741, section 4.2: extended, with a picture id of 15 bits. */
const descriptorBytes = 4;

export interface Vp8Options {
  /** Default 30. */
  readonly framesPerSecond?: number;
  /** Bit rate of the payload; the encoded picture is a lower bound. Default 240,000: one packet per frame. */
  readonly bitsPerSecond?: number;
}

/** A VP8 stream that browsers decode: a still picture at a constant frame rate and bit rate, with key frames on request. */
export class Vp8Source {
  readonly intervalMs: number;
  readonly #frameBytes: number;
  #keyFrameRequested = true;
  #pictureId = 0;

  constructor(
    readonly stream: RtpStream,
    { framesPerSecond = 30, bitsPerSecond = 240_000 }: Vp8Options = {},
  ) {
    this.intervalMs = 1000 / framesPerSecond;
    this.#frameBytes = Math.round(bitsPerSecond / 8 / framesPerSecond);
  }

  requestKeyFrame(): void {
    this.#keyFrameRequested = true;
  }

  /** The packets of the next frame. */
  next(): Buffer[] {
    const encoded = this.#keyFrameRequested ? keyFrame : sameFrame;
    this.#keyFrameRequested = false;
    const bytes = Math.max(encoded.length, this.#frameBytes);
    const packets: Buffer[] = [];
    for (let from = 0; from < bytes; from += maxPayloadBytes) {
      const size = Math.min(maxPayloadBytes, bytes - from);
      const { packet, start } = rtpPacket(this.stream, {
        marker: from + size === bytes,
        payloadBytes: descriptorBytes + size,
      });
      // The X bit, and the S bit in the first packet of a frame.
      packet[start] = 0x80 | (from === 0 ? 0x10 : 0);
      packet[start + 1] = 0x80;
      packet.writeUInt16BE(0x80_00 | this.#pictureId, start + 2);
      if (from < encoded.length) encoded.copy(packet, start + descriptorBytes, from);
      packets.push(packet);
    }
    this.#pictureId = (this.#pictureId + 1) & 0x7f_ff;
    this.stream.timestamp = (this.stream.timestamp + Math.round((clockRate * this.intervalMs) / 1000)) >>> 0;
    return packets;
  }
}
