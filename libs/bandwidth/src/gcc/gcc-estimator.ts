import { usablePackets, usableReport } from '../feedback.ts';
import {
  type BandwidthEstimator,
  type BitrateBounds,
  type EstimatorOptions,
  type EstimatorState,
  type Feedback,
  type PacketResult,
  type Probe,
  type ReceiverReport,
  requireBounds,
  within,
} from '../port.ts';
import { ArrivalGroups } from './arrival-groups.ts';
import { LossControl } from './loss-control.ts';
import { OveruseDetector, type Usage } from './overuse-detector.ts';
import { Prober } from './prober.ts';
import { RateControl } from './rate-control.ts';
import { RateWindow } from './rate-window.ts';
import { ReportTrend } from './report-trend.ts';
import { StandingQueue } from './standing-queue.ts';
import { Trendline } from './trendline.ts';

/** Window of the acknowledged bit rate, ms (T of draft-ietf-rmcat-gcc-02 section 5.5). */
const acknowledgedMs = 500;
/** A sender that sends less than this share of the target is limited by its source, not by the path. */
const applicationLimitedShare = 0.65;
/** The receiver cannot get more than was sent, but a queue may drain into a window. */
const maxAcknowledgedOfSent = 1.5;
/** Loss is measured over so many packets and so long, ms. */
const [lossPackets, lossMs] = [20, 500];
/** A growing delay counts as overuse when the last packets have all waited at least as long, ms. */
const minStandingQueueMs = 10;
const rttSmoothing = 0.9;
const startRttMs = 100;
/**
 * With reports alone there are no probes: growth per second at the start, and later while nothing has been decreased for so
 * long, ms.
 */
const [startIncreaseFactor, quietIncreaseFactor, quietMs] = [1.5, 1.2, 6000];
/** After a decrease, reports are of the time before it for a round trip, at most so long, ms. */
const maxSettleMs = 1000;
/** A report may be of the time before a decrease: what arrived counts as at least this share of the target. */
const minAcknowledgedOfTarget = 0.4;

/**
 * Google Congestion Control after draft-ietf-rmcat-gcc-02, with libwebrtc's trendline filter and probes. What is of the draft,
 * of libwebrtc and of neither is in docs/bandwidth.md.
 */
export class GccEstimator implements BandwidthEstimator {
  targetBitrate: number;
  readonly #bounds: BitrateBounds;
  readonly #now: () => number;
  readonly #groups = new ArrivalGroups();
  readonly #trendline = new Trendline();
  readonly #detector = new OveruseDetector();
  readonly #queue = new StandingQueue();
  readonly #acknowledged = new RateWindow(acknowledgedMs);
  readonly #sent = new RateWindow(acknowledgedMs);
  readonly #rate: RateControl;
  readonly #loss: LossControl;
  readonly #prober: Prober;
  readonly #reportTrend = new ReportTrend();
  #rttMs = startRttMs;
  #lost = 0;
  #expected = 0;
  #lossSinceMs: number;
  #isApplicationLimited = false;

  constructor({ bounds, now }: EstimatorOptions) {
    this.#bounds = requireBounds(bounds);
    this.#now = now;
    this.targetBitrate = bounds.start;
    this.#rate = new RateControl(bounds);
    this.#loss = new LossControl(bounds);
    this.#prober = new Prober(bounds, now());
    this.#lossSinceMs = now();
  }

  get state(): EstimatorState {
    if (this.#loss.limit <= this.#rate.target) return 'loss-limited';
    if (this.#rate.state === 'increase' && this.#isApplicationLimited) return 'application-limited';
    return this.#rate.state;
  }

  takeProbe(): Probe | undefined {
    return this.#prober.take(this.#now());
  }

  onFeedback(feedback: Feedback): void {
    if (feedback.kind === 'packets') this.#onPackets(usablePackets(feedback.packets));
    else this.#onReport(usableReport(feedback));
  }

  #onPackets(packets: readonly PacketResult[]): void {
    if (packets.length === 0) return;
    const nowMs = this.#now();
    let usage: Usage | undefined;
    for (const packet of packets) usage = worse(usage, this.#addPacket(packet, nowMs));
    const acknowledged = this.#acknowledgedBitrate();
    this.#isApplicationLimited = this.#isBelowTarget(this.#sent.bitrate);
    this.#updateLoss(acknowledged, nowMs);
    this.#control({ usage: usage ?? 'normal', acknowledged, nowMs });
    this.#prober.update(this.targetBitrate, this.#isApplicationLimited, this.#rate.decreasedMs, nowMs);
  }

  /** Returns the use of the path if the packet completes a group. */
  #addPacket(packet: PacketResult, nowMs: number): Usage | undefined {
    const { sentAtMs, arrivedAtMs, bytes } = packet;
    this.#expected++;
    this.#sent.add(sentAtMs, bytes);
    if (arrivedAtMs === undefined) {
      this.#lost++;
      return undefined;
    }
    this.#acknowledged.add(arrivedAtMs, bytes);
    const rttMs = nowMs - sentAtMs;
    if (rttMs >= 0 && rttMs < 10_000) this.#rttMs = rttSmoothing * this.#rttMs + (1 - rttSmoothing) * rttMs;
    const found = this.#prober.add(packet);
    if (found !== undefined) {
      this.#rate.raiseTo(found);
      this.#loss.raiseTo(found);
    }
    const delta = this.#groups.add(sentAtMs, arrivedAtMs);
    if (!delta) return undefined;
    const queueMs = this.#queue.add(delta);
    const usage = this.#detector.update(this.#trendline.add(delta), delta.sentMs, delta.atMs);
    return usage === 'overuse' && queueMs < minStandingQueueMs ? 'normal' : usage;
  }

  #acknowledgedBitrate(): number | undefined {
    const sent = this.#sent.bitrate;
    const acknowledged = this.#acknowledged.bitrate;
    return acknowledged === undefined || sent === undefined
      ? undefined
      : Math.min(acknowledged, sent * maxAcknowledgedOfSent);
  }

  #isBelowTarget(sent: number | undefined): boolean {
    return sent !== undefined && sent < applicationLimitedShare * this.targetBitrate;
  }

  #updateLoss(acknowledged: number | undefined, nowMs: number): void {
    if (this.#expected < lossPackets || nowMs - this.#lossSinceMs < lossMs) return;
    this.#loss.update(this.#lost / this.#expected, this.targetBitrate, acknowledged, nowMs);
    this.#lost = this.#expected = 0;
    this.#lossSinceMs = nowMs;
  }

  #onReport(report: ReceiverReport): void {
    const nowMs = this.#now();
    const { fractionLost, sentBitrate, rttMs } = report;
    if (rttMs !== undefined) this.#rttMs = rttMs;
    const acknowledged = Math.max(sentBitrate * (1 - fractionLost), this.targetBitrate * minAcknowledgedOfTarget);
    this.#isApplicationLimited = this.#isBelowTarget(sentBitrate);
    const usage = this.#reportTrend.update(report, nowMs);
    if (nowMs - this.#decreasedMs < Math.min(this.#rttMs, maxSettleMs)) return;
    this.#loss.update(fractionLost, this.targetBitrate, acknowledged, nowMs);
    this.#control({ usage, acknowledged, nowMs, increaseFactor: this.#reportIncreaseFactor(nowMs) });
  }

  get #decreasedMs(): number {
    return Math.max(this.#rate.decreasedMs, this.#loss.decreasedMs);
  }

  #reportIncreaseFactor(nowMs: number): number | undefined {
    if (this.#decreasedMs === -Infinity) return startIncreaseFactor;
    return nowMs - this.#decreasedMs > quietMs ? quietIncreaseFactor : undefined;
  }

  #control(input: {
    usage: Usage;
    acknowledged: number | undefined;
    nowMs: number;
    increaseFactor?: number | undefined;
  }): void {
    this.#rate.update({ ...input, rttMs: this.#rttMs, isApplicationLimited: this.#isApplicationLimited });
    this.#rate.limitTo(this.#loss.limit);
    this.targetBitrate = within(this.#bounds, Math.min(this.#rate.target, this.#loss.limit));
  }
}

/** Overuse in one group of a feedback counts, whatever the later ones are. */
const worse = (one: Usage | undefined, other: Usage | undefined): Usage | undefined =>
  one === 'overuse' ? one : (other ?? one);
