import { rtpPacket, type RtpStream } from '@flotilla/edge-peer';

const clockRate = 48_000;
/** Id of the audio level header extension, RFC 6464. */
export const levelExtensionId = 1;
/** TOC byte: code 0, one frame of 20 ms, CELT only, mono (RFC 6716, section 3.1). A frame of zeros decodes to near silence. */
const tableOfContents = 0xf8;

/** An Opus stream of 20 ms packets. */
export class OpusSource {
  readonly intervalMs = 20;
  readonly #payloadBytes: number;
  readonly #level: number;

  /** @param level audio level in -dBov: 0 is the loudest, 127 silence. */
  constructor(
    readonly stream: RtpStream,
    { bitsPerSecond = 32_000, level = 30 }: { bitsPerSecond?: number; level?: number } = {},
  ) {
    this.#payloadBytes = Math.max(3, Math.round((bitsPerSecond / 8 / 1000) * this.intervalMs));
    this.#level = level;
  }

  requestKeyFrame(): void {
    // Every Opus packet is independently decodable.
  }

  /** The next packet. */
  next(): Buffer[] {
    const { packet, start } = rtpPacket(this.stream, {
      marker: false,
      payloadBytes: this.#payloadBytes,
      // The voice activity flag is the highest bit.
      extension: { id: levelExtensionId, value: 0x80 | this.#level },
    });
    packet[start] = tableOfContents;
    this.stream.timestamp = (this.stream.timestamp + (clockRate * this.intervalMs) / 1000) >>> 0;
    return [packet];
  }
}
