import { FlotillaError } from '@flotilla/client';
import { ErrorBody, type ErrorCode } from '@flotilla/contracts';

const timeoutMs = 10_000;

/** Whether a request was refused for its API key. */
export const needsKey = (code: ErrorCode): boolean => code === 'UNAUTHENTICATED' || code === 'FORBIDDEN';

/**
 * Requests of a page to the console that served it, with an API key: the key that a standalone gives its pages, or the one that the user
 * enters. It is kept in memory only, and forgotten when the page is closed or loaded again.
 */
export class ConsoleRequests {
  #key: string | undefined;
  /** Whether the server has said if it gives a key, or the user has entered one. */
  #isSettled = false;
  #isEntered = false;

  /** Whether the key, if there is one, is the user's and not the server's. */
  get isEntered(): boolean {
    return this.#isEntered;
  }

  /** Uses a key of the user; undefined forgets the one in use. */
  enter(key: string | undefined): void {
    this.#key = key;
    this.#isEntered = this.#isSettled = true;
  }

  /** Resolves to the parsed reply. Rejects with a FlotillaError: that of the server, or UNAVAILABLE when it is not reached. */
  async send(path: string, init: RequestInit = {}): Promise<unknown> {
    if (!this.#isSettled) await this.#ask();
    try {
      return await this.#send(path, init);
    } catch (error) {
      const isGiven = this.#key !== undefined && !this.#isEntered;
      // A standalone gives another key after each start.
      if (!isGiven || !needsKey(FlotillaError.from(error).code) || !(await this.#ask())) throw error;
      return this.#send(path, init);
    }
  }

  /** Asks the server for its key. Resolves to whether it gave another one than before. */
  async #ask(): Promise<boolean> {
    try {
      const { key } = (await this.#send('console/key', { method: 'POST' })) as { key?: string };
      // The user may have entered one meanwhile.
      if (this.#isEntered) return false;
      const isOther = key !== this.#key;
      this.#key = key;
      this.#isSettled = true;
      return isOther;
    } catch (error) {
      const { code } = FlotillaError.from(error);
      if (needsKey(code)) this.#isSettled = true;
      throw error;
    }
  }

  async #send(path: string, init: RequestInit): Promise<unknown> {
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(path, {
        ...init,
        headers: {
          ...(init.headers as Record<string, string> | undefined),
          ...(this.#key !== undefined && { authorization: `Bearer ${this.#key}` }),
        },
        cache: 'no-store',
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await response.text();
      answer = text === '' ? undefined : JSON.parse(text);
    } catch (error) {
      throw new FlotillaError('UNAVAILABLE', 'the server cannot be reached', { cause: error });
    }
    if (response.ok) return answer;
    const body = ErrorBody.safeParse((answer as { error?: unknown } | undefined)?.error);
    throw body.success
      ? new FlotillaError(body.data.code, body.data.message)
      : new FlotillaError('INTERNAL', 'the server sent an unreadable reply');
  }
}
