import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Participant } from '../calls/participant.ts';
import type { Phase } from '../manifests/probes.ts';
import { MetricHistory, type Scrape, type Span } from './metric-history.ts';

/** Something that happened, ms since the begin of the run. */
export interface RunEvent {
  readonly atMs: number;
  readonly who: 'experiment' | 'fleet' | 'participant';
  readonly what: string;
  readonly isProblem?: boolean;
}

/** What a participant received up to a time. */
export interface GapSample {
  readonly atMs: number;
  readonly participant: string;
  readonly gapMs: number;
  readonly silent: boolean;
}

/** Intervals between two looks at the participants, and between two scrapes, ms. */
const lookEveryMs = 500;
const scrapeEveryMs = 2000;

/** Records a run: events, gaps, metrics and phases. */
export class Recorder {
  readonly events: RunEvent[] = [];
  readonly gaps: GapSample[] = [];
  readonly history = new MetricHistory();
  /** Longest delay of this process's event loop in each phase, ms: participants that run in it see it as a gap. */
  readonly ownDelays = new Map<Phase, number>();
  readonly spans = new Map<Phase, { fromMs: number; toMs: number }>();
  readonly #began = performance.now();
  readonly #stopped = new AbortController();
  #loops: Promise<void>[] = [];
  #scraped: Promise<void> = Promise.resolve();
  #scrape: () => Promise<readonly Scrape[]> = async () => [];
  #participants: readonly Participant[] = [];

  constructor(private readonly onEvent: (event: RunEvent) => void = () => undefined) {}

  /** Milliseconds since the begin of the run. */
  readonly now = (): number => performance.now() - this.#began;

  event(who: RunEvent['who'], what: string, isProblem = false): void {
    const event: RunEvent = { atMs: this.now(), who, what, ...(isProblem && { isProblem }) };
    this.events.push(event);
    this.onEvent(event);
  }

  /** Begins to look at the participants and to scrape. */
  start(participants: readonly Participant[], scrape: () => Promise<readonly Scrape[]>): void {
    [this.#participants, this.#scrape] = [participants, scrape];
    this.#loops = [this.#every(lookEveryMs, () => this.#look()), this.#every(scrapeEveryMs, () => this.scrape())];
  }

  async #every(ms: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const began = performance.now();
      // A page or a process may be gone; the next look says whether it is back.
      await work().catch(() => undefined);
      await pause(Math.max(0, ms - (performance.now() - began)), undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    for (const participant of this.#participants) {
      const reception = await participant.take();
      this.gaps.push({ atMs: this.now(), participant: participant.name, ...reception });
      for (const { what, isProblem } of await participant.takeEvents())
        this.event('participant', `${participant.name}: ${what}`, isProblem);
    }
  }

  /** Scrapes once, after the scrape that is under way: a counter that went back would look like that of a new process. */
  scrape(): Promise<void> {
    const next = this.#scraped
      .catch(() => undefined)
      .then(async () => {
        const scrapes = await this.#scrape();
        this.history.add(this.now(), scrapes);
      });
    this.#scraped = next;
    return next;
  }

  /** Runs a phase, between two scrapes, so that its counters are those of the phase. */
  async phase(phase: Phase, work: () => Promise<void>): Promise<void> {
    const fromMs = this.now();
    const span = { fromMs, toMs: fromMs };
    this.spans.set(phase, span);
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    try {
      await work();
    } finally {
      await this.scrape().catch(() => undefined);
      await this.#look().catch(() => undefined);
      delay.disable();
      this.ownDelays.set(phase, delay.max / 1e6);
      span.toMs = this.now();
    }
  }

  span(phase: Phase): Span | undefined {
    return this.spans.get(phase);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#loops);
  }
}
