import { createSocket } from 'node:dgram';
import type { PlainTransport } from 'mediasoup/types';

/** A layer that is sent: kbit/s, and lines of the picture. */
export interface SentLayer {
  readonly kbps: number;
  readonly lines: number;
}

const framesPerSecond = 15;
/** A key frame has so many times the bytes of the others. */
const keyFrameFactor = 4;
const maxPayloadBytes = 1100;
const headerBytes = 12;
/** Payload descriptor of 6 bytes (RFC 7741 section 4.2), the first byte of a frame, then what `frameOf` reads. */
const prefixBytes = 10;
/** Temporal layers of four frames, as libwebrtc sends three layers. */
const pattern = [0, 2, 1, 2] as const;

/** What a packet of a GallerySource is part of. */
export interface FramePart {
  readonly layer: number;
  readonly index: number;
  readonly count: number;
  readonly timestamp: number;
}

/** Reads a packet that a GallerySource sent, also after mediasoup changed header and descriptor. */
export function framePartOf(packet: Buffer): FramePart | undefined {
  const hasExtension = (packet[0]! & 0x10) !== 0;
  const at = headerBytes + (hasExtension ? 4 + 4 * packet.readUInt16BE(headerBytes + 2) : 0);
  if (packet.length < at + prefixBytes) return undefined;
  const [layer, index, count] = packet.subarray(at + 7, at + prefixBytes);
  return { layer: layer!, index: index!, count: count!, timestamp: packet.readUInt32BE(4) };
}

/** One stream of a publisher: a layer of simulcast, or the only one. */
class Stream {
  isRequested = true;
  #sequence = 0;
  #pictureId = 0;
  #lowestFrames = 0;
  #phase = 0;

  constructor(
    readonly ssrc: number,
    private readonly layer: number,
    private readonly kbps: number,
    private readonly isLayered: boolean,
  ) {}

  *frame(payloadType: number, timestamp: number): Iterable<Buffer> {
    const isKey = this.isRequested;
    this.isRequested = false;
    if (isKey) this.#phase = 0;
    const temporal = this.isLayered ? pattern[this.#phase]! : 0;
    if (temporal === 0) this.#lowestFrames++;
    const bytes = ((this.kbps * 1000) / 8 / framesPerSecond) * (isKey ? keyFrameFactor : 1);
    const count = Math.max(1, Math.ceil(bytes / maxPayloadBytes));
    for (let index = 0; index < count; index++) {
      const packet = Buffer.alloc(headerBytes + Math.max(prefixBytes, Math.round(bytes / count)));
      packet[0] = 0x80;
      packet[1] = payloadType | (index === count - 1 ? 0x80 : 0);
      packet.writeUInt16BE(this.#sequence++ & 0xff_ff, 2);
      packet.writeUInt32BE(timestamp >>> 0, 4);
      packet.writeUInt32BE(this.ssrc, 8);
      const [high, low] = [(this.#pictureId >> 8) & 0x7f, this.#pictureId & 0xff];
      const sync = isKey || this.#phase === 1 || this.#phase === 2 ? 0x20 : 0;
      packet.set(
        [index === 0 ? 0x90 : 0x80, 0xe0, 0x80 | high, low, this.#lowestFrames & 0xff, (temporal << 6) | sync],
        headerBytes,
      );
      packet.set([isKey && index === 0 ? 0 : 1, this.layer, index, count], headerBytes + 6);
      yield packet;
    }
    this.#pictureId = (this.#pictureId + 1) & 0x7f_ff;
    this.#phase = (this.#phase + 1) % pattern.length;
  }

  /** RFC 3550 section 6.4.1, without report blocks. mediasoup needs it to switch between layers. */
  senderReport(timestamp: number): Buffer {
    const bytes = Buffer.alloc(28);
    bytes.set([0x80, 200, 0, 6]);
    bytes.writeUInt32BE(this.ssrc, 4);
    const ntp = Date.now() / 1000 + 2_208_988_800;
    bytes.writeUInt32BE(Math.floor(ntp), 8);
    bytes.writeUInt32BE(Math.floor((ntp % 1) * 2 ** 32), 12);
    bytes.writeUInt32BE(timestamp >>> 0, 16);
    return bytes;
  }
}

/** Sends VP8 of 15 frames per second in simulcast, or in one stream, and answers requests for key frames. */
export class GallerySource {
  readonly #socket = createSocket('udp4');
  readonly #streams: readonly Stream[];
  readonly #timer: NodeJS.Timeout;
  #frames = 0;

  /** @param firstSsrc of the lowest layer; the others follow. */
  constructor(
    { tuple: { localAddress, localPort } }: PlainTransport,
    { payloadType, firstSsrc, layers }: { payloadType: number; firstSsrc: number; layers: readonly SentLayer[] },
  ) {
    const isSimulcast = layers.length > 1;
    this.#streams = layers.map(({ kbps }, layer) => new Stream(firstSsrc + layer, layer, kbps, isSimulcast));
    this.#socket.on('message', (packet) => this.#onRtcp(packet));
    // Not all publishers at the same time.
    const began = performance.now() - (firstSsrc % 33);
    this.#timer = setInterval(() => {
      for (; (this.#frames * 1000) / framesPerSecond <= performance.now() - began; this.#frames++) {
        const timestamp = (this.#frames * 90_000) / framesPerSecond;
        for (const stream of this.#streams) {
          if (this.#frames % 5 === 0) this.#socket.send(stream.senderReport(timestamp), localPort, localAddress);
          for (const packet of stream.frame(payloadType, timestamp)) this.#socket.send(packet, localPort, localAddress);
        }
      }
    }, 10);
  }

  #onRtcp(packet: Buffer): void {
    for (let at = 0; at + 12 <= packet.length; at += 4 * (packet.readUInt16BE(at + 2) + 1)) {
      const [format, type] = [packet[at]! & 0x1f, packet[at + 1]];
      if (type !== 206 || format !== 1) continue;
      const stream = this.#streams.find(({ ssrc }) => ssrc === packet.readUInt32BE(at + 8));
      if (stream) stream.isRequested = true;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#socket.close();
  }
}
