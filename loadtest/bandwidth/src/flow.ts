import type { BandwidthEstimator, PacketResult } from '@flotilla/bandwidth';
import type { Link } from './link.ts';
import { Random } from '@flotilla/loadtest-kit';
import type { Timeline } from './timeline.ts';
import type { Trace } from './traces.ts';

/** What the receiver sends back: transport-wide feedback, or RTCP receiver reports. */
export type FeedbackKind = 'packets' | 'report';

const packetBytes = 1200;
const frameMs = 1000 / 30;
/** The pacer sends at this multiple of the target, so that a frame leaves before the next one. */
const pacingFactor = 1.5;
/** Frames are left out while the pacer holds more than this time at the target, ms. */
const maxPacerMs = 250;
/** Size of a frame as a share of the mean, at least and at most. */
const [smallFrame, largeFrame] = [0.75, 1.25];
const feedbackMs = { packets: 50, report: 1000 } as const;

interface Sent {
  readonly result: PacketResult;
  readonly isMedia: boolean;
}

/** Counters of a flow for its figures. */
export interface FlowSamples {
  sentPackets: number;
  lostPackets: number;
  mediaBytes: number;
  /** Time of each packet in the queue of the link. */
  readonly queuedMs: number[];
}

/** A video source of 30 frames per second at the target, a pacer, a receiver and its feedback. */
export class Flow {
  readonly samples: FlowSamples = { sentPackets: 0, lostPackets: 0, mediaBytes: 0, queuedMs: [] };
  readonly #random: Random;
  #pacerBytes = 0;
  #pacerFreeMs = 0;
  #isPacing = false;
  /** Packets in the order of sending, until they are in a feedback. */
  #inFlight: Sent[] = [];
  /** Of the packets in flight, by position from the first packet ever. */
  #firstInFlight = 0;
  #highestArrived = -1;
  #sentBytes = 0;
  #reportedAtMs: number;
  #transitMs: number | undefined;
  #jitterMs = 0;
  #forwardMs = 0;

  constructor(
    private readonly timeline: Timeline,
    private readonly link: Link,
    private readonly trace: Trace,
    private readonly estimator: BandwidthEstimator,
    private readonly feedback: FeedbackKind,
    seed: number,
  ) {
    this.#random = new Random(seed);
    this.#reportedAtMs = timeline.nowMs;
  }

  start(): void {
    this.#frame();
    this.timeline.after(feedbackMs[this.feedback], () => this.#feedBack());
  }

  get target(): number {
    return this.estimator.targetBitrate;
  }

  #frame(): void {
    const bitrate = Math.min(this.target, this.trace.source(this.timeline.nowMs));
    const isFull = this.#pacerBytes * 8000 > maxPacerMs * this.target;
    if (bitrate > 0 && !isFull)
      this.#pacerBytes += ((bitrate * frameMs) / 8000) * this.#random.between(smallFrame, largeFrame);
    this.#probe();
    this.#pace();
    this.timeline.after(frameMs, () => this.#frame());
  }

  #pace(): void {
    if (this.#isPacing) return;
    this.#isPacing = true;
    this.timeline.at(this.#pacerFreeMs, () => {
      this.#isPacing = false;
      // A probe began meanwhile.
      if (this.#pacerFreeMs > this.timeline.nowMs) return this.#pace();
      if (this.#pacerBytes < 1) return;
      const bytes = Math.min(packetBytes, Math.max(100, this.#pacerBytes));
      this.#pacerBytes -= bytes;
      this.#send(bytes, true);
      this.#pacerFreeMs = this.timeline.nowMs + (bytes * 8000) / (pacingFactor * this.target);
      this.#pace();
    });
  }

  /** A probe takes the media that waits, and padding where there is none; other media waits until it has been sent. */
  #probe(): void {
    if (this.feedback !== 'packets') return;
    const probe = this.estimator.takeProbe();
    if (!probe) return;
    const count = Math.max(probe.minPackets, Math.ceil(probe.bytes / packetBytes));
    const spacingMs = (packetBytes * 8000) / probe.bitrate;
    for (let packet = 0; packet < count; packet++)
      this.timeline.after(packet * spacingMs, () => {
        const isMedia = this.#pacerBytes >= packetBytes;
        if (isMedia) this.#pacerBytes -= packetBytes;
        this.#send(packetBytes, isMedia, probe.id);
      });
    this.#pacerFreeMs = this.timeline.nowMs + count * spacingMs;
  }

  #send(bytes: number, isMedia: boolean, probeId?: number): void {
    const sentAtMs = this.timeline.nowMs;
    const number = this.#firstInFlight + this.#inFlight.length;
    this.samples.sentPackets++;
    this.#sentBytes += bytes;
    this.#inFlight.push({ result: { sentAtMs, arrivedAtMs: undefined, bytes, probeId }, isMedia });
    this.link.send(
      bytes,
      ({ queuedMs, atMs }) => this.#onArrival(number, queuedMs, atMs),
      () => this.samples.lostPackets++,
    );
  }

  #onArrival(number: number, queuedMs: number, atMs: number): void {
    const at = number - this.#firstInFlight;
    const sent = this.#inFlight[at];
    if (!sent) return;
    const { result, isMedia } = sent;
    this.#inFlight[at] = { result: { ...result, arrivedAtMs: atMs }, isMedia };
    this.#highestArrived = Math.max(this.#highestArrived, number);
    this.samples.queuedMs.push(queuedMs);
    if (isMedia) this.samples.mediaBytes += result.bytes;
    this.#forwardMs = atMs - result.sentAtMs;
    // RFC 3550 section 6.4.1.
    this.#jitterMs += (Math.abs(this.#forwardMs - (this.#transitMs ?? this.#forwardMs)) - this.#jitterMs) / 16;
    this.#transitMs = this.#forwardMs;
  }

  #feedBack(): void {
    const reported = this.#inFlight.splice(0, this.#highestArrived + 1 - this.#firstInFlight);
    this.#firstInFlight += reported.length;
    const packets = reported.map(({ result }) => result);
    const report = this.feedback === 'report' ? this.#report(packets) : undefined;
    if (packets.length > 0)
      this.timeline.after(this.trace.delayMs, () => this.estimator.onFeedback(report ?? { kind: 'packets', packets }));
    this.timeline.after(feedbackMs[this.feedback], () => this.#feedBack());
  }

  #report(packets: readonly PacketResult[]) {
    const { nowMs } = this.timeline;
    const lost = packets.filter(({ arrivedAtMs }) => arrivedAtMs === undefined).length;
    const sentBitrate = (this.#sentBytes * 8000) / Math.max(1, nowMs - this.#reportedAtMs);
    this.#reportedAtMs = nowMs;
    this.#sentBytes = 0;
    return {
      kind: 'report',
      fractionLost: lost / Math.max(1, packets.length),
      jitterMs: this.#jitterMs,
      rttMs: this.#forwardMs + this.trace.delayMs,
      sentBitrate,
    } as const;
  }
}
