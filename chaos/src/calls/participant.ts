/** What a participant of a live call received since the last look. */
export interface Reception {
  /** Longest time without media of another participant, ms, the current one included. */
  readonly gapMs: number;
  /** Whether it lacks media of another participant: nothing for `silentMs`. */
  readonly silent: boolean;
}

/** Time without media after which a participant counts as silent, ms. */
export const silentMs = 2000;

/** A participant of a live call. */
export interface Participant {
  readonly name: string;
  /** Whether it resumes its session after its gateway was lost. */
  readonly resumes: boolean;
  /** The SFU node that it is on; undefined where it is not known. */
  nodeId(): Promise<string | undefined>;
  take(): Promise<Reception>;
  /** What happened since the last call: migrations, and unexpected failures. */
  takeEvents(): Promise<readonly { readonly what: string; readonly isProblem: boolean }[]>;
  close(): Promise<void>;
}

/** Detects streams whose counter stands still. */
export class Progress {
  readonly #seen = new Map<string, { count: number; atMs: number }>();

  /** Time since the counter of a stream last changed, ms. */
  since(stream: string, count: number, nowMs: number): number {
    const seen = this.#seen.get(stream);
    if (seen?.count === count) return nowMs - seen.atMs;
    this.#seen.set(stream, { count, atMs: nowMs });
    return 0;
  }
}
