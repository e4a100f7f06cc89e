import { rtpPacket, type RtpStream } from './rtp.ts';

/**
 * Two frames of a blue picture of 320 by 240, as libvpx encodes them: one that stands alone, and one that says "as before" and so
 * may follow the first any number of times. A decoder stops reading where the picture is complete, so what is appended to
 * them makes the bit rate and does no harm.
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
  /** Of payload; frames are not smaller than what the picture needs. Default 240,000: a packet a frame. */
  readonly bitsPerSecond?: number;
}

/** A VP8 stream that a browser decodes: a still picture at a steady frame rate and bit rate, with key frames when asked for. */
export class Vp8Source {
  readonly everyMs: number;
  readonly #frameBytes: number;
  #keyFrameWanted = true;
  #pictureId = 0;

  constructor(
    readonly stream: RtpStream,
    { framesPerSecond = 30, bitsPerSecond = 240_000 }: Vp8Options = {},
  ) {
    this.everyMs = 1000 / framesPerSecond;
    this.#frameBytes = Math.round(bitsPerSecond / 8 / framesPerSecond);
  }

  requestKeyFrame(): void {
    this.#keyFrameWanted = true;
  }

  /** The packets of the next frame. */
  next(): Buffer[] {
    const encoded = this.#keyFrameWanted ? keyFrame : sameFrame;
    this.#keyFrameWanted = false;
    const bytes = Math.max(encoded.length, this.#frameBytes);
    const packets: Buffer[] = [];
    for (let from = 0; from < bytes; from += maxPayloadBytes) {
      const size = Math.min(maxPayloadBytes, bytes - from);
      const { packet, start } = rtpPacket(this.stream, {
        marker: from + size === bytes,
        payloadBytes: descriptorBytes + size,
      });
      // X, and S where the frame begins.
      packet[start] = 0x80 | (from === 0 ? 0x10 : 0);
      packet[start + 1] = 0x80;
      packet.writeUInt16BE(0x80_00 | this.#pictureId, start + 2);
      if (from < encoded.length) encoded.copy(packet, start + descriptorBytes, from);
      packets.push(packet);
    }
    this.#pictureId = (this.#pictureId + 1) & 0x7f_ff;
    this.stream.timestamp = (this.stream.timestamp + Math.round((clockRate * this.everyMs) / 1000)) >>> 0;
    return packets;
  }
}
