/** What waits for its frame. */
export interface Waiting {
  /** When what it describes was captured, ms of the fleet's time. */
  readonly captureTime: number;
  /** `errorMs`: the presented frame's capture time minus this one's; undefined when no frame was to be had. */
  deliver(errorMs: number | undefined): void;
}

/** More than this does not wait: the oldest goes out without its frame. */
const maxWaiting = 512;

/**
 * Holds what describes video until the frame it describes is presented. Frames come in the order of their capture; what is
 * captured within half a frame of one belongs to it, and what comes after its frame goes out at once.
 */
export class Aligner {
  readonly #waiting: { readonly waiting: Waiting; readonly until: number }[] = [];
  #frame: { readonly captureTime: number; readonly at: number } | undefined;
  #intervalMs = 0;

  /** @param maxWaitMs what no frame came for is delivered without one. */
  constructor(private readonly maxWaitMs: number) {}

  get size(): number {
    return this.#waiting.length;
  }

  /** When `expire` has something to do; infinity while nothing waits. */
  get deadline(): number {
    return this.#waiting[0]?.until ?? Infinity;
  }

  add(waiting: Waiting, now: number): void {
    // In the order of capture: channels that lose may also change the order of what comes.
    let index = this.#waiting.length;
    while (index > 0 && this.#waiting[index - 1]!.waiting.captureTime > waiting.captureTime) index--;
    this.#waiting.splice(index, 0, { waiting, until: now + this.maxWaitMs });
    if (this.#waiting.length > maxWaiting) this.#waiting.shift()!.waiting.deliver(undefined);
    // While frames come, what belongs to the one that is on the screen goes with it.
    if (this.#frame && now - this.#frame.at < this.maxWaitMs) this.#present(this.#frame.captureTime);
  }

  /** A frame is on the screen now. */
  frame(captureTime: number, now: number): void {
    const since = this.#frame && captureTime - this.#frame.captureTime;
    // Half of the usual distance; a frame that was left out does not count as usual.
    if (since !== undefined && since > 0 && since < 250)
      this.#intervalMs = this.#intervalMs === 0 ? since : Math.min(since, this.#intervalMs * 1.1);
    this.#frame = { captureTime, at: now };
    this.#present(captureTime);
  }

  #present(captureTime: number): void {
    const upTo = captureTime + this.#intervalMs / 2;
    while (this.#waiting.length > 0 && this.#waiting[0]!.waiting.captureTime <= upTo) {
      const { waiting } = this.#waiting.shift()!;
      waiting.deliver(captureTime - waiting.captureTime);
    }
  }

  /** Lets go of what waited too long. */
  expire(now: number): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.until <= now)
      this.#waiting.shift()!.waiting.deliver(undefined);
  }
}
