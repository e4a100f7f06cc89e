import type {
  BaseTransportStats,
  Consumer,
  Producer,
  RtpStreamRecvStats,
  RtpStreamSendStats,
  Transport,
} from 'mediasoup/types';
import { type PeerWindow, type StreamCounters, type StreamWindow, streamWindow } from './window.ts';

/** Packets and bits per second, received and sent. */
export interface Traffic {
  readonly packetsPerSecond: number;
  readonly bitsPerSecond: number;
}

/** A publication that is received, and its bit rate. */
export interface PublishedStream {
  readonly publicationId: string;
  readonly bitsPerSecond: number;
}

type Stats = RtpStreamRecvStats | RtpStreamSendStats;

/** The last measurement of a producer or consumer: its streams by SSRC, and their packet and bit rate. */
interface LastMeasured {
  streams: ReadonlyMap<number, StreamCounters>;
  packetsPerSecond: number | undefined;
  bitsPerSecond: number;
}

const neverMeasured = (): LastMeasured => ({ streams: new Map(), packetsPerSecond: undefined, bitsPerSecond: 0 });

/**
 * The transports of one peer, or a pipe to another node, with their producers and consumers. One measurement sends the worker a
 * request for each transport, for each producer, and for one consumer, in turn: O(n) for a room of n peers, not O(n * n).
 */
export class TransportGroup {
  readonly #transports = new Set<Transport>();
  readonly #producers = new Map<Producer, LastMeasured>();
  /** In the order of their last measurement, the oldest first. */
  readonly #consumers = new Map<Consumer, LastMeasured>();

  /** @param onClosed called when the last transport is closed. */
  constructor(private readonly onClosed: () => void) {}

  add(transport: Transport): void {
    this.#transports.add(transport);
    const { observer } = transport;
    observer.on('newproducer', (producer) => {
      this.#producers.set(producer, neverMeasured());
      producer.observer.once('close', () => this.#producers.delete(producer));
    });
    observer.on('newconsumer', (consumer) => {
      this.#consumers.set(consumer, neverMeasured());
      consumer.observer.once('close', () => this.#consumers.delete(consumer));
    });
    observer.once('close', () => {
      this.#transports.delete(transport);
      if (this.#transports.size === 0) this.onClosed();
    });
  }

  /** Measures the time since the last call. Rejects when the worker died or a part was closed meanwhile. */
  async measure(): Promise<{ window: PeerWindow; traffic: Traffic }> {
    const consumer = this.#nextConsumer();
    const [transports, ups, down] = await Promise.all([
      Promise.all(
        [...this.#transports].map(async (transport) => ((await transport.getStats()) as BaseTransportStats[])[0]!),
      ),
      Promise.all([...this.#producers].map(([producer, last]) => measureStream(producer, last))),
      consumer ? measureStream(consumer, this.#consumers.get(consumer)!) : [],
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

  /** The publications of the peer, as of the last measurement. */
  published(): PublishedStream[] {
    return [...this.#producers].map(([{ appData }, { bitsPerSecond }]) => ({
      publicationId: (appData as { publicationId: string }).publicationId,
      bitsPerSecond,
    }));
  }

  /** The sending consumer with the oldest measurement. */
  #nextConsumer(): Consumer | undefined {
    for (const [consumer, last] of this.#consumers) {
      if (consumer.paused || consumer.producerPaused) continue;
      this.#consumers.delete(consumer);
      this.#consumers.set(consumer, last);
      return consumer;
    }
    return undefined;
  }

  /** A consumer that was not measured yet counts as the average of the others. */
  #packetsPerSecond(): number {
    let sum = 0;
    for (const { packetsPerSecond = 0 } of this.#producers.values()) sum += packetsPerSecond;
    let [sending, measured, rate] = [0, 0, 0];
    for (const [{ paused, producerPaused }, { packetsPerSecond }] of this.#consumers) {
      if (paused || producerPaused) continue;
      sending++;
      if (packetsPerSecond === undefined) continue;
      measured++;
      rate += packetsPerSecond;
    }
    return measured > 0 ? sum + (rate * sending) / measured : sum;
  }
}

/** The windows of the streams that a producer receives or a consumer sends. */
async function measureStream(stream: Producer | Consumer, last: LastMeasured): Promise<StreamWindow[]> {
  const { clockRate } = stream.rtpParameters.codecs[0]!;
  // The statistics of a consumer end with those of its producer.
  const own = 'producerId' in stream ? 'outbound-rtp' : 'inbound-rtp';
  const stats = ((await stream.getStats()) as Stats[]).filter(({ type }) => type === own);
  const before = last.streams;
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
  last.streams = now;
  last.packetsPerSecond = stats.reduce((sum, stat) => sum + packetRate(stat), 0);
  last.bitsPerSecond = stats.reduce((sum, stat) => sum + stat.bitrate, 0);
  return [...now].flatMap(([ssrc, counters]) => streamWindow(before.get(ssrc), counters) ?? []);
}

/** From the current bit rate and the mean packet size so far, so that the first measurement has a rate. */
const packetRate = ({ bitrate, byteCount, packetCount }: Stats): number =>
  byteCount > 0 ? (bitrate / 8) * (packetCount / byteCount) : 0;
