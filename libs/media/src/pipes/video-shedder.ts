/** Loss from which on a pipe is taken to be tight, if it carries more than its estimate: the upper threshold of gcc's loss control. */
const tightLoss = 0.1;
/** Loss below which a video may be tried again. */
const quietLoss = 0.02;
/** A pipe is tight after so many samples in a row: one may be a pause of a machine. */
const tightSamples = 3;

/** What a sample of a pipe shows. */
export interface PipeSample {
  /** Bit rate that the pipe sends, bit/s. */
  readonly sent: number;
  /** Bit rate that the estimator finds possible, bit/s. */
  readonly estimate: number;
  /** Lost packets as a share of those sent, 0 to 1. */
  readonly loss: number;
  readonly nowMs: number;
}

export interface ShedderTimes {
  /** Time without loss before a paused video is tried again; doubled by each failed trial. */
  readonly resumeAfterMs: number;
  readonly maxResumeAfterMs: number;
  /** A trial has failed when the pipe is tight again within this time. */
  readonly trialMs: number;
}

export const shedderTimes: ShedderTimes = { resumeAfterMs: 5000, maxResumeAfterMs: 60_000, trialMs: 10_000 };

/**
 * Decides when a pipe has to carry a video less, and when one more may be tried. There are no probes on a pipe: whether it has
 * become wider shows when a video is resumed.
 */
export class VideoShedder {
  #tightInARow = 0;
  #quietSinceMs: number | undefined;
  /** Time of the last trial that has not failed. */
  #resumedMs: number | undefined;
  #waitMs: number;

  constructor(private readonly times: ShedderTimes = shedderTimes) {
    this.#waitMs = times.resumeAfterMs;
  }

  /** Returns what to do with one video now. */
  update({ sent, estimate, loss, nowMs }: PipeSample): 'pause' | 'resume' | undefined {
    const isTight = loss >= tightLoss && sent > estimate;
    this.#tightInARow = isTight ? this.#tightInARow + 1 : 0;
    this.#quietSinceMs = loss < quietLoss ? (this.#quietSinceMs ?? nowMs) : undefined;
    if (this.#tightInARow >= tightSamples) return this.#pause(nowMs);
    if (this.#quietSinceMs === undefined || nowMs - this.#quietSinceMs < this.#waitMs) return undefined;
    // The next one waits as long.
    this.#quietSinceMs = nowMs;
    const sinceMs = nowMs - (this.#resumedMs ?? nowMs);
    if (sinceMs >= this.times.trialMs) this.#waitMs = this.times.resumeAfterMs;
    this.#resumedMs = nowMs;
    return 'resume';
  }

  #pause(nowMs: number): 'pause' {
    this.#tightInARow = 0;
    if (this.#resumedMs !== undefined && nowMs - this.#resumedMs <= this.times.trialMs)
      this.#waitMs = Math.min(2 * this.#waitMs, this.times.maxResumeAfterMs);
    this.#resumedMs = undefined;
    return 'pause';
  }
}
