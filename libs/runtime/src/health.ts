/**
 * Health of a process. Liveness depends on the process alone: an unavailable broker must not cause restarts. Readiness may depend on
 * brokers. Startup succeeds once and then stays.
 */
export class Health {
  #started = false;
  #stopping = false;
  readonly #checks = new Map<string, () => string | undefined>();

  /** Adds a condition of readiness. `check` returns what is wrong, or undefined. */
  addCheck(name: string, check: () => string | undefined): void {
    this.#checks.set(name, check);
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

  readiness(): HealthReport {
    const problems: Record<string, string> = {};
    if (!this.#started) problems['startup'] = 'starting';
    if (this.#stopping) problems['shutdown'] = 'stopping';
    for (const [name, check] of this.#checks) {
      const problem = check();
      if (problem) problems[name] = problem;
    }
    return { ok: Object.keys(problems).length === 0, problems };
  }
}

export interface HealthReport {
  ok: boolean;
  /** What is wrong, by the name of the check. */
  problems: Record<string, string>;
}
