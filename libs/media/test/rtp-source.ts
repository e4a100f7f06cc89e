import { createSocket } from 'node:dgram';
import type { PlainTransport } from 'mediasoup/types';

const clockRate = 48_000;
const frameMs = 20;

/** What is done to the packet of that number: left out, or stamped so many milliseconds off. */
export interface Mishap {
  readonly lost?: boolean;
  readonly offMs?: number;
}

/** Sends Opus packets, one every 20 ms, to a transport that listens for whoever comes (`comedia`), until the result is called. */
export function startRtpSource(
  { tuple: { localAddress, localPort } }: PlainTransport,
  { ssrc, payloadType }: { ssrc: number; payloadType: number },
  mishap: (packet: number) => Mishap = () => ({}),
): () => void {
  const socket = createSocket('udp4');
  const began = performance.now();
  let packet = 0;
  const timer = setInterval(() => {
    // Timers run late: what is due is sent now.
    for (; packet * frameMs <= performance.now() - began; packet++) {
      const { lost, offMs = 0 } = mishap(packet);
      if (lost) continue;
      const bytes = Buffer.alloc(12 + 80);
      bytes[0] = 0x80;
      bytes[1] = payloadType;
      bytes.writeUInt16BE(packet & 0xffff, 2);
      bytes.writeUInt32BE(((packet * frameMs + offMs) * clockRate) / 1000, 4);
      bytes.writeUInt32BE(ssrc, 8);
      socket.send(bytes, localPort, localAddress);
    }
  }, frameMs / 4);
  return () => {
    clearInterval(timer);
    socket.close();
  };
}

/** Sends VP8, a frame of one packet every 33 ms, and answers requests for a key frame while it `answers`. */
export class VideoSource {
  static readonly ssrc = 2222;
  /** Picture loss indications that came (RFC 4585 section 6.3.1). */
  requests = 0;
  frames = 0;
  answers = true;
  readonly #socket = createSocket('udp4');
  readonly #timer: NodeJS.Timeout;
  #asked = true;

  constructor({ tuple: { localAddress, localPort } }: PlainTransport, payloadType: number) {
    this.#socket.on('message', (packet) => this.#onRtcp(packet));
    const began = performance.now();
    this.#timer = setInterval(() => {
      for (; this.frames * 33 <= performance.now() - began; this.frames++) {
        const bytes = Buffer.alloc(12 + 400);
        bytes[0] = 0x80;
        // The marker: each packet ends a frame.
        bytes[1] = 0x80 | payloadType;
        bytes.writeUInt16BE(this.frames & 0xffff, 2);
        bytes.writeUInt32BE(this.frames * 33 * 90, 4);
        bytes.writeUInt32BE(VideoSource.ssrc, 8);
        // Start of a partition; then the frame's own header, whose lowest bit is 0 for a key frame (RFC 7741 section 4).
        bytes[12] = 0x10;
        bytes[13] = this.#asked && this.answers ? 0x00 : 0x01;
        if (this.answers) this.#asked = false;
        this.#socket.send(bytes, localPort, localAddress);
      }
    }, 10);
  }

  #onRtcp(packet: Buffer): void {
    // Several may come in one datagram, each with its length in words.
    for (let at = 0; at + 4 <= packet.length; at += 4 * (packet.readUInt16BE(at + 2) + 1)) {
      const [format, type] = [packet[at]! & 0x1f, packet[at + 1]];
      if (type !== 206 || format !== 1) continue;
      this.requests++;
      this.#asked = true;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#socket.close();
  }
}
