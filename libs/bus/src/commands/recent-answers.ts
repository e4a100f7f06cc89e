import type { Outcome } from './transport.ts';

const keepMs = 60_000;
const keepAtMost = 10_000;

/**
 * Makes a handler idempotent by command id: a command that comes twice (redelivered after a lost acknowledgement, or sent
 * again by its caller) runs once, and the second delivery gets the first one's answer. Remembers a minute, and 10,000
 * commands at most.
 */
export class RecentAnswers {
  // A Map iterates in insertion order, so the oldest is first.
  readonly #answers = new Map<string, { at: number; outcome: Promise<Outcome> }>();

  once(commandId: string, run: () => Promise<Outcome>): Promise<Outcome> {
    this.#forgetOld();
    const known = this.#answers.get(commandId);
    if (known) return known.outcome;
    const outcome = run();
    this.#answers.set(commandId, { at: performance.now(), outcome });
    return outcome;
  }

  #forgetOld(): void {
    const oldest = performance.now() - keepMs;
    for (const [id, { at }] of this.#answers) {
      if (at > oldest && this.#answers.size < keepAtMost) break;
      this.#answers.delete(id);
    }
  }
}
