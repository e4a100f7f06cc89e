import type {
  BaseTransportStats,
  Consumer,
  Producer,
  RtpStreamRecvStats,
  RtpStreamSendStats,
  Transport,
} from 'mediasoup/types';
import { type PeerWindow, type StreamCounters, type StreamWindow, streamWindow } from './window.ts';

/** Packets and bits that go in and out, per second. */
export interface Traffic {
  readonly packetsPerSecond: number;
  readonly bitsPerSecond: number;
}

type Stats = RtpStreamRecvStats | RtpStreamSendStats;

/** What is remembered of a producer or consumer: its streams by SSRC, and how many packets a second they carried. */
interface Seen {
  streams: ReadonlyMap<number, StreamCounters>;
  packetsPerSecond: number | undefined;
}

const unseen = (): Seen => ({ streams: new Map(), packetsPerSecond: undefined });

/**
 * The transports of one peer, or a pipe to another node, with all that is on them. One look costs a request to the worker
 * for each transport, one for each producer and one for a single consumer, the next in turn: a room of n costs O(n) a look
 * and not O(n * n).
 */
export class Watched {
  readonly #transports = new Set<Transport>();
  readonly #producers = new Map<Producer, Seen>();
  /** Those not looked at for the longest time come first. */
  readonly #consumers = new Map<Consumer, Seen>();

  /** `gone` is called when the last transport is closed. */
  constructor(private readonly gone: () => void) {}

  add(transport: Transport): void {
    this.#transports.add(transport);
    const { observer } = transport;
    observer.on('newproducer', (producer) => {
      this.#producers.set(producer, unseen());
      producer.observer.once('close', () => this.#producers.delete(producer));
    });
    observer.on('newconsumer', (consumer) => {
      this.#consumers.set(consumer, unseen());
      consumer.observer.once('close', () => this.#consumers.delete(consumer));
    });
    observer.once('close', () => {
      this.#transports.delete(transport);
      if (this.#transports.size === 0) this.gone();
    });
  }

  /** What happened since the last look. Rejects when the worker died or a part was closed meanwhile. */
  async look(): Promise<{ window: PeerWindow; traffic: Traffic }> {
    const consumer = this.#nextConsumer();
    const [transports, ups, down] = await Promise.all([
      Promise.all(
        [...this.#transports].map(async (transport) => ((await transport.getStats()) as BaseTransportStats[])[0]!),
      ),
      Promise.all([...this.#producers].map(([producer, seen]) => lookAt(producer, seen))),
      consumer ? lookAt(consumer, this.#consumers.get(consumer)!) : [],
    ]);
    let bitsPerSecond = 0;
    let downLoss: number | undefined;
    for (const { recvBitrate, sendBitrate, rtpSendBitrate, rtpPacketLossSent } of transports) {
      bitsPerSecond += recvBitrate + sendBitrate;
      if (rtpSendBitrate > 0 && rtpPacketLossSent !== undefined) downLoss = rtpPacketLossSent;
    }
    return {
      window: { up: ups.flat(), down, downLoss },
      traffic: { packetsPerSecond: this.#packetsPerSecond(), bitsPerSecond },
    };
  }

  /** The consumer whose turn it is, of those that send. */
  #nextConsumer(): Consumer | undefined {
    for (const [consumer, seen] of this.#consumers) {
      if (consumer.paused || consumer.producerPaused) continue;
      this.#consumers.delete(consumer);
      this.#consumers.set(consumer, seen);
      return consumer;
    }
    return undefined;
  }

  /** Consumers that had no turn yet count as the others do on average. */
  #packetsPerSecond(): number {
    let sum = 0;
    for (const { packetsPerSecond = 0 } of this.#producers.values()) sum += packetsPerSecond;
    let [sending, looked, rate] = [0, 0, 0];
    for (const [{ paused, producerPaused }, { packetsPerSecond }] of this.#consumers) {
      if (paused || producerPaused) continue;
      sending++;
      if (packetsPerSecond === undefined) continue;
      looked++;
      rate += packetsPerSecond;
    }
    return looked > 0 ? sum + (rate * sending) / looked : sum;
  }
}

/** The windows of what a producer receives or a consumer sends. */
async function lookAt(stream: Producer | Consumer, seen: Seen): Promise<StreamWindow[]> {
  const { clockRate } = stream.rtpParameters.codecs[0]!;
  // A consumer's statistics have its producer's at the end.
  const own = 'producerId' in stream ? 'outbound-rtp' : 'inbound-rtp';
  const stats = ((await stream.getStats()) as Stats[]).filter(({ type }) => type === own);
  const before = seen.streams;
  const now = new Map(
    stats.map((stat): [number, StreamCounters] => [
      stat.ssrc,
      {
        packets: stat.packetCount,
        fractionLost: stat.fractionLost,
        jitter: stat.jitter,
        clockRate,
        rttMs: stat.roundTripTime,
      },
    ]),
  );
  seen.streams = now;
  seen.packetsPerSecond = stats.reduce((sum, stat) => sum + packetRate(stat), 0);
  return [...now].flatMap(([ssrc, counters]) => streamWindow(before.get(ssrc), counters) ?? []);
}

/** From the current bit rate and the mean size of the packets so far: right at the first look. */
const packetRate = ({ bitrate, byteCount, packetCount }: Stats): number =>
  byteCount > 0 ? (bitrate / 8) * (packetCount / byteCount) : 0;
