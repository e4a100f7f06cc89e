import { randomInt } from 'node:crypto';
import { isRtcp, Reception } from '@flotilla/edge-peer';
import { nack, pictureLoss, readRtcp, receiverReport } from '@flotilla/rtp';
import { TokenBucket } from '@flotilla/runtime';
import { OrderBuffer } from './order-buffer.ts';
import { parseRtp, type RtpPacket } from './rtp-packet.ts';

/** Time for which packets behind a gap are held, in milliseconds: two retransmissions over a path of 40 ms. */
const holdMs = 120;
/** Interval of NACKs of the same packets, and their number. RFC 4585 leaves both to the receiver. */
const nackIntervalMs = 40;
const nacks = 3;
const reportIntervalMs = 1000;
/** Shortest time between two key frame requests, in milliseconds. Encoders that get more spend their bit rate on key frames. */
const keyFrameIntervalMs = 300;
/** Another SSRC is accepted when the current one has been silent for so long, in milliseconds, */
const silentMs = 1000;
/** or sends nothing while so many packets of the other one arrive. */
const newcomerPackets = 20;

export interface ReceiverOptions {
  readonly payloadType: number;
  readonly clockRate: number;
  /** Sends RTCP to the source. */
  readonly sendRtcp: (packet: Buffer) => void;
  /** Lost packets are requested again. Over TCP nothing is lost. */
  readonly nack: boolean;
  /** More than that is dropped, so that a flood costs the other streams nothing. Bursts of one second. */
  readonly maxBitsPerSecond: number;
  /** Packets in order. */
  readonly onPacket: (packet: RtpPacket, now: number) => void;
}

export interface ReceiverStats {
  packets: number;
  payloadBytes: number;
  /** Packets that never arrived. */
  lost: number;
  /** Packets that arrived twice or too late. */
  late: number;
  /** Datagrams that are not RTP of this stream. */
  invalid: number;
  /** Datagrams above the maximum bit rate. */
  dropped: number;
}

/** One stream of a source: its SSRC, order, statistics and feedback. */
export class RtpReceiver {
  readonly #ownSsrc = randomInt(1, 0x1_00_00_00_00);
  readonly #order: OrderBuffer<RtpPacket & { readonly at: number }>;
  readonly #counts = { packets: 0, payloadBytes: 0, invalid: 0, dropped: 0 };
  readonly #budget: TokenBucket;
  #reception: Reception | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;
  #newcomer: { ssrc: number; packets: number } | undefined;
  #requested = new Map<number, { times: number; at: number }>();
  #reportedAt = 0;
  #keyFrameRequestedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: ReceiverOptions) {
    this.#budget = new TokenBucket(options.maxBitsPerSecond / 8, options.maxBitsPerSecond / 8);
    this.#order = new OrderBuffer(holdMs, (packet) => options.onPacket(packet, packet.at));
  }

  /** When the last packet of the stream arrived, by `performance.now()`. */
  get lastAt(): number {
    return this.#lastAt;
  }

  get stats(): ReceiverStats {
    return { ...this.#counts, lost: this.#order.lost, late: this.#order.late };
  }

  /** Takes a datagram, RTP or RTCP. Returns whether it is one of the stream. */
  receive(datagram: Buffer, now: number): boolean {
    if (!this.#budget.take(now, datagram.length)) {
      this.#counts.dropped++;
      return false;
    }
    if (datagram.length >= 8 && datagram[0]! >> 6 === 2 && isRtcp(datagram)) {
      this.#receiveRtcp(datagram, now);
      return true;
    }
    const packet = parseRtp(datagram);
    if (!packet || packet.payloadType !== this.options.payloadType || !this.#accepts(packet.ssrc, now)) {
      this.#counts.invalid++;
      return false;
    }
    this.#lastAt = now;
    this.#counts.packets++;
    this.#counts.payloadBytes += packet.payload.length;
    this.#reception!.add(datagram, now);
    this.#order.add({ ...packet, at: now }, now);
    return true;
  }

  #receiveRtcp(datagram: Buffer, now: number): void {
    for (const message of readRtcp(datagram))
      if (message.type === 'sender report' && message.ssrc === this.#reception?.ssrc)
        this.#reception.onSenderReport(message.middleOfNtp, now);
  }

  /** Whether packets with an SSRC are those of the stream. A source that restarts has another one. */
  #accepts(ssrc: number, now: number): boolean {
    if (this.#reception?.ssrc === ssrc) {
      this.#newcomer = undefined;
      return true;
    }
    if (this.#reception && now - this.#lastAt < silentMs) {
      this.#newcomer = { ssrc, packets: this.#newcomer?.ssrc === ssrc ? this.#newcomer.packets + 1 : 1 };
      if (this.#newcomer.packets < newcomerPackets) return false;
    }
    this.#newcomer = undefined;
    this.#order.flush();
    this.#requested.clear();
    this.#reception = new Reception(ssrc, this.options.clockRate);
    return true;
  }

  /** Sends what is due: NACKs and receiver reports. To be called every 20 ms. */
  tick(now: number): void {
    this.#order.advance(now);
    if (!this.#reception) return;
    if (this.options.nack) this.#requestMissing(now);
    if (now - this.#reportedAt < reportIntervalMs) return;
    this.#reportedAt = now;
    const block = this.#reception.reportBlock(now);
    this.options.sendRtcp(receiverReport(this.#ownSsrc, block ? [block] : []));
  }

  #requestMissing(now: number): void {
    const missing = this.#order.missing();
    const pending = new Map<number, { times: number; at: number }>();
    const due: number[] = [];
    for (const sequence of missing) {
      const before = this.#requested.get(sequence) ?? { times: 0, at: Number.NEGATIVE_INFINITY };
      const isDue = before.times < nacks && now - before.at >= nackIntervalMs;
      if (isDue) due.push(sequence);
      pending.set(sequence, isDue ? { times: before.times + 1, at: now } : before);
    }
    this.#requested = pending;
    if (due.length > 0) this.options.sendRtcp(nack(this.#ownSsrc, this.#reception!.ssrc, due));
  }

  /** Requests a key frame of the source, unless one was requested within 300 ms. */
  requestKeyFrame(now: number): void {
    if (!this.#reception || now - this.#keyFrameRequestedAt < keyFrameIntervalMs) return;
    this.#keyFrameRequestedAt = now;
    this.options.sendRtcp(pictureLoss(this.#ownSsrc, this.#reception.ssrc));
  }
}
