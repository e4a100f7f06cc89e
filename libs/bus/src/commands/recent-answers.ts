import type { Outcome } from './transport.ts';

const keepMs = 60_000;
const keepAtMost = 10_000;
/** Characters of the answers kept: a snapshot of a large room is long. */
const keepLength = 8 * 1024 * 1024;

interface Kept {
  readonly at: number;
  readonly outcome: Promise<Outcome>;
  /** Of the answer, in characters; 0 until it is there. */
  length: number;
}

/**
 * Makes a handler idempotent by command id: a command that comes twice (redelivered after a lost acknowledgement, or sent
 * again by its caller) runs once, and the second delivery gets the first one's answer. Remembers a minute, 10,000 commands
 * and 8 Mi characters of answers at most.
 */
export class RecentAnswers {
  // A Map iterates in insertion order, so the oldest is first.
  readonly #answers = new Map<string, Kept>();
  #length = 0;

  once(commandId: string, run: () => Promise<Outcome>): Promise<Outcome> {
    this.#forgetOld();
    const known = this.#answers.get(commandId);
    if (known) return known.outcome;
    const kept: Kept = { at: performance.now(), outcome: run(), length: 0 };
    this.#answers.set(commandId, kept);
    kept.outcome.then(
      ({ answer }) => {
        if (this.#answers.get(commandId) !== kept) return;
        kept.length = answer?.length ?? 0;
        this.#length += kept.length;
      },
      // Whoever waits for it hears of it.
      () => undefined,
    );
    return kept.outcome;
  }

  #forgetOld(): void {
    const oldest = performance.now() - keepMs;
    for (const [id, { at, length }] of this.#answers) {
      if (at > oldest && this.#answers.size < keepAtMost && this.#length < keepLength) break;
      this.#answers.delete(id);
      this.#length -= length;
    }
  }
}
