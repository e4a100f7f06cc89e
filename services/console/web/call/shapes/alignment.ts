/** Most recent frames that percentiles are computed from: ten seconds at 30 frames per second. */
const sampleFrames = 300;

/** Distance between the capture times of a frame and of the metadata drawn on it. */
export interface AlignmentFigures {
  /** Median, ms. */
  readonly p50: number;
  /** 95th percentile, ms. */
  readonly p95: number;
  /** Frames drawn so far. */
  readonly frames: number;
}

/** Collects alignment errors of drawn frames. */
export class AlignmentLog {
  readonly #errors: number[] = [];
  #frames = 0;

  /** @param errorMs capture time of the frame minus that of the message. */
  add(errorMs: number): void {
    this.#errors[this.#frames++ % sampleFrames] = Math.abs(errorMs);
  }

  get figures(): AlignmentFigures | undefined {
    if (this.#frames === 0) return undefined;
    const sorted = this.#errors.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1]!;
    return { p50: at(0.5), p95: at(0.95), frames: this.#frames };
  }
}
