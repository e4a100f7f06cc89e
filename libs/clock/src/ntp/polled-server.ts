import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type QueryResult, queryOnce } from './query.ts';
import type { NtpServer } from './server-address.ts';

const tries = 3;
const timeoutMs = 500;
const pauseMs = 200;

/** Longest poll interval after repeated RATE responses, each of which doubles it: 17 minutes (NTP's usual maximum, 2^10 s). */
const maxIntervalMs = 1_024_000;

/** `denied`: the server answered DENY or RSTR earlier. `rate_limited`: not due yet, because the server answered RATE. */
export type PollResult = QueryResult | { readonly kind: 'denied' | 'rate_limited' };

/** One NTP server, with its resolved address and the poll interval that it allows. */
export class PolledServer {
  readonly server: NtpServer;
  readonly #intervalMs: number;
  /** 0 until the server answers RATE. */
  #leastIntervalMs = 0;
  #notBeforeMs = -Infinity;
  #denied = false;
  #address: string | undefined;
  /** At most one at a time, because a DNS lookup cannot be cancelled. */
  #lookup: Promise<void> | undefined;

  constructor(server: NtpServer, intervalMs: number) {
    this.server = server;
    this.#intervalMs = intervalMs;
  }

  /**
   * Queries the server up to three times, with a timeout of 500 ms each and 200 ms in between. Obeys kiss-o'-death (RFC 5905,
   * section 7.4). Never rejects.
   */
  async poll(signal: AbortSignal): Promise<PollResult> {
    if (this.#denied) return { kind: 'denied' };
    if (performance.now() < this.#notBeforeMs) return { kind: 'rate_limited' };
    const attempts = this.#leastIntervalMs > 0 ? 1 : tries;
    for (let attempt = 1; ; attempt++) {
      const result = await this.#query(signal);
      if (result.kind === 'kiss') this.#obey(result.code);
      this.#notBeforeMs = performance.now() + this.#leastIntervalMs;
      if (result.kind !== 'timeout' || attempt === attempts || signal.aborted) return result;
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  async #query(signal: AbortSignal): Promise<QueryResult> {
    await this.#resolve(signal);
    if (this.#address === undefined || signal.aborted) return { kind: 'timeout' };
    return queryOnce({ address: this.#address, port: this.server.port }, timeoutMs, signal);
  }

  /** Resolves the host name. When that fails or takes longer than 500 ms, the previous address stays in use. */
  async #resolve(signal: AbortSignal): Promise<void> {
    this.#lookup ??= lookup(this.server.host)
      .then(({ address }) => void (this.#address = address))
      .catch(() => {})
      .finally(() => (this.#lookup = undefined));
    const done = new AbortController();
    await Promise.race([
      this.#lookup,
      sleep(timeoutMs, undefined, { signal: AbortSignal.any([signal, done.signal]) }).catch(() => {}),
    ]);
    done.abort();
  }

  #obey(code: string): void {
    if (code === 'DENY' || code === 'RSTR') this.#denied = true;
    if (code === 'RATE')
      this.#leastIntervalMs = Math.min(2 * (this.#leastIntervalMs || this.#intervalMs), maxIntervalMs);
  }
}
