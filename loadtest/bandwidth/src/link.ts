import { Random } from '@flotilla/loadtest-kit';
import type { Timeline } from './timeline.ts';
import type { Trace } from './traces.ts';

export interface Delivery {
  /** Time in the queue until the transmission began. */
  readonly queuedMs: number;
  readonly atMs: number;
}

/** Capacity is taken to be constant for as long within a transmission. */
const stepMs = 5;
/** A link that stands still is taken to send at this, bit/s, so that every packet ends. */
const minCapacity = 10_000;
/** How long a draw of the jitter holds, ms: jitter is of the path, as in a queue elsewhere, and not of a packet. */
const [minJitterMs, maxJitterMs] = [5, 35];

/** A link with a capacity that varies, a queue that drops at its tail, delay, jitter and loss. Packets keep their order. */
export class Link {
  readonly #random: Random;
  readonly #isLost: () => boolean;
  readonly #maxQueueBytes: number;
  /** Packets whose transmission has not ended, with their ends. */
  readonly #queue: { readonly endMs: number; readonly bytes: number }[] = [];
  #queueBytes = 0;
  #freeMs = 0;
  #lastArrivalMs = 0;
  #jitterMs = 0;
  #jitterUntilMs = 0;

  constructor(
    private readonly timeline: Timeline,
    private readonly trace: Trace,
    seed: number,
  ) {
    this.#random = new Random(seed);
    this.#isLost = trace.loss(this.#random);
    this.#maxQueueBytes = Math.max(3000, (meanCapacity(trace) * trace.queueMs) / 8000);
  }

  /** Sends a packet. `deliver` is called when it arrives, `drop` at once when it never will. */
  send(bytes: number, deliver: (delivery: Delivery) => void, drop: () => void): void {
    const { nowMs } = this.timeline;
    while (this.#queue.length > 0 && this.#queue[0]!.endMs <= nowMs) this.#queueBytes -= this.#queue.shift()!.bytes;
    if (this.#queueBytes + bytes > this.#maxQueueBytes) return drop();
    const startMs = Math.max(nowMs, this.#freeMs);
    const endMs = this.#endOf(startMs, bytes);
    this.#freeMs = endMs;
    this.#queue.push({ endMs, bytes });
    this.#queueBytes += bytes;
    if (this.#isLost()) return drop();
    const atMs = Math.max(endMs + this.trace.delayMs + this.#jitter(endMs), this.#lastArrivalMs);
    this.#lastArrivalMs = atMs;
    this.timeline.at(atMs, () => deliver({ queuedMs: startMs - nowMs, atMs }));
  }

  #endOf(startMs: number, bytes: number): number {
    let atMs = startMs;
    for (let bits = bytes * 8; ;) {
      const perMs = Math.max(this.trace.capacity(atMs), minCapacity) / 1000;
      if (bits <= perMs * stepMs) return atMs + bits / perMs;
      bits -= perMs * stepMs;
      atMs += stepMs;
    }
  }

  #jitter(atMs: number): number {
    if (this.trace.jitterMs === 0) return 0;
    if (atMs >= this.#jitterUntilMs) {
      this.#jitterMs = this.trace.jitterMs * this.#random.next() ** 3;
      this.#jitterUntilMs = atMs + this.#random.between(minJitterMs, maxJitterMs);
    }
    return this.#jitterMs;
  }
}

/** Mean capacity of a trace, bit/s. */
export function meanCapacity({ capacity, seconds }: Trace): number {
  let sum = 0;
  for (let second = 0; second < seconds; second += 0.1) sum += capacity(second * 1000);
  return sum / (seconds * 10);
}
