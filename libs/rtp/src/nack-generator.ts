import { nextSequence, sequenceDistance } from './sequence.ts';

export interface NackOptions {
  /** Maximum number of missing packets. When more are missing, none is asked for: a key frame costs less. Default 500. */
  readonly maxMissing?: number;
  /** Requests for a packet before it is given up. Default 10. */
  readonly maxTries?: number;
  /** Time before the first request, in which packets may arrive out of order, in ms. Default 5. */
  readonly reorderMs?: number;
  /** Least time between two requests for a packet, in ms. Default 20. */
  readonly minIntervalMs?: number;
}

interface Missing {
  tries: number;
  /** Earliest time of the next request. */
  nextAt: number;
}

/** Detects missing packets of a received stream, and when to ask for them (RFC 4585, section 6.2.1). */
export class NackGenerator {
  readonly #missing = new Map<number, Missing>();
  readonly #due: number[] = [];
  readonly #maxMissing: number;
  readonly #maxTries: number;
  readonly #reorderMs: number;
  readonly #minIntervalMs: number;
  #highest: number | undefined;
  /** Packets that arrived after they had been missing. */
  recovered = 0;
  /** Packets that are not asked for any more. */
  givenUp = 0;

  constructor({ maxMissing = 500, maxTries = 10, reorderMs = 5, minIntervalMs = 20 }: NackOptions = {}) {
    this.#maxMissing = maxMissing;
    this.#maxTries = maxTries;
    this.#reorderMs = reorderMs;
    this.#minIntervalMs = minIntervalMs;
  }

  get missing(): number {
    return this.#missing.size;
  }

  /**
   * Counts a packet.
   *
   * @param now a monotonic clock, in ms.
   * @returns false when too many are missing and the list was emptied: a key frame is needed.
   */
  onPacket(sequenceNumber: number, now: number): boolean {
    if (this.#highest === undefined) {
      this.#highest = sequenceNumber;
      return true;
    }
    const ahead = sequenceDistance(this.#highest, sequenceNumber);
    if (ahead <= 0) {
      if (this.#missing.delete(sequenceNumber)) this.recovered++;
      return true;
    }
    const isOverflow = this.#missing.size + ahead - 1 > this.#maxMissing;
    if (isOverflow) {
      this.givenUp += this.#missing.size + ahead - 1;
      this.#missing.clear();
    } else
      for (let lost = nextSequence(this.#highest); lost !== sequenceNumber; lost = nextSequence(lost))
        this.#missing.set(lost, { tries: 0, nextAt: now + this.#reorderMs });
    this.#highest = sequenceNumber;
    return !isOverflow;
  }

  /**
   * The sequence numbers to ask for now, in the order in which they were lost. The array is used again by the next call.
   *
   * @param roundTripMs time until a request can have been answered.
   */
  due(now: number, roundTripMs: number): readonly number[] {
    const due = this.#due;
    due.length = 0;
    for (const [sequence, missing] of this.#missing) {
      if (now < missing.nextAt) continue;
      if (missing.tries >= this.#maxTries) {
        this.#missing.delete(sequence);
        this.givenUp++;
        continue;
      }
      missing.tries++;
      missing.nextAt = now + Math.max(this.#minIntervalMs, roundTripMs);
      due.push(sequence);
    }
    return due;
  }
}
