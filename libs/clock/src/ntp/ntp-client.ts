import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@flotilla/runtime';
import * as metrics from '../metrics.ts';
import { FleetClock, maxSources } from '../sync/fleet-clock.ts';
import { PolledServer, type PollResult } from './polled-server.ts';
import { nameOf, type NtpServer } from './server-address.ts';

export interface NtpClientOptions {
  /** None: the fleet's time is the machine's own. At most 16. */
  readonly servers: readonly NtpServer[];
  /** How often they are asked, in ms. Default 5000. */
  readonly intervalMs?: number;
  readonly logger?: Logger;
}

/** Until the clock is calibrated, servers are asked at once again after this. */
const burst = { rounds: 4, pauseMs: 200 };

/** Without servers: the machine's clock was set, and not just read a little late. */
const ownStepMs = 10;

/** Keeps a `FleetClock` right with the help of NTP servers (RFC 5905), until `stop`. */
export class NtpClient {
  readonly clock: FleetClock;
  readonly #servers: readonly PolledServer[];
  readonly #intervalMs: number;
  readonly #logger: Logger | undefined;
  readonly #stopping = new AbortController();
  readonly #calibrated = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  /** What each server's newest poll came to, to write each change to the log once. */
  readonly #lastOutcome = new Map<string, PollResult['kind'] | 'impossible'>();
  #steps = 0;

  constructor({ servers, intervalMs = 5000, logger }: NtpClientOptions) {
    if (servers.length > maxSources) throw new RangeError(`more than ${maxSources} NTP servers`);
    this.clock = new FleetClock({ intervalMs });
    this.#servers = servers.map((server) => new PolledServer(server, intervalMs));
    this.#intervalMs = intervalMs;
    this.#logger = logger;
    this.#running = this.#run();
  }

  /** Resolves to whether the clock is calibrated, at the latest after `withinMs`. Without servers it never is. */
  async calibrated(withinMs: number): Promise<boolean> {
    if (this.#servers.length === 0) return false;
    const done = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, done.signal]);
    await Promise.race([this.#calibrated.promise, sleep(withinMs, undefined, { signal }).catch(() => {})]);
    done.abort();
    return this.clock.calibrated;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let round = 1; !signal.aborted; round++) {
      const startMs = performance.now();
      if (this.#servers.length > 0) await this.#round();
      else this.#followOwn();
      if (signal.aborted) return;
      this.#measure();
      const hurry = this.#servers.length > 0 && round < burst.rounds;
      const pauseMs = hurry ? burst.pauseMs : Math.max(0, startMs + this.#intervalMs - performance.now());
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** Asks all servers at once and listens to them together: the first to answer may be the one that lies. */
  async #round(): Promise<void> {
    const results = await Promise.all(
      this.#servers.map(async (polled) => ({
        name: nameOf(polled.server),
        result: await polled.poll(this.#stopping.signal),
      })),
    );
    if (this.#stopping.signal.aborted) return;
    metrics.sources.set(results.filter(({ name, result }) => this.#take(name, result)).length);
    this.clock.update();
    if (this.clock.calibrated) this.#calibrated.resolve();
  }

  /** Returns whether it told the time. */
  #take(name: string, result: PollResult): boolean {
    const told = result.kind === 'time' && this.clock.add(result.exchange, name);
    const outcome = result.kind === 'time' && !told ? 'impossible' : result.kind;
    if (!told && outcome !== 'resting') this.clock.missed(name);
    metrics.polls.inc({ result: outcome });
    if (this.#lastOutcome.get(name) !== outcome) this.#logger?.info({ server: name, outcome }, 'NTP server');
    this.#lastOutcome.set(name, outcome);
    return told;
  }

  /** The machine's clock may be set while the local one just goes on. */
  #followOwn(): void {
    const unixMs = Date.now() + 0.5;
    if (Math.abs(unixMs - this.clock.at(performance.now())) > ownStepMs) this.clock.followOwn(unixMs);
  }

  #measure(): void {
    metrics.errorBound.set(this.clock.errorBoundMs / 1000);
    metrics.offset.set(this.clock.offsetMs / 1000);
    metrics.drift.set(this.clock.drift);
    metrics.steps.inc(this.clock.steps - this.#steps);
    this.#steps = this.clock.steps;
  }
}
