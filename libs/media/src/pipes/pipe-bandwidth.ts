import { counter, gauge } from '@flotilla/runtime';
import type { PipeTransport } from 'mediasoup/types';
import { MeteredPipe, type PipeState } from './metered-pipe.ts';
import type { ShedderTimes } from './video-shedder.ts';

/** RTCP reports on video come once a second. */
const everyMs = 1000;
/** Number of pipes that are measured at a time; the others are next. So the work per second does not grow with the pipes. */
const maxMeasured = 8;

const headroom = gauge({
  name: 'sfu_pipe_headroom_ratio',
  help: 'Estimated bit rate of a pipe to another node, divided by what it sends: the lowest of the pipes, at most 100. Below 1 with loss, a pipe is tight.',
});
const pausedVideos = gauge({
  name: 'sfu_pipe_paused_videos',
  help: 'Videos that do not cross a pipe to another node because it is tight.',
});
const measurements = counter({
  name: 'sfu_pipe_measurements_total',
  help: 'Measurements of pipes to other nodes, by result: measured, unreported or failed.',
  labelNames: ['result'],
});

interface Entry {
  readonly pipe: MeteredPipe;
  state: PipeState | undefined;
  isPending: boolean;
}

/** Measures the outgoing pipes of the process, with one timer for all, while there are some. */
export class PipeBandwidth {
  /** In the order of their last measurement, the oldest first. */
  readonly #entries = new Set<Entry>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly now: () => number = () => performance.now(),
    private readonly options: { readonly everyMs?: number; readonly times?: ShedderTimes } = {},
  ) {
    this.#report();
  }

  /** Measures a pipe until it is closed. It must not have consumers yet. */
  add(transport: PipeTransport): void {
    const pipe = new MeteredPipe(transport, this.now, this.options.times);
    const entry: Entry = { pipe, state: undefined, isPending: false };
    this.#entries.add(entry);
    if (!this.#timer) {
      this.#timer = setInterval(() => this.#measure(), this.options.everyMs ?? everyMs);
      this.#timer.unref();
    }
    transport.observer.once('close', () => this.#remove(entry));
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry);
    if (this.#entries.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#report();
  }

  /** Measures the pipes that are next. One whose worker has not answered yet gets no further request. */
  #measure(): void {
    const idle = [...this.#entries].filter(({ isPending }) => !isPending);
    for (const entry of idle.slice(0, maxMeasured)) void this.#measureOne(entry);
  }

  async #measureOne(entry: Entry): Promise<void> {
    this.#entries.delete(entry);
    this.#entries.add(entry);
    entry.isPending = true;
    try {
      entry.state = await entry.pipe.measure();
      measurements.inc({ result: entry.state ? 'measured' : 'unreported' });
    } catch {
      // Closed meanwhile, or its worker died.
      measurements.inc({ result: 'failed' });
    }
    entry.isPending = false;
    this.#report();
  }

  /** What was found at the last measurement of each pipe. */
  get states(): PipeState[] {
    return [...this.#entries].flatMap(({ state }) => (state ? [state] : []));
  }

  #report(): void {
    const { states } = this;
    headroom.set(Math.min(...states.map(({ sent, estimate }) => estimate / Math.max(1, sent)), 100));
    pausedVideos.set(states.reduce((sum, state) => sum + state.pausedVideos, 0));
  }
}

/** Of all nodes in this process. */
export const pipeBandwidth = new PipeBandwidth();
