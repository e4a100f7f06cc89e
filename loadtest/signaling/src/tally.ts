import { Histogram, type HistogramDelta } from './histogram.ts';

/** What is timed. `dispatch`: from just before a message is sent to its arrival at a member; the others end with a reply. */
export const measures = ['handshake', 'join', 'dispatch', 'reply', 'resume'] as const;
export type Measure = (typeof measures)[number];

export interface TallyDelta {
  readonly times: Readonly<Partial<Record<Measure, HistogramDelta>>>;
  readonly counts: Readonly<Record<string, number>>;
}

/** Times and counts of one side, in a client process and, added up, in the one that reports. */
export class Tally {
  readonly times: Readonly<Record<Measure, Histogram>> = {
    handshake: new Histogram(),
    join: new Histogram(),
    dispatch: new Histogram(),
    reply: new Histogram(),
    resume: new Histogram(),
  };
  readonly counts = new Map<string, number>();

  /** Names are of this program or codes of a catalogue, so there are few. */
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

  /** What came in since the last time this was asked. */
  take(): TallyDelta {
    const times = Object.fromEntries(measures.map((measure) => [measure, this.times[measure].take()]));
    const counts = Object.fromEntries(this.counts);
    this.counts.clear();
    return { times, counts };
  }
}
