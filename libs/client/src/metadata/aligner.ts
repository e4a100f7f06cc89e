/** An item that is delivered with the frame that it describes. */
export interface Aligned {
  /** Capture time of the frame, in milliseconds of the fleet's time. */
  readonly captureTime: number;
  /** @param errorMs capture time of the presented frame minus `captureTime`; undefined when no frame arrived in time. */
  deliver(errorMs: number | undefined): void;
}

/** Items that wait at most. Above that the oldest is delivered without its frame. */
const maxWaiting = 512;
/** Longer distances between two frames, in milliseconds, are pauses and do not count as the frame interval. */
const maxIntervalMs = 250;

/**
 * Holds items until the video frame that they describe is presented. Frames arrive in the order of capture. An item belongs to
 * the frame whose capture time is within half a frame interval; an item that arrives after its frame is delivered at once.
 */
export class Aligner {
  readonly #waiting: { readonly item: Aligned; readonly until: number }[] = [];
  /** The presented frame, and when it was presented (`performance.now`). */
  #frame: { readonly captureTime: number; readonly at: number } | undefined;
  #intervalMs = 0;

  /** @param maxWaitMs after which an item is delivered without its frame. */
  constructor(private readonly maxWaitMs: number) {}

  get size(): number {
    return this.#waiting.length;
  }

  /** When `expire` is to be called; Infinity while no item waits. */
  get deadline(): number {
    return this.#waiting[0]?.until ?? Infinity;
  }

  add(item: Aligned, now: number): void {
    // Sorted by capture time: unreliable channels do not keep the order.
    let index = this.#waiting.length;
    while (index > 0 && this.#waiting[index - 1]!.item.captureTime > item.captureTime) index--;
    this.#waiting.splice(index, 0, { item, until: now + this.maxWaitMs });
    if (this.#waiting.length > maxWaiting) this.#waiting.shift()!.item.deliver(undefined);
    // It may belong to the frame that is on the screen, unless the video has stopped.
    if (this.#frame && now - this.#frame.at < this.maxWaitMs) this.#present(this.#frame.captureTime);
  }

  /** A frame was presented. */
  frame(captureTime: number, now: number): void {
    const interval = this.#frame && captureTime - this.#frame.captureTime;
    // Grows by 10 % at most, so that skipped frames hardly change it.
    if (interval !== undefined && interval > 0 && interval < maxIntervalMs)
      this.#intervalMs = this.#intervalMs === 0 ? interval : Math.min(interval, this.#intervalMs * 1.1);
    this.#frame = { captureTime, at: now };
    this.#present(captureTime);
  }

  #present(captureTime: number): void {
    const upTo = captureTime + this.#intervalMs / 2;
    while (this.#waiting.length > 0 && this.#waiting[0]!.item.captureTime <= upTo) {
      const { item } = this.#waiting.shift()!;
      item.deliver(captureTime - item.captureTime);
    }
  }

  /** Delivers items that waited too long. */
  expire(now: number): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.until <= now) this.#waiting.shift()!.item.deliver(undefined);
  }
}
