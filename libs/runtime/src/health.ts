/**
 * What a process says about itself. Liveness is about the process alone: a broker that is gone must not restart anybody.
 * Readiness may depend on brokers; startup is over once.
 */
export class Health {
  #started = false;
  #stopping = false;
  readonly #checks = new Map<string, () => string | undefined>();

  /** A condition of readiness. `check` returns undefined when all is well, else what is wrong. */
  addCheck(name: string, check: () => string | undefined): void {
    this.#checks.set(name, check);
  }

  markStarted(): void {
    this.#started = true;
  }

  /** From now on not ready: load balancers stop sending, what is under way goes on. */
  markStopping(): void {
    this.#stopping = true;
  }

  /** Always well: that this code runs is the proof. */
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
