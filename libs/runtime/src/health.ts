/**
 * Health of a process. Liveness depends on the process alone: an unavailable broker must not cause restarts. Readiness may depend on
 * brokers. Startup succeeds once and then stays.
 */
export class Health {
  #started = false;
  #stopping = false;
  readonly #checks: Check[] = [];

  /**
   * Adds a condition of readiness. `check` returns what is wrong, or undefined. A problem is reported at once, and makes the process
   * not ready once probes have seen it for `toleratedMs`.
   */
  addCheck(name: string, check: () => string | undefined, toleratedMs = 0): void {
    this.#checks.push({ name, check, toleratedMs, since: undefined });
  }

  markStarted(): void {
    this.#started = true;
  }

  /** Makes the process not ready, so that load balancers send no new requests. */
  markStopping(): void {
    this.#stopping = true;
  }

  /** Always ok: a process that answers is alive. */
  liveness(): HealthReport {
    return { ok: true, problems: {} };
  }

  startup(): HealthReport {
    return this.#started ? { ok: true, problems: {} } : { ok: false, problems: { startup: 'starting' } };
  }

  readiness(now = performance.now()): HealthReport {
    const problems: Record<string, string> = {};
    if (!this.#started) problems['startup'] = 'starting';
    if (this.#stopping) problems['shutdown'] = 'stopping';
    let ok = this.#started && !this.#stopping;
    for (const each of this.#checks) {
      const problem = each.check();
      each.since = problem ? (each.since ?? now) : undefined;
      if (!problem) continue;
      problems[each.name] = problem;
      if (now - each.since! >= each.toleratedMs) ok = false;
    }
    return { ok, problems };
  }
}

interface Check {
  readonly name: string;
  readonly check: () => string | undefined;
  readonly toleratedMs: number;
  /** When probes began to see the problem that it has. */
  since: number | undefined;
}

export interface HealthReport {
  ok: boolean;
  /** What is wrong, by the name of the check; also what is tolerated for a while. */
  problems: Record<string, string>;
}
