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
