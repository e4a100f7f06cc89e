/** Frames that the figures are made of: ten seconds or so. */
const remembered = 300;

/** What is told of how far metadata and frames are apart. */
export interface AlignmentFigures {
  /** Half of the frames are closer than this, and 95 % of them, ms. */
  readonly p50: number;
  readonly p95: number;
  /** How many were drawn so far. */
  readonly frames: number;
}

/** Distances between frames and what was drawn on them. */
export class AlignmentLog {
  readonly #errors: number[] = [];
  #frames = 0;

  /** @param errorMs capture time of the frame minus that of the message. */
  add(errorMs: number): void {
    this.#errors[this.#frames++ % remembered] = Math.abs(errorMs);
  }

  get figures(): AlignmentFigures | undefined {
    if (this.#frames === 0) return undefined;
    const sorted = this.#errors.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1]!;
    return { p50: at(0.5), p95: at(0.95), frames: this.#frames };
  }
}
