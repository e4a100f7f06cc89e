import { summarize } from '@flotilla/loadtest-kit';

/** The steps of a user, in their order. */
export const steps = ['token', 'connect', 'join', 'media', 'entry', 'reply', 'dispatch', 'leave'] as const;
export type Step = (typeof steps)[number];

export const meanings: Readonly<Record<Step, string>> = {
  token: 'token by the REST API',
  connect: 'TLS, WebSocket, welcome',
  join: 'join, place reserved in Redis',
  media: 'connect, join, transports of an SFU node, published',
  entry: 'from the arrival to the end of the join, waits of the load generator included',
  reply: 'message appended to the stream of the room',
  dispatch: 'message at another member',
  leave: 'leave',
};

interface Second {
  entered: number;
  failed: number;
  readonly entry: number[];
  readonly dispatch: number[];
}

/** Times and failures of a load. */
export class Recorder {
  readonly #times = new Map<Step, number[]>(steps.map((step) => [step, []]));
  readonly #failures = new Map<string, number>();
  readonly #seconds: Second[] = [];
  /** Steps that were begun. */
  #begun = 0;

  constructor(private readonly now: () => number) {}

  /**
   * Runs a step and records its time in ms, or its failure. Rejects as `work` does.
   *
   * @param began when it was to begin, in ms.
   */
  async time<T>(step: Step, work: () => Promise<T>, began = this.now()): Promise<T> {
    this.#begun++;
    try {
      const result = await work();
      this.add(step, this.now() - began);
      return result;
    } catch (error) {
      this.#fail(step, error);
      throw error;
    }
  }

  /** Records a time in ms. */
  add(step: Step, ms: number): void {
    this.#times.get(step)!.push(ms);
    const second = this.#second();
    if (step === 'entry') {
      second.entered++;
      second.entry.push(ms);
    } else if (step === 'dispatch') second.dispatch.push(ms);
  }

  #fail(step: Step, error: unknown): void {
    const { code } = error as { code?: unknown };
    const name = `${step}: ${typeof code === 'string' ? code : error instanceof Error ? error.message.slice(0, 80) : 'unknown'}`;
    this.#failures.set(name, (this.#failures.get(name) ?? 0) + 1);
    this.#second().failed++;
  }

  #second(): Second {
    const at = Math.max(0, Math.floor(this.now() / 1000));
    while (this.#seconds.length <= at) this.#seconds.push({ entered: 0, failed: 0, entry: [], dispatch: [] });
    return this.#seconds[at]!;
  }

  get summary(): { step: Step; count: number; p50: number; p95: number; p99: number; max: number }[] {
    return steps.map((step) => ({ step, ...summarize(this.#times.get(step)!) }));
  }

  /** Number of failures by step and code, most frequent first. */
  get failures(): [string, number][] {
    return [...this.#failures].toSorted(([, one], [, other]) => other - one);
  }

  get failed(): number {
    return this.failures.reduce((sum, [, count]) => sum + count, 0);
  }

  /** Failed steps of those that were begun, from 0 to 1. */
  get errorShare(): number {
    return this.#begun === 0 ? 0 : this.failed / this.#begun;
  }

  /** One entry per second since the beginning. */
  get perSecond(): { entered: number; failed: number; entryP95: number | null; dispatchP95: number | null }[] {
    const p95 = (values: readonly number[]): number | null => (values.length === 0 ? null : summarize(values).p95);
    return this.#seconds.map(({ entered, failed, entry, dispatch }) => ({
      entered,
      failed,
      entryP95: p95(entry),
      dispatchP95: p95(dispatch),
    }));
  }
}
