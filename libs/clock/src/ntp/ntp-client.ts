import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@flotilla/runtime';
import * as metrics from '../metrics.ts';
import { FleetClock, maxSources } from '../sync/fleet-clock.ts';
import { PolledServer, type PollResult } from './polled-server.ts';
import { nameOf, type NtpServer } from './server-address.ts';

export interface NtpClientOptions {
  /** At most 16. With none, the fleet's time is the machine's own. */
  readonly servers: readonly NtpServer[];
  /** Interval between two polls of each server, in ms. Default 5000. */
  readonly intervalMs?: number;
  readonly logger?: Logger;
}

/** The first polls after a start, close together so that the clock is calibrated within a second. */
const burst = { polls: 4, pauseMs: 200 };

/** Without servers: a difference from the machine's clock above this means that it was set, not merely read late. */
const machineStepMs = 10;

/** Synchronises a `FleetClock` to NTP servers (RFC 5905) until `stop`. */
export class NtpClient {
  readonly clock: FleetClock;
  readonly #servers: readonly PolledServer[];
  readonly #intervalMs: number;
  readonly #logger: Logger | undefined;
  readonly #stopping = new AbortController();
  readonly #calibrated = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  /** Outcome of each server's newest poll, so that only changes are logged. */
  readonly #lastOutcome = new Map<string, PollResult['kind'] | 'invalid'>();
  #steps = 0;

  constructor({ servers, intervalMs = 5000, logger }: NtpClientOptions) {
    if (servers.length > maxSources) throw new RangeError(`more than ${maxSources} NTP servers`);
    this.clock = new FleetClock({ intervalMs });
    this.#servers = servers.map((server) => new PolledServer(server, intervalMs));
    this.#intervalMs = intervalMs;
    this.#logger = logger;
    this.#running = this.#run();
  }

  /** Waits for calibration, for at most `withinMs`. Resolves to whether the clock is calibrated; without servers it never is. */
  async calibrated(withinMs: number): Promise<boolean> {
    if (this.#servers.length === 0) return false;
    const done = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, done.signal]);
    await Promise.race([this.#calibrated.promise, sleep(withinMs, undefined, { signal }).catch(() => {})]);
    done.abort();
    return this.clock.calibrated;
  }

  /** Stops polling. The clock continues at its last known rate. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let poll = 1; !signal.aborted; poll++) {
      const startMs = performance.now();
      if (this.#servers.length > 0) await this.#pollAll();
      else this.#followMachineClock();
      if (signal.aborted) return;
      this.#updateMetrics();
      const isBurst = this.#servers.length > 0 && poll < burst.polls;
      const pauseMs = isBurst ? burst.pauseMs : Math.max(0, startMs + this.#intervalMs - performance.now());
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** Polls all servers concurrently and selects among all responses: the first to answer may be a falseticker. */
  async #pollAll(): Promise<void> {
    const results = await Promise.all(
      this.#servers.map(async (polled) => ({
        name: nameOf(polled.server),
        result: await polled.poll(this.#stopping.signal),
      })),
    );
    if (this.#stopping.signal.aborted) return;
    metrics.sources.set(results.filter(({ name, result }) => this.#record(name, result)).length);
    this.clock.update();
    if (this.clock.calibrated) this.#calibrated.resolve();
  }

  /** Returns whether the poll yielded a usable time. */
  #record(name: string, result: PollResult): boolean {
    const usable = result.kind === 'time' && this.clock.add(result.exchange, name);
    const outcome = result.kind === 'time' && !usable ? 'invalid' : result.kind;
    if (!usable && outcome !== 'rate_limited') this.clock.missed(name);
    metrics.polls.inc({ result: outcome });
    if (this.#lastOutcome.get(name) !== outcome)
      this.#logger?.info({ server: name, outcome }, 'NTP poll outcome changed');
    this.#lastOutcome.set(name, outcome);
    return usable;
  }

  /** `performance.now` is monotonic: it does not show when the machine's clock is set. */
  #followMachineClock(): void {
    const unixMs = Date.now() + 0.5;
    if (Math.abs(unixMs - this.clock.at(performance.now())) > machineStepMs) this.clock.followMachineClock(unixMs);
  }

  #updateMetrics(): void {
    metrics.errorBound.set(this.clock.errorBoundMs / 1000);
    metrics.offset.set(this.clock.offsetMs / 1000);
    metrics.drift.set(this.clock.drift);
    metrics.steps.inc(this.clock.steps - this.#steps);
    this.#steps = this.clock.steps;
  }
}
