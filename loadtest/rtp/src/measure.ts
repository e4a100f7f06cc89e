import { percentile } from '@flotilla/loadtest-kit';
import {
  NackGenerator,
  type Packetizer,
  PacketPool,
  ReorderBuffer,
  RetransmissionHistory,
  RtpPacket,
  RtpWriter,
} from '@flotilla/rtp';
import type { Codec } from './codecs.ts';
import type { Options } from './options.ts';

const clockTicks = 3000;

/** What a packet takes on its way in one direction. */
export interface Cost {
  /** Microseconds per packet: percentiles of the mean of each frame. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** Bytes of the heap that are allocated per packet, and mostly garbage afterwards. */
  readonly heapBytes: number;
}

export interface Result {
  readonly codec: string;
  readonly packetsPerFrame: number;
  readonly send: Cost;
  readonly receive: Cost;
}

/** Times of frames, in storage that is there before it is measured. */
class Times {
  readonly #values: Float64Array;
  #count = 0;

  constructor(capacity: number) {
    this.#values = new Float64Array(capacity);
  }

  add(microseconds: number): void {
    this.#values[this.#count++] = microseconds;
  }

  percentiles(): Pick<Cost, 'p50' | 'p95' | 'p99'> {
    const sorted = [...this.#values.subarray(0, this.#count).sort()];
    const at = (share: number): number => percentile(sorted, share) ?? Number.NaN;
    return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
  }
}

/**
 * Bytes that a run allocates on the heap. It runs between two garbage collections that the caller's process does by itself, so it is
 * to be short; a run in which the heap shrinks counts as if it had allocated nothing, and is left out by the median.
 */
function allocatedBy(run: () => void): number {
  globalThis.gc!();
  const before = process.memoryUsage().heapUsed;
  run();
  return process.memoryUsage().heapUsed - before;
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;

/** Measures one codec. Sending is a packetiser and a history, receiving a parser, a NACK generator, a reorder buffer and a depacketiser. */
export function measure(codec: Codec, { bytes, frames, rounds }: Options): Result {
  const frame = codec.frame(bytes);
  const pool = new PacketPool();
  const history = new RetransmissionHistory();
  const view = new RtpPacket();
  let frameBytes = 0;
  const depacketizer = codec.depacketizer({ onFrame: ({ data }) => (frameBytes += data.length) });
  const nacks = new NackGenerator();
  const reorder = new ReorderBuffer(pool, (packet) => depacketizer.push(packet));
  const sent: Buffer[] = [];
  let isKept = false;
  const writer = new RtpWriter({ ssrc: 1, payloadType: 96, sequenceNumber: 0, pool }, (packet) => {
    history.add(packet);
    if (isKept) sent.push(Buffer.from(packet.bytes.subarray(0, packet.length)));
  });
  const packetizer: Packetizer = codec.packetizer(writer);
  let timestamp = 0;
  const sendFrame = (): void => packetizer.write(frame, (timestamp = (timestamp + clockTicks) >>> 0));
  isKept = true;
  for (let at = 0; at < frames; at++) sendFrame();
  isKept = false;
  const packetsPerFrame = sent.length / frames;
  const firstOf = (at: number): number => at * packetsPerFrame;
  // Each pass continues the sequence numbers and timestamps of the one before.
  let next = 0;
  const receiveFrame = (at: number): void => {
    for (let index = firstOf(at); index < firstOf(at + 1); index++) {
      const packet = sent[index]!;
      packet.writeUInt16BE(next, 2);
      packet.writeUInt32BE(timestamp, 4);
      next = (next + 1) & 0xff_ff;
      if (!view.parse(packet)) throw new Error('a packet cannot be parsed');
      nacks.onPacket(view.sequenceNumber, 0);
      reorder.push(view, 0);
    }
    timestamp = (timestamp + clockTicks) >>> 0;
  };
  const [sendTimes, receiveTimes] = [new Times(frames * rounds), new Times(frames * rounds)];
  const [sendHeap, receiveHeap]: number[][] = [[], []];
  const timed = (times: Times, work: (at: number) => void): void => {
    for (let at = 0; at < frames; at++) {
      const began = performance.now();
      work(at);
      times.add(((performance.now() - began) * 1000) / packetsPerFrame);
    }
  };
  const untimed = (work: (at: number) => void) => (): void => {
    for (let at = 0; at < frames; at++) work(at);
  };
  // Warms up the compiler.
  for (let at = 0; at < 3; at++) for (const work of [sendFrame, receiveFrame]) untimed(work)();
  for (let round = 0; round < rounds; round++) {
    timed(sendTimes, sendFrame);
    timed(receiveTimes, receiveFrame);
    sendHeap!.push(allocatedBy(untimed(sendFrame)));
    receiveHeap!.push(allocatedBy(untimed(receiveFrame)));
  }
  const expected = frame.length * frames * (3 + 2 * rounds);
  if (frameBytes < expected) throw new Error(`${codec.name}: ${frameBytes} bytes arrived, not ${expected}`);
  const perPacket = (heap: number[]): number => Math.max(0, median(heap)) / (frames * packetsPerFrame);
  return {
    codec: codec.name,
    packetsPerFrame,
    send: { ...sendTimes.percentiles(), heapBytes: perPacket(sendHeap!) },
    receive: { ...receiveTimes.percentiles(), heapBytes: perPacket(receiveHeap!) },
  };
}
