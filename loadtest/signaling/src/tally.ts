import { Histogram, type HistogramDelta } from './histogram.ts';

/** Measured durations. `dispatch`: from just before a message is sent to its arrival at a session; the others end with a reply. */
export const measures = ['handshake', 'join', 'dispatch', 'reply', 'resume'] as const;
export type Measure = (typeof measures)[number];

export interface TallyDelta {
  readonly times: Readonly<Partial<Record<Measure, HistogramDelta>>>;
  readonly counts: Readonly<Record<string, number>>;
}

/** Durations and counts of one side. Client processes send them as deltas, which the main process adds up. */
export class Tally {
  readonly times: Readonly<Record<Measure, Histogram>> = {
    handshake: new Histogram(),
    join: new Histogram(),
    dispatch: new Histogram(),
    reply: new Histogram(),
    resume: new Histogram(),
  };
  readonly counts = new Map<string, number>();

  /** Adds to a counter. The number of names is bounded: they are constants or error codes. */
  count(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  add({ times, counts }: TallyDelta): void {
    for (const measure of measures) this.times[measure].add(times[measure] ?? []);
    for (const [name, by] of Object.entries(counts)) this.count(name, by);
  }

  /** Returns the measurements since the last call. */
  take(): TallyDelta {
    const times = Object.fromEntries(measures.map((measure) => [measure, this.times[measure].take()]));
    const counts = Object.fromEntries(this.counts);
    this.counts.clear();
    return { times, counts };
  }
}
