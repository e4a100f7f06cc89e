import type { MaxSpatialLayer } from '@flotilla/contracts';

/** Time for which a layer that nothing uses is still reported as used, in milliseconds, so that it is not switched off for a moment. */
export const lowerAfterMs = 2000;

/**
 * The highest of the spatial layers that the users of one stream use. A higher layer is reported at once, a lower one when nothing
 * has used more for `lowerAfterMs`. A change costs the same whatever the number of users.
 */
export class HighestLayer<User extends object> {
  /** The layers that are used, plus 1; 0: none. */
  readonly #levels = new Map<User, number>();
  /** Number of users by level. */
  readonly #counts: number[];
  #reported: number | undefined;
  /** Highest level since the timer was started. */
  #highestSince = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param spatialLayers number of layers that the stream has.
   * @param reported what the receiver of the reports assumes until the first one. Undefined: the first use is reported, whatever it is.
   */
  constructor(
    private readonly spatialLayers: number,
    private readonly report: (layer: MaxSpatialLayer) => void,
    reported?: 'all',
  ) {
    this.#counts = Array.from({ length: spatialLayers + 1 }, () => 0);
    if (reported === 'all') this.#reported = spatialLayers;
    this.#compare();
  }

  /** What was reported last, or is assumed. Undefined: nothing yet. */
  get reported(): MaxSpatialLayer | undefined {
    return this.#reported === undefined ? undefined : layerOf(this.#reported);
  }

  /** Whether less than all layers are reported. */
  get isReduced(): boolean {
    return this.#reported !== undefined && this.#reported < this.spatialLayers;
  }

  /** A layer above the highest counts as the highest. */
  set(user: User, layer: MaxSpatialLayer): void {
    const level = layer === null ? 0 : Math.min(layer + 1, this.spatialLayers);
    const previous = this.#levels.get(user);
    if (previous === level) return;
    if (previous !== undefined) this.#counts[previous]!--;
    this.#counts[level]!++;
    this.#levels.set(user, level);
    this.#compare();
  }

  delete(user: User): void {
    const level = this.#levels.get(user);
    if (level === undefined) return;
    this.#levels.delete(user);
    this.#counts[level]!--;
    this.#compare();
  }

  get #highest(): number {
    return Math.max(
      0,
      this.#counts.findLastIndex((count) => count > 0),
    );
  }

  #compare(): void {
    const highest = this.#highest;
    this.#highestSince = Math.max(this.#highestSince, highest);
    if (highest > (this.#reported ?? 0)) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#set(highest);
    } else if (highest !== this.#reported) this.#startTimer();
  }

  #startTimer(): void {
    if (this.#timer) return;
    this.#highestSince = this.#highest;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const highest = this.#highestSince;
      if (highest !== this.#reported) this.#set(highest);
      this.#compare();
    }, lowerAfterMs);
    this.#timer.unref();
  }

  #set(level: number): void {
    this.#reported = level;
    this.report(layerOf(level));
  }

  /** Reports nothing any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#levels.clear();
    this.#counts.fill(0);
  }
}

const layerOf = (level: number): MaxSpatialLayer => (level === 0 ? null : level - 1);
