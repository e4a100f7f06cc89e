import { SlewedOffset } from './slewed-offset.ts';

export interface SourceTimesOptions {
  /** Beyond it the source calibrated longest ago is forgotten. Default 1024. */
  readonly maxSources?: number;
  /** How often a source is calibrated, in ms. Default 5000. */
  readonly intervalMs?: number;
}

interface Source {
  readonly delta: SlewedOffset;
  /** The newest frame that was asked for. */
  newestMs: number;
}

/**
 * When frames were taken, in the fleet's time: `pts_ntp = t_frame_local + delta`, with one delta a source (a camera, a
 * publisher, a file), as each has a clock of its own. Frames of a source asked for in their order never go back in time.
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

  /** Whether the source was calibrated. */
  has(source: string): boolean {
    return this.#sources.has(source);
  }

  /** The source's clock showed `localMs` when the fleet's time was `fleetMs` (ms since the Unix epoch). */
  calibrate(source: string, localMs: number, fleetMs: number): void {
    const known = this.#sources.get(source);
    const entry = known ?? { delta: new SlewedOffset(fleetMs - localMs, this.#intervalMs), newestMs: -Infinity };
    // What was told of newer frames stays true.
    if (known) known.delta.aim(fleetMs - localMs, Math.max(localMs, known.newestMs));
    // The map keeps the order in which sources were calibrated.
    this.#sources.delete(source);
    this.#sources.set(source, entry);
    if (this.#sources.size > this.#maxSources) this.#sources.delete(this.#sources.keys().next().value!);
  }

  /** `pts_ntp` of a frame, in ms since the Unix epoch; undefined while the source was not calibrated. */
  ptsNtp(source: string, frameLocalMs: number): number | undefined {
    const known = this.#sources.get(source);
    if (!known) return undefined;
    known.newestMs = Math.max(known.newestMs, frameLocalMs);
    return frameLocalMs + known.delta.at(frameLocalMs);
  }

  forget(source: string): void {
    this.#sources.delete(source);
  }
}
