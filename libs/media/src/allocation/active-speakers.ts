/** A participant counts as active speaker for this long after another one became it, in milliseconds. */
const remainsMs = 10_000;
/** Number of participants that count at a time. */
const maxActive = 4;

/** The active speaker of a room, and those that were it shortly before: a dialogue must not exchange videos with each sentence. */
export class ActiveSpeakers {
  /** When each ceased to be the active speaker; the current one, which is last, never. */
  readonly #until = new Map<string, number>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** A participant became the active speaker. */
  add(participantId: string): void {
    const nowMs = this.now();
    for (const [id, until] of this.#until) if (until === Infinity) this.#until.set(id, nowMs + remainsMs);
    this.#until.delete(participantId);
    this.#until.set(participantId, Infinity);
    for (const id of [...this.#until.keys()].slice(0, -maxActive)) this.#until.delete(id);
  }

  has(participantId: string): boolean {
    const until = this.#until.get(participantId);
    return until !== undefined && until > this.now();
  }
}
