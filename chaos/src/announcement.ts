import type { Experiment } from './manifests/experiment.ts';

/** Time that a run takes beyond its faults, s: an announcement that is not removed expires then. */
const marginSeconds = 120;
const timeoutMs = 5000;

interface Api {
  request(method: string, path: string, body?: unknown): Promise<{ readonly status: number }>;
}

/** Shows the operators of a fleet that an experiment runs, see GET /v1/operations. */
export class Announcement {
  constructor(
    private readonly api: Api,
    private readonly experiment: Experiment,
  ) {}

  /** Never rejects: an older fleet does not know announcements, and a key may lack the scope `faults`. */
  async begin(event: (what: string) => void): Promise<void> {
    const { name, blastRadius, steps } = this.experiment;
    const ms = steps.reduce((sum, { durationMs }) => sum + durationMs, 0);
    const status = await this.#send('POST', '/v1/experiments', {
      name,
      summary: blastRadius.slice(0, 300),
      seconds: Math.ceil(ms / 1000) + marginSeconds,
    });
    if (status !== 201) event(`not announced to the operators: ${status ?? 'no answer'}`);
  }

  /** Never rejects: a registry that the experiment has broken forgets the announcement by itself. */
  async end(): Promise<void> {
    await this.#send('DELETE', `/v1/experiments/${this.experiment.name}`);
  }

  async #send(method: string, path: string, body?: unknown): Promise<number | undefined> {
    const timer = Promise.withResolvers<undefined>();
    const timeout = setTimeout(timer.resolve, timeoutMs, undefined);
    try {
      const answer = await Promise.race([this.api.request(method, path, body).catch(() => undefined), timer.promise]);
      return answer?.status;
    } finally {
      clearTimeout(timeout);
    }
  }
}
