export interface LastAnswersOptions {
  /** Maximum number of answers. Default 1000. */
  readonly maxAnswers?: number;
  /** Maximum length of all answers, in characters. Default 16 Mi. */
  readonly maxLength?: number;
  /** Time for which an answer is kept, ms. Default 600,000. */
  readonly keptMs?: number;
}

interface Answer {
  readonly text: string;
  /** Local time, ms. */
  readonly at: number;
}

/** The last answer to each read, for when the store is out of reach. Those that were given first are dropped first. */
export class LastAnswers {
  readonly #answers = new Map<string, Answer>();
  readonly #limits: Required<LastAnswersOptions>;
  #length = 0;

  constructor(options: LastAnswersOptions = {}) {
    this.#limits = { maxAnswers: 1000, maxLength: 16 * 1024 * 1024, keptMs: 600_000, ...options };
  }

  set(key: string, text: string): void {
    this.delete(key);
    const { maxAnswers, maxLength } = this.#limits;
    if (text.length > maxLength) return;
    this.#answers.set(key, { text, at: performance.now() });
    this.#length += text.length;
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= maxAnswers && this.#length <= maxLength) return;
      this.delete(oldest);
    }
  }

  get(key: string): { readonly text: string; readonly ageMs: number } | undefined {
    const answer = this.#answers.get(key);
    const ageMs = performance.now() - (answer?.at ?? 0);
    return answer && ageMs <= this.#limits.keptMs ? { text: answer.text, ageMs } : undefined;
  }

  delete(key: string): void {
    this.#length -= this.#answers.get(key)?.text.length ?? 0;
    this.#answers.delete(key);
  }
}
