import type { Sample } from './prometheus-text.ts';

/** What a process served at a time. */
export interface Scrape {
  /** The process, the same one after it was started again. */
  readonly source: string;
  readonly samples: readonly Sample[];
}

/** Values of labels; of several values, each matches. */
export type Matchers = Readonly<Record<string, string | readonly string[]>>;

interface Point {
  readonly atMs: number;
  readonly value: number;
}

interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly points: Point[];
  /** When a scrape of the same process did not have the series yet, which is 0 for a counter. */
  readonly absentAtMs: number | undefined;
}

/** A span of the run, ms since its begin, both ends included. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

const matches = (labels: Readonly<Record<string, string>>, matchers: Matchers): boolean =>
  Object.entries(matchers).every(([label, value]) => [value].flat().includes(labels[label] ?? ''));

/** The scraped metrics of all processes over a run. */
export class MetricHistory {
  readonly #series = new Map<string, Series>();
  readonly #scrapes = new Map<string, number[]>();

  add(atMs: number, scrapes: readonly Scrape[]): void {
    for (const { source, samples } of scrapes) {
      const times = this.#scrapes.get(source) ?? [];
      times.push(atMs);
      this.#scrapes.set(source, times);
      for (const { name, labels, value } of samples) {
        const key = `${source} ${name} ${JSON.stringify(labels)}`;
        let series = this.#series.get(key);
        if (!series) {
          series = { name, labels, points: [], absentAtMs: times.at(-2) };
          this.#series.set(key, series);
        }
        series.points.push({ atMs, value });
      }
    }
  }

  #select(name: string, matchers: Matchers): Series[] {
    return [...this.#series.values()].filter((each) => each.name === name && matches(each.labels, matchers));
  }

  /** Whether any process served a metric of this name. */
  has(name: string): boolean {
    return [...this.#series.values()].some((each) => each.name === name);
  }

  /** The increase of counters over a span. A process that was started again counts from 0. */
  increase(name: string, matchers: Matchers, span: Span): number {
    let sum = 0;
    for (const { points, absentAtMs } of this.#select(name, matchers)) {
      let previous = absentAtMs === undefined ? undefined : 0;
      for (const { atMs, value } of points) {
        if (atMs > span.toMs) break;
        if (atMs >= span.fromMs && previous !== undefined) sum += value >= previous ? value - previous : value;
        previous = value;
      }
    }
    return sum;
  }

  /** All values of gauges within a span. */
  values(name: string, matchers: Matchers, { fromMs, toMs }: Span): number[] {
    return this.#select(name, matchers).flatMap(({ points }) =>
      points.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs).map(({ value }) => value),
    );
  }

  /** The sum of gauges at each scrape within a span, in order. */
  sums(name: string, matchers: Matchers, { fromMs, toMs }: Span): number[] {
    const sums = new Map<number, number>();
    for (const { points } of this.#select(name, matchers))
      for (const { atMs, value } of points)
        if (atMs >= fromMs && atMs <= toMs) sums.set(atMs, (sums.get(atMs) ?? 0) + value);
    return [...sums.values()];
  }
}
