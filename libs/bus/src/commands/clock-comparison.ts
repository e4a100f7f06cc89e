import { gauge, type Logger } from '@flotilla/runtime';

const offsetSeconds = gauge({
  name: 'flotilla_clock_offset_seconds',
  help: 'Clock of a service minus that of this process, from the last command to it, within half of the round trip.',
  labelNames: ['service'],
});

/** Above this, tokens and deadlines of another machine are misjudged, ms. */
const maxOffsetMs = 2000;

/** The times of a command and its answer, ms since the Unix epoch: two on the caller's clock, `answeredAt` on the other. */
export interface Exchange {
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly receivedAt: number;
}

/** Compares this process's clock with those of the services that answer its commands. */
export class ClockComparison {
  /** Services whose clock is reported to be off. */
  readonly #reported = new Set<string>();

  constructor(private readonly log: Logger) {}

  /** As in NTP (RFC 5905, section 8), but with one time of the server. An offset within the round trip is no evidence. */
  compare(service: string, { sentAt, answeredAt, receivedAt }: Exchange): void {
    const offsetMs = answeredAt - (sentAt + receivedAt) / 2;
    const errorMs = Math.abs(receivedAt - sentAt) / 2;
    offsetSeconds.set({ service }, offsetMs / 1000);
    if (Math.abs(offsetMs) - errorMs < maxOffsetMs) {
      this.#reported.delete(service);
    } else if (!this.#reported.has(service)) {
      this.#reported.add(service);
      this.log.warn({ service, offsetMs }, 'the clock of a service differs: synchronise the clocks of both machines');
    }
  }
}
