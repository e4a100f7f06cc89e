import { usablePackets, usableReport } from '../feedback.ts';
import {
  type BandwidthEstimator,
  type BitrateBounds,
  type EstimatorOptions,
  type EstimatorState,
  type Feedback,
  type Probe,
  type ReceiverReport,
  requireBounds,
  within,
} from '../port.ts';
import { ReportBuilder } from './report-builder.ts';

/** When a report changes the target. A report that meets none leaves it. */
export interface ArticleTriggers {
  /** Loss since the last report, in per cent, from which on it counts. */
  readonly lossPercent: number;
  /** Jitter as a share of the round-trip time from which on it counts. */
  readonly jitterShare: number;
  /** Shortest time between two changes, ms. */
  readonly everyMs: number;
}

export interface ArticleParameters {
  /** Decrease per per cent of loss. */
  readonly lossWeight: number;
  /** Increase for a jitter as long as the round-trip time. */
  readonly jitterWeight: number;
  /** Bounds of the factor of one change. */
  readonly minFactor: number;
  readonly maxFactor: number;
  /** So many rises of the round-trip time in a row suppress increases, until it no longer rises. */
  readonly risingRtts: number;
  readonly triggers: ArticleTriggers;
}

/** The published formula. Its triggers are not published with figures: each report triggers, once a second. */
export const articleParameters: ArticleParameters = {
  lossWeight: 0.05,
  jitterWeight: 0.25,
  minFactor: 0.8,
  maxFactor: 1.25,
  risingRtts: 3,
  triggers: { lossPercent: 0, jitterShare: 0, everyMs: 1000 },
};

/** Reports of one second come a little early at times. */
const earlyMs = 100;

/**
 * The rule B x (1 - 0.05 loss + 0.25 jitter/rtt), clamped to 0.8..1.25, with increases suppressed after three rising
 * round-trip times. Loss is in per cent: as a share, 5 % of loss would change the target by a quarter of a per cent.
 */
export class ArticleEstimator implements BandwidthEstimator {
  targetBitrate: number;
  state: EstimatorState = 'hold';
  readonly #bounds: BitrateBounds;
  readonly #now: () => number;
  readonly #reports: ReportBuilder;
  readonly #parameters: ArticleParameters;
  #changedMs = -Infinity;
  #lastRttMs: number | undefined;
  #rises = 0;

  constructor({ bounds, now }: EstimatorOptions, parameters: ArticleParameters = articleParameters) {
    this.#bounds = requireBounds(bounds);
    this.#now = now;
    this.#parameters = parameters;
    this.targetBitrate = bounds.start;
    this.#reports = new ReportBuilder(now());
  }

  /** The rule has no probes. */
  takeProbe(): Probe | undefined {
    return undefined;
  }

  onFeedback(feedback: Feedback): void {
    const report =
      feedback.kind === 'report' ? feedback : this.#reports.add(usablePackets(feedback.packets), this.#now());
    if (report) this.#onReport(usableReport(report));
  }

  #onReport({ fractionLost, jitterMs, rttMs }: ReceiverReport): void {
    const { lossWeight, jitterWeight, minFactor, maxFactor, risingRtts, triggers } = this.#parameters;
    if (rttMs !== undefined) {
      this.#rises = rttMs > (this.#lastRttMs ?? rttMs) ? Math.min(this.#rises + 1, risingRtts) : 0;
      this.#lastRttMs = rttMs;
    }
    const nowMs = this.#now();
    if (nowMs - this.#changedMs < triggers.everyMs - earlyMs) return;
    const lossPercent = 100 * fractionLost;
    const jitterShare = rttMs === undefined ? 0 : jitterMs / rttMs;
    if (lossPercent < triggers.lossPercent && jitterShare < triggers.jitterShare) return;
    this.#changedMs = nowMs;
    const factor = within(
      { min: minFactor, max: maxFactor },
      1 - lossWeight * lossPercent + jitterWeight * jitterShare,
    );
    const applied = this.#rises >= risingRtts ? Math.min(factor, 1) : factor;
    this.targetBitrate = within(this.#bounds, this.targetBitrate * applied);
    this.state = stateOf(applied);
  }
}

function stateOf(factor: number): EstimatorState {
  if (factor === 1) return 'hold';
  return factor > 1 ? 'increase' : 'decrease';
}
