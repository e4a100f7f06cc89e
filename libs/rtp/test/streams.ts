import {
  type MediaFrame,
  PacketPool,
  RtpPacket,
  RtpWriter,
  type Depacketizer,
  type DepacketizerHandlers,
} from '../src/index.ts';

/** A packet of its own, with its sequence number. */
export type SentPacket = Buffer;

/** Writes packets with `write`, and returns copies of them. */
export function packetsOf(
  write: (writer: RtpWriter) => void,
  { sequenceNumber = 65_530, maxPayloadBytes = 1200 }: { sequenceNumber?: number; maxPayloadBytes?: number } = {},
): SentPacket[] {
  const packets: SentPacket[] = [];
  const writer = new RtpWriter(
    { ssrc: 0x12_34_56_78, payloadType: 96, sequenceNumber, pool: new PacketPool(), maxPayloadBytes },
    ({ bytes, length }) => packets.push(Buffer.from(bytes.subarray(0, length))),
  );
  write(writer);
  return packets;
}

/** A frame with its own copy of the data. */
export interface Received extends Omit<MediaFrame, 'data'> {
  readonly data: string;
}

export interface Outcome {
  readonly frames: Received[];
  readonly requests: number;
  readonly depacketizer: Depacketizer;
}

/** Passes packets to a depacketiser in this order. */
export function receive(packets: readonly Buffer[], create: (handlers: DepacketizerHandlers) => Depacketizer): Outcome {
  const frames: Received[] = [];
  let requests = 0;
  const depacketizer = create({
    onFrame: ({ data, ...frame }) => frames.push({ ...frame, data: data.toString('hex') }),
    onKeyFrameNeeded: () => requests++,
  });
  const view = new RtpPacket();
  for (const packet of packets) if (view.parse(packet)) depacketizer.push(view);
  return { frames, requests, depacketizer };
}
