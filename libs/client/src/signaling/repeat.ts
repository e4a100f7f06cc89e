import { type ErrorCode, FlotillaError } from '@flotilla/contracts';

/** Errors after which it is unknown whether the request was carried out. */
const unanswered: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED']);
/** Pauses between two attempts, in milliseconds; the last one repeats until the deadline. */
const pausesMs = [100, 250, 500, 1000] as const;

export interface RepeatOptions {
  /** By `performance.now()`; no attempt starts after it. */
  readonly deadline: number;
  /** Resolves when the signaling connection is usable. */
  readonly whenConnected: () => Promise<void>;
  /** False when no answer is needed any more. */
  readonly isOpen: () => boolean;
  /** Whether to repeat after this error. Default: `isUnanswered`. */
  readonly mayRepeat?: (error: FlotillaError) => boolean;
}

/** Whether a request may or may not have been carried out. */
export function isUnanswered(error: unknown): boolean {
  return unanswered.has(FlotillaError.from(error).code);
}

/**
 * Sends an idempotent request until the server answers it, with a result or with an error of its own.
 * @throws the error of the last attempt once the deadline passed or `isOpen` is false.
 */
export async function repeatUntilAnswered<T>(send: () => Promise<T>, options: RepeatOptions): Promise<T> {
  const { deadline, whenConnected, isOpen, mayRepeat = isUnanswered } = options;
  for (let attempt = 0; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      if (!mayRepeat(FlotillaError.from(error))) throw error;
      const pauseMs = pausesMs[Math.min(attempt, pausesMs.length - 1)]!;
      await pauseUntil(Math.min(performance.now() + pauseMs, deadline));
      await Promise.race([whenConnected(), pauseUntil(deadline)]);
      if (performance.now() >= deadline || !isOpen()) throw error;
    }
  }
}

function pauseUntil(at: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, at - performance.now())));
}
