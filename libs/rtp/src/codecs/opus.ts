import type { Depacketizer, DepacketizerHandlers } from '../frame.ts';
import type { RtpPacket } from '../packet.ts';
import { sequenceDistance } from '../sequence.ts';

/** RFC 7587: a packet is a frame, and each can be decoded alone. */
export class OpusDepacketizer implements Depacketizer {
  readonly droppedFrames = 0;
  malformedPackets = 0;
  #sequence: number | undefined;

  constructor(private readonly handlers: Pick<DepacketizerHandlers, 'onFrame'>) {}

  push(packet: RtpPacket): void {
    if (this.#sequence !== undefined && sequenceDistance(this.#sequence, packet.sequenceNumber) <= 0) return;
    this.#sequence = packet.sequenceNumber;
    if (packet.payloadBytes === 0) return;
    const data = packet.payload();
    if (opusDurationMs(data) === undefined) {
      this.malformedPackets++;
      return;
    }
    this.handlers.onFrame({ data, rtpTimestamp: packet.timestamp, isKeyFrame: true, isComplete: true });
  }
}

/** RFC 6716, section 3.1, table 2: durations in ms of a frame by the four lowest configurations of each mode. */
const silkMs = [10, 20, 40, 60];
const hybridMs = [10, 20];
const celtMs = [2.5, 5, 10, 20];
/** RFC 6716, section 3.2.5. */
const maxPacketMs = 120;

function frameMs(configuration: number): number {
  if (configuration < 12) return silkMs[configuration & 3]!;
  return configuration < 16 ? hybridMs[configuration & 1]! : celtMs[configuration & 3]!;
}

/** Duration of an Opus packet in ms; undefined when it is malformed. */
export function opusDurationMs(packet: Buffer): number | undefined {
  const head = packet[0];
  if (head === undefined) return undefined;
  const code = head & 3;
  let frames = code === 0 ? 1 : 2;
  if (code === 3) {
    if (packet.length < 2) return undefined;
    frames = packet[1]! & 0x3f;
  }
  const duration = frames * frameMs(head >> 3);
  return duration > 0 && duration <= maxPacketMs ? duration : undefined;
}
