import { rtpPacket, type RtpStream } from './rtp.ts';

const clockRate = 48_000;
/** The id of the header extension that says how loud it is, RFC 6464. */
export const levelExtensionId = 1;
/** Code 0, one frame of 20 ms, CELT only, mono (RFC 6716, section 3.1); a frame of zeros decodes to silence or close to it. */
const tableOfContents = 0xf8;

/** An Opus stream of 20 ms packets. */
export class OpusSource {
  readonly everyMs = 20;
  readonly #payloadBytes: number;
  readonly #level: number;

  /** @param level how loud it says it is, in -dBov: 0 is the loudest, 127 silence. */
  constructor(
    readonly stream: RtpStream,
    { bitsPerSecond = 32_000, level = 30 }: { bitsPerSecond?: number; level?: number } = {},
  ) {
    this.#payloadBytes = Math.max(3, Math.round((bitsPerSecond / 8 / 1000) * this.everyMs));
    this.#level = level;
  }

  requestKeyFrame(): void {
    // Every packet stands alone.
  }

  /** The next packet. */
  next(): Buffer[] {
    const { packet, start } = rtpPacket(this.stream, {
      marker: false,
      payloadBytes: this.#payloadBytes,
      // With the voice flag in front.
      extension: { id: levelExtensionId, value: 0x80 | this.#level },
    });
    packet[start] = tableOfContents;
    this.stream.timestamp = (this.stream.timestamp + (clockRate * this.everyMs) / 1000) >>> 0;
    return [packet];
  }
}
