import type { ReceiverReport } from '../port.ts';
import type { Usage } from './overuse-detector.ts';

/** The least round-trip time of the last 10 windows of 3 s is the one of an empty queue. */
const [windowMs, windows] = [3000, 10];
/** Queuing delay that is overuse while it grows, and at all: a constant and a multiple of the jitter, ms. */
const [growingMs, growingJitters] = [15, 3];
const [fullMs, fullJitters] = [60, 6];

/**
 * The use of the path from receiver reports alone: a queue is the round-trip time above its least one. Not of the draft,
 * which has no delay-based control without arrival times. The jitter widens the thresholds.
 */
export class ReportTrend {
  readonly #least: number[] = [];
  #windowStartMs = -Infinity;
  #lastMs: number | undefined;

  update({ rttMs, jitterMs }: ReceiverReport, nowMs: number): Usage {
    if (rttMs === undefined) return 'normal';
    if (nowMs - this.#windowStartMs >= windowMs) {
      this.#windowStartMs = nowMs;
      this.#least.push(rttMs);
      if (this.#least.length > windows) this.#least.shift();
    } else this.#least.push(Math.min(this.#least.pop() ?? rttMs, rttMs));
    const queueMs = rttMs - Math.min(...this.#least);
    const growth = rttMs - (this.#lastMs ?? rttMs);
    this.#lastMs = rttMs;
    const isGrowing = growth > jitterMs / 2 && queueMs > growingMs + growingJitters * jitterMs;
    if (isGrowing || (growth >= 0 && queueMs > fullMs + fullJitters * jitterMs)) return 'overuse';
    return growth < 0 && queueMs > growingMs ? 'underuse' : 'normal';
  }
}
