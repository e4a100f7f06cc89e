import type { Offset } from '@flotilla/contracts';
import { gauge, outsideTraces } from '@flotilla/runtime';

/** Functions that return the largest lag of the subscriptions of an event log, in entries. */
const sources = new Set<() => number>();

gauge({
  name: 'flotilla_stream_lag_entries',
  help: 'Entries of an event stream that this process has not received yet, of the stream with the most, within the last check of all streams. Counted up to 4,096, which is what a stream keeps.',
  collect() {
    this.set(Math.max(0, ...[...sources].map((largest) => largest())));
  },
});

/** Adds an event log to `flotilla_stream_lag_entries`, until `stop`. */
export function reportLag(largest: () => number): { stop(): void } {
  sources.add(largest);
  return { stop: () => void sources.delete(largest) };
}

/** A stream that is subscribed to, and the offset up to which its entries were received. */
export interface ReadPosition {
  readonly key: string;
  readonly offset: Offset;
}

/** Interval at which some streams are checked, ms. */
const checkMs = 1000;
/** Number of streams that one check counts at most: a few microseconds of Redis for each that is not behind. */
const streamsPerCheck = 64;

/**
 * Measures how far the subscriptions of a process are behind, in entries: a few streams each second, one round after the other, so
 * that many rooms cost Redis no more than a few.
 */
export class StreamLag {
  readonly #timer: NodeJS.Timeout;
  readonly #report: { stop(): void };
  /** Streams that this round has not checked yet. */
  #round: ReadPosition[] = [];
  #largestOfRound = 0;
  #largestOfPreviousRound = 0;
  #isChecking = false;

  /** @param countAfter as in EventLog, with the keys of streams. */
  constructor(
    private readonly streams: () => Iterable<ReadPosition>,
    private readonly countAfter: (positions: readonly ReadPosition[]) => Promise<readonly number[]>,
  ) {
    // The first subscription may be made in a trace.
    this.#timer = outsideTraces(() => setInterval(() => void this.check(), checkMs)).unref();
    this.#report = reportLag(() => this.largest);
  }

  /** The largest lag that this round of checks or the one before it found. */
  get largest(): number {
    return Math.max(this.#largestOfRound, this.#largestOfPreviousRound);
  }

  /** Counts for the next few streams. Never rejects. */
  async check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    if (this.#round.length === 0) {
      this.#largestOfPreviousRound = this.#largestOfRound;
      this.#largestOfRound = 0;
      this.#round = [...this.streams()];
    }
    // While Redis is unavailable nothing is known: these streams wait for the next round.
    const positions = this.#round.splice(0, streamsPerCheck);
    const counts = positions.length === 0 ? [] : await this.countAfter(positions).catch(() => undefined);
    if (counts) {
      this.#largestOfRound = Math.max(this.#largestOfRound, ...counts);
      this.#round.unshift(...positions.slice(counts.length));
    }
    this.#isChecking = false;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#report.stop();
  }
}
