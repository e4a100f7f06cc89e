import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type QueryResult, queryOnce } from './query.ts';
import type { NtpServer } from './server-address.ts';

const tries = 3;
const timeoutMs = 500;
const pauseMs = 200;

/** A server that says RATE is asked half as often each time, down to once in 17 minutes (NTP's usual maximum, 2^10 s). */
const maxIntervalMs = 1_024_000;

/** `refused`: the server does not want to be asked (DENY, RSTR), now or earlier. `resting`: it is asked less often. */
export type PollResult = QueryResult | { readonly kind: 'refused' | 'resting' };

/** One server: where it is, and how often it may be asked. */
export class PolledServer {
  readonly server: NtpServer;
  readonly #intervalMs: number;
  /** 0 until it says RATE. */
  #leastIntervalMs = 0;
  #notBeforeMs = -Infinity;
  #refused = false;
  #address: string | undefined;
  /** At most one at a time, as nothing can end it. */
  #lookup: Promise<void> | undefined;

  constructor(server: NtpServer, intervalMs: number) {
    this.server = server;
    this.#intervalMs = intervalMs;
  }

  /** Asks up to three times, 500 ms each, 200 ms between. Obeys kiss-o'-death (RFC 5905, section 7.4). Never rejects. */
  async poll(signal: AbortSignal): Promise<PollResult> {
    if (this.#refused) return { kind: 'refused' };
    if (performance.now() < this.#notBeforeMs) return { kind: 'resting' };
    const attempts = this.#leastIntervalMs > 0 ? 1 : tries;
    for (let attempt = 1; ; attempt++) {
      const result = await this.#ask(signal);
      if (result.kind === 'kiss') this.#obey(result.code);
      this.#notBeforeMs = performance.now() + this.#leastIntervalMs;
      if (result.kind !== 'silent' || attempt === attempts || signal.aborted) return result;
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  async #ask(signal: AbortSignal): Promise<QueryResult> {
    await this.#resolve(signal);
    if (this.#address === undefined || signal.aborted) return { kind: 'silent' };
    return queryOnce({ address: this.#address, port: this.server.port }, timeoutMs, signal);
  }

  /** Looks the name up; while that fails or takes too long, the address known from before is good. */
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
    if (code === 'DENY' || code === 'RSTR') this.#refused = true;
    if (code === 'RATE')
      this.#leastIntervalMs = Math.min(2 * (this.#leastIntervalMs || this.#intervalMs), maxIntervalMs);
  }
}
