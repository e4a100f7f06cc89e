import { counter } from '@flotilla/runtime';
import type { Outcome } from './transport.ts';

const maxAgeMs = 60_000;
const maxCommands = 10_000;
/** Total characters of the answers. Commands alone are no bound: the snapshot of a large room is long. */
const maxTotalLength = 8 * 1024 * 1024;

const deliveries = counter({
  name: 'flotilla_command_deliveries_total',
  help: 'Commands that were delivered to this process; repeated=true: answered from the answers of the last minute.',
  labelNames: ['repeated'],
});

interface CachedAnswer {
  /** Local time of the command, in ms. */
  readonly at: number;
  readonly outcome: Promise<Outcome>;
  /** Characters of the answer; 0 while the command runs. */
  length: number;
}

/**
 * Makes a handler idempotent by command id: a command that is delivered twice (after a lost acknowledgement, or repeated by its
 * caller) runs once, and the second delivery gets the first answer. Bounded to one minute, 10,000 commands and 8 Mi characters.
 */
export class RecentAnswers {
  /** By command id, oldest first: a Map iterates in insertion order. */
  readonly #answers = new Map<string, CachedAnswer>();
  #totalLength = 0;

  /** Runs the command, or returns the outcome of the earlier run with this id. */
  once(commandId: string, run: () => Promise<Outcome>): Promise<Outcome> {
    this.#evict();
    const known = this.#answers.get(commandId);
    deliveries.inc({ repeated: String(known !== undefined) });
    if (known) return known.outcome;
    const cached: CachedAnswer = { at: performance.now(), outcome: run(), length: 0 };
    this.#answers.set(commandId, cached);
    cached.outcome.then(
      ({ answer }) => {
        if (this.#answers.get(commandId) !== cached) return;
        cached.length = answer?.length ?? 0;
        this.#totalLength += cached.length;
      },
      // The callers of `once` handle the rejection.
      () => undefined,
    );
    return cached.outcome;
  }

  #evict(): void {
    const oldest = performance.now() - maxAgeMs;
    for (const [id, { at, length }] of this.#answers) {
      if (at > oldest && this.#answers.size < maxCommands && this.#totalLength < maxTotalLength) break;
      this.#answers.delete(id);
      this.#totalLength -= length;
    }
  }
}
