import { SlewedOffset } from './slewed-offset.ts';

export interface SourceTimesOptions {
  /** Maximum number of sources; above it the least recently calibrated is dropped. Default 1024. */
  readonly maxSources?: number;
  /** Interval between calibrations of a source, in ms. Default 5000. */
  readonly intervalMs?: number;
}

interface Source {
  readonly delta: SlewedOffset;
  /** Local time of the newest frame passed to `ptsNtp`, in ms. */
  newestMs: number;
}

/**
 * Capture times of frames in the fleet's time: `pts_ntp = t_frame_local + delta`. Each source (a camera, a publisher, a file) has a
 * clock and therefore a delta of its own. For frames of one source in order, `pts_ntp` is monotonic.
 */
export class SourceTimes {
  readonly #sources = new Map<string, Source>();
  readonly #maxSources: number;
  readonly #intervalMs: number;

  constructor({ maxSources = 1024, intervalMs = 5000 }: SourceTimesOptions = {}) {
    this.#maxSources = maxSources;
    this.#intervalMs = intervalMs;
  }

  get size(): number {
    return this.#sources.size;
  }

  /** Whether the source has been calibrated. */
  has(source: string): boolean {
    return this.#sources.has(source);
  }

  /** Records that the source's clock showed `localMs` when the fleet's time was `fleetMs` (ms since the Unix epoch). */
  calibrate(source: string, localMs: number, fleetMs: number): void {
    const known = this.#sources.get(source);
    const entry = known ?? { delta: new SlewedOffset(fleetMs - localMs, this.#intervalMs), newestMs: -Infinity };
    // Timestamps already returned for newer frames stay valid.
    if (known) known.delta.aim(fleetMs - localMs, Math.max(localMs, known.newestMs));
    // Insertion order of the map is the order of calibration.
    this.#sources.delete(source);
    this.#sources.set(source, entry);
    if (this.#sources.size > this.#maxSources) this.#sources.delete(this.#sources.keys().next().value!);
  }

  /** `pts_ntp` of a frame, in ms since the Unix epoch; undefined before the source is calibrated. */
  ptsNtp(source: string, frameLocalMs: number): number | undefined {
    const known = this.#sources.get(source);
    if (!known) return undefined;
    known.newestMs = Math.max(known.newestMs, frameLocalMs);
    return frameLocalMs + known.delta.at(frameLocalMs);
  }

  /** Drops a source. */
  forget(source: string): void {
    this.#sources.delete(source);
  }
}
