import { timestampDistance } from './sequence.ts';

/** What a sender report says of the clock of a stream. */
export interface ClockReport {
  /** Time of the RTP timestamp on the sender's clock, in ms since the Unix epoch. */
  readonly unixMs: number;
  readonly rtpTimestamp: number;
}

/** Share of the error against the last sender report that each packet corrects. */
const correction = 0.02;
/** Least distance of two packets with different timestamps, in ms. */
const leastStepMs = 0.5;
/** A larger error is a jump of a clock: the timeline is fixed again. */
const maxErrorMs = 5000;

/**
 * The times of the packets of one stream (SSRC) on the clock of its sender reports. The offset is fixed at the first report, then
 * the RTP clock runs and 2 % of the error against the last report are corrected per timestamp, so that reports with jitter move
 * nothing visibly. The mapping of the last report is kept: senders stop reporting when a stream pauses.
 */
export class MediaTimeline {
  #report: ClockReport | undefined;
  /** RTP timestamp without wrap-around, in ms, that `#offsetMs` is added to. */
  #elapsedMs = 0;
  #offsetMs: number | undefined;
  #isFixedByReport = false;
  #timestamp: number | undefined;
  /** The sender's clock less that of the arrivals. */
  #skewMs: number | undefined;
  #lastMs: number;

  /**
   * @param clockRate of the RTP timestamps, in Hz.
   * @param notBefore time in ms that all times are to follow: the last one of the stream that this one replaces.
   * @param report the last sender report, if there has been one.
   */
  constructor(
    readonly clockRate: number,
    notBefore = -Infinity,
    report?: ClockReport,
  ) {
    this.#lastMs = notBefore;
    this.#report = report;
  }

  /** The last sender report. */
  get report(): ClockReport | undefined {
    return this.#report;
  }

  /** Whether a sender report has been received. */
  get mapped(): boolean {
    return this.#report !== undefined;
  }

  /** Whether a time has been returned. */
  get isFixed(): boolean {
    return this.#offsetMs !== undefined;
  }

  /** The last time that was returned, in ms since the Unix epoch; -Infinity before the first. */
  get lastMs(): number {
    return this.#lastMs;
  }

  onSenderReport(report: ClockReport): void {
    this.#report = report;
    this.#skewMs = undefined;
  }

  /** Time of an RTP timestamp by the last sender report alone, in ms since the Unix epoch; undefined before the first. */
  reportedTime(rtpTimestamp: number): number | undefined {
    const report = this.#report;
    if (!report) return undefined;
    return report.unixMs + (timestampDistance(report.rtpTimestamp, rtpTimestamp) / this.clockRate) * 1000;
  }

  /**
   * Time of the next frame in ms since the Unix epoch, larger than that of the frame before.
   *
   * @param arrivedMs time of its arrival on the own clock, in ms since the Unix epoch. The timeline is fixed at it when there is no
   *   sender report, and when the RTP timestamps jump against it.
   */
  next(rtpTimestamp: number, arrivedMs: number): number {
    if (this.#timestamp !== undefined)
      this.#elapsedMs += (timestampDistance(this.#timestamp, rtpTimestamp) / this.clockRate) * 1000;
    this.#timestamp = rtpTimestamp;
    const reported = this.#plausible(this.reportedTime(rtpTimestamp), arrivedMs);
    const target = reported ?? arrivedMs + (this.#skewMs ?? 0);
    const error = target - this.#elapsedMs - (this.#offsetMs ?? 0);
    const isFirstReport = reported !== undefined && !this.#isFixedByReport;
    if (this.#offsetMs === undefined || isFirstReport || Math.abs(error) > maxErrorMs)
      this.#offsetMs = target - this.#elapsedMs;
    else if (reported !== undefined) this.#offsetMs += error * correction;
    this.#isFixedByReport ||= isFirstReport;
    const at = this.#elapsedMs + this.#offsetMs;
    this.#lastMs = at > this.#lastMs ? at : this.#lastMs + leastStepMs;
    return this.#lastMs;
  }

  /** The reported time; undefined, and the report is dropped, after the RTP timestamps jumped without a new report. */
  #plausible(reported: number | undefined, arrivedMs: number): number | undefined {
    if (reported === undefined) return undefined;
    const skew = reported - arrivedMs;
    if (this.#skewMs !== undefined && Math.abs(skew - this.#skewMs) > maxErrorMs) {
      this.#report = undefined;
      return undefined;
    }
    this.#skewMs ??= skew;
    return reported;
  }
}
