import type { Logger } from '@flotilla/runtime';
import { objectives } from '../generated/objectives.ts';
import { Prometheus, type Sample } from './prometheus.ts';
import { type BurnWindow, burnWindows, type Objective, type ObjectiveFigures, type ObjectivesView } from './view.ts';

/** Time for which figures are served before Prometheus is asked again, ms. Its rules record them every 15 s or more. */
const freshMs = 15_000;
/** Age up to which the last figures are served while Prometheus does not answer, ms. */
const maxAgeMs = 600_000;

interface Read {
  readonly at: number;
  readonly figures: readonly ObjectiveFigures[];
}

/** The objectives with the figures that the rules of deploy/observability record in Prometheus. */
export class ObjectiveReader {
  readonly #matchers: string;
  #last: Read | undefined;
  #problem: string | undefined;
  #askedAt = -Infinity;
  #asking: Promise<void> | undefined;

  /**
   * @param prometheus undefined: the objectives have no figures
   * @param matchers selects the series of this fleet, such as `namespace="calls"`
   * @param now time of a monotonic clock, in milliseconds
   */
  constructor(
    private readonly prometheus: Pick<Prometheus, 'query'> | undefined,
    matchers: string,
    private readonly log: Pick<Logger, 'warn'>,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#matchers = matchers === '' ? '' : `,${matchers}`;
  }

  /** Asks Prometheus at most every 15 s, whether it answers or not, and once for all callers. Never rejects. */
  async read(): Promise<ObjectivesView> {
    if (!this.prometheus) return { prometheus: 'off', objectives };
    if (this.now() - this.#askedAt >= freshMs)
      this.#asking ??= this.#ask(this.prometheus).finally(() => (this.#asking = undefined));
    await this.#asking;
    const ageMs = this.#last && this.now() - this.#last.at;
    const isKnown = ageMs !== undefined && ageMs <= maxAgeMs;
    return {
      prometheus: this.#problem === undefined ? 'answered' : 'failed',
      ...(this.#problem !== undefined && { problem: this.#problem }),
      ...(isKnown && { ageMs: Math.round(ageMs) }),
      objectives: isKnown ? this.#last!.figures : objectives,
    };
  }

  async #ask(prometheus: Pick<Prometheus, 'query'>): Promise<void> {
    const of = this.#matchers;
    try {
      const [ratios, levels, alerts] = await Promise.all([
        prometheus.query(`{__name__=~"flotilla:sli_errors:ratio_rate(${burnWindows.join('|')})"${of}}`),
        prometheus.query(`max by (sli) (flotilla:sli:level{sli!=""${of}})`),
        prometheus.query(`count by (alertname, severity) (ALERTS{alertname=~"Flotilla.*",alertstate="firing"${of}})`),
      ]);
      this.#last = { at: this.now(), figures: objectives.map((each) => withFigures(each, ratios, levels, alerts)) };
      this.#problem = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (this.#problem === undefined) this.log.warn({ reason: message }, 'Prometheus cannot be used');
      this.#problem = message;
    }
    this.#askedAt = this.now();
  }
}

function withFigures(
  objective: Objective,
  ratios: readonly Sample[],
  levels: readonly Sample[],
  alerts: readonly Sample[],
): ObjectiveFigures {
  const { id, alert, budget } = objective;
  const burn: Partial<Record<BurnWindow, number>> = {};
  for (const window of budget === undefined ? [] : burnWindows) {
    const name = `flotilla:sli_errors:ratio_rate${window}`;
    const found = ratios.filter(
      ({ labels, value }) => labels['__name__'] === name && labels['sli'] === id && value >= 0,
    );
    // Of several fleets in one Prometheus, that which uses its budget fastest.
    if (found.length > 0) burn[window] = Math.max(...found.map(({ value }) => value)) / budget!;
  }
  const value = levels.find(({ labels }) => labels['sli'] === id)?.value;
  const severities = alerts.flatMap(({ labels }) => (labels['alertname'] === alert ? [labels['severity']] : []));
  const firing: ObjectiveFigures['firing'] = severities.includes('page') ? 'page' : 'ticket';
  return {
    ...objective,
    ...(budget !== undefined && { burn }),
    ...(value !== undefined && Number.isFinite(value) && { value }),
    ...(severities.length > 0 && { firing }),
  };
}

/** The reader of a console with these settings. */
export function objectiveReader(
  config: {
    readonly FLOTILLA_PROMETHEUS_URL?: string | undefined;
    readonly FLOTILLA_PROMETHEUS_MATCHERS: string;
  },
  log: Pick<Logger, 'warn'>,
): ObjectiveReader {
  const { FLOTILLA_PROMETHEUS_URL: url, FLOTILLA_PROMETHEUS_MATCHERS: matchers } = config;
  return new ObjectiveReader(url === undefined ? undefined : new Prometheus(url), matchers, log);
}
