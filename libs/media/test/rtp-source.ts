import { createSocket } from 'node:dgram';
import type { PlainTransport } from 'mediasoup/types';

const clockRate = 48_000;
const frameMs = 20;

/** A defect of one packet: it is left out, or its time stamp is off by some milliseconds. */
export interface Defect {
  readonly lost?: boolean;
  readonly offMs?: number;
}

/** Header extension of audio levels, RFC 6464, and its id here. */
export const audioLevel = { uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level', id: 1 } as const;

/**
 * Sends an Opus packet every 20 ms to a `comedia` transport until the result is called.
 *
 * @param levelOf the audio level of the next packet, -127 to 0 dBov. Undefined: no header extension.
 */
export function startRtpSource(
  { tuple: { localAddress, localPort } }: PlainTransport,
  { ssrc, payloadType }: { ssrc: number; payloadType: number },
  defectOf: (packet: number) => Defect = () => ({}),
  levelOf?: () => number,
): () => void {
  const socket = createSocket('udp4');
  const began = performance.now();
  let packet = 0;
  const timer = setInterval(() => {
    // Timers run late: send every packet that is due.
    for (; packet * frameMs <= performance.now() - began; packet++) {
      const { lost, offMs = 0 } = defectOf(packet);
      if (lost) continue;
      const bytes = Buffer.alloc(12 + 8 + 80);
      bytes[0] = levelOf ? 0x90 : 0x80;
      bytes[1] = payloadType;
      // One-byte extension of one word, RFC 8285 section 4.2: voice activity and level.
      if (levelOf) bytes.set([0xbe, 0xde, 0, 1, audioLevel.id << 4, 0x80 | -levelOf()], 12);
      bytes.writeUInt16BE(packet & 0xffff, 2);
      bytes.writeUInt32BE(((packet * frameMs + offMs) * clockRate) / 1000, 4);
      bytes.writeUInt32BE(ssrc, 8);
      socket.send(levelOf ? bytes : bytes.subarray(0, 12 + 80), localPort, localAddress);
    }
  }, frameMs / 4);
  return () => {
    clearInterval(timer);
    socket.close();
  };
}

/** The layers of frames with three temporal layers, as libwebrtc sends them: a receiver may go up to a layer at a frame with `sync`. */
const temporalLayers = [
  { layer: 0, sync: false },
  { layer: 2, sync: true },
  { layer: 1, sync: true },
  { layer: 2, sync: false },
] as const;

/** The frame in an RTP packet of VP8: its temporal layer, and whether it is a key frame. RFC 3550 section 5.3.1, RFC 7741 section 4. */
export function frameIn(packet: Buffer): { layer: number; isKey: boolean } {
  const hasExtension = (packet[0]! & 0x10) !== 0;
  const payload = packet.subarray(12 + (hasExtension ? 4 + 4 * packet.readUInt16BE(14) : 0));
  const isLayered = (payload[0]! & 0x80) !== 0;
  return { layer: isLayered ? payload[5]! >> 6 : 0, isKey: (payload[isLayered ? 6 : 1]! & 0x01) === 0 };
}

/**
 * Sends VP8, a frame of one packet every 33 ms, and answers key frame requests while `answers` is set. With `layered`, its
 * frames have three temporal layers.
 */
export class VideoSource {
  static readonly ssrc = 2222;
  /** Number of picture loss indications received (RFC 4585 section 6.3.1). */
  requests = 0;
  frames = 0;
  answers = true;
  readonly #socket = createSocket('udp4');
  readonly #timer: NodeJS.Timeout;
  #isRequested = true;
  #lowestFrames = 0;

  constructor({ tuple: { localAddress, localPort } }: PlainTransport, payloadType: number, layered = false) {
    this.#socket.on('message', (packet) => this.#onRtcp(packet));
    const began = performance.now();
    this.#timer = setInterval(() => {
      for (; this.frames * 33 <= performance.now() - began; this.frames++) {
        const bytes = Buffer.alloc(12 + 400);
        bytes[0] = 0x80;
        // Marker bit: each packet ends a frame.
        bytes[1] = 0x80 | payloadType;
        bytes.writeUInt16BE(this.frames & 0xffff, 2);
        bytes.writeUInt32BE(this.frames * 33 * 90, 4);
        bytes.writeUInt32BE(VideoSource.ssrc, 8);
        const isLowest = this.frames % temporalLayers.length === 0;
        const isKey = this.#isRequested && this.answers && (isLowest || !layered);
        if (layered && isLowest) this.#lowestFrames++;
        bytes.set([...(layered ? this.#layerDescriptor(isKey) : [0x10]), isKey ? 0x00 : 0x01], 12);
        if (isKey) this.#isRequested = false;
        this.#socket.send(bytes, localPort, localAddress);
      }
    }, 10);
  }

  /** Payload descriptor: extended, start of a partition; PictureID of two bytes, TL0PICIDX, and the layer. */
  #layerDescriptor(isKey: boolean): number[] {
    const { layer, sync } = temporalLayers[this.frames % temporalLayers.length]!;
    const [high, low] = [(this.frames >> 8) & 0x7f, this.frames & 0xff];
    return [0x90, 0xe0, 0x80 | high, low, this.#lowestFrames & 0xff, (layer << 6) | (sync || isKey ? 0x20 : 0)];
  }

  #onRtcp(packet: Buffer): void {
    // A datagram may have several packets, each with its length in words.
    for (let at = 0; at + 4 <= packet.length; at += 4 * (packet.readUInt16BE(at + 2) + 1)) {
      const [format, type] = [packet[at]! & 0x1f, packet[at + 1]];
      if (type !== 206 || format !== 1) continue;
      this.requests++;
      this.#isRequested = true;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#socket.close();
  }
}

/**
 * Sends VP8 in simulcast: each frame, one packet, on every layer, with sender reports, which mediasoup needs to switch between layers.
 * Answers requests for key frames of each layer.
 */
export class SimulcastSource {
  static readonly ssrcs = [3331, 3332] as const;
  /** Number of picture loss indications received, by layer. */
  readonly requests = SimulcastSource.ssrcs.map(() => 0);
  readonly #requested = new Set<number>(SimulcastSource.ssrcs);
  readonly #socket = createSocket('udp4');
  readonly #timer: NodeJS.Timeout;
  #frames = 0;

  constructor({ tuple: { localAddress, localPort } }: PlainTransport, payloadType: number) {
    this.#socket.on('message', (packet) => this.#onRtcp(packet));
    const send = (bytes: Buffer): void => this.#socket.send(bytes, localPort, localAddress);
    const began = performance.now();
    this.#timer = setInterval(() => {
      for (; this.#frames * 33 <= performance.now() - began; this.#frames++) {
        for (const [layer, ssrc] of SimulcastSource.ssrcs.entries()) {
          send(this.#frame(ssrc, payloadType, SimulcastSource.payloadBytes(layer)));
          if (this.#frames % 8 === 0) send(this.#senderReport(ssrc));
        }
      }
    }, 10);
  }

  /** Bytes of payload in the packets of a layer, by which a receiver recognises them. */
  static payloadBytes(layer: number): number {
    return 200 * (layer + 1);
  }

  #frame(ssrc: number, payloadType: number, payloadBytes: number): Buffer {
    const bytes = Buffer.alloc(12 + payloadBytes);
    bytes[0] = 0x80;
    bytes[1] = 0x80 | payloadType;
    bytes.writeUInt16BE(this.#frames & 0xffff, 2);
    bytes.writeUInt32BE(this.#frames * 33 * 90, 4);
    bytes.writeUInt32BE(ssrc, 8);
    bytes.set([0x10, this.#requested.delete(ssrc) ? 0x00 : 0x01], 12);
    return bytes;
  }

  /** RFC 3550 section 6.4.1, without report blocks. */
  #senderReport(ssrc: number): Buffer {
    const bytes = Buffer.alloc(28);
    bytes.set([0x80, 200, 0, 6]);
    bytes.writeUInt32BE(ssrc, 4);
    const ntp = Date.now() / 1000 + 2_208_988_800;
    bytes.writeUInt32BE(Math.floor(ntp), 8);
    bytes.writeUInt32BE(Math.floor((ntp % 1) * 2 ** 32), 12);
    bytes.writeUInt32BE(this.#frames * 33 * 90, 16);
    return bytes;
  }

  #onRtcp(packet: Buffer): void {
    for (let at = 0; at + 12 <= packet.length; at += 4 * (packet.readUInt16BE(at + 2) + 1)) {
      const [format, type] = [packet[at]! & 0x1f, packet[at + 1]];
      if (type !== 206 || format !== 1) continue;
      const ssrc = packet.readUInt32BE(at + 8);
      const layer = SimulcastSource.ssrcs.findIndex((each) => each === ssrc);
      if (layer === -1) continue;
      this.requests[layer]!++;
      this.#requested.add(ssrc);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#socket.close();
  }
}
