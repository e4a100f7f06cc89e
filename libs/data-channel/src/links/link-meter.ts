/** Number of requests over which loss is measured. */
const windowRequests = 20;
/** Weight of a new round trip in the smoothed one (RFC 6298, section 2). */
const smoothing = 1 / 8;
/** Minimum time, in ms, until an unanswered request counts as lost. */
const minTimeoutMs = 1000;

interface Sent {
  readonly t1: number;
  readonly at: number;
  answered: boolean;
}

/**
 * Measures round trip and loss of a link with the time requests that a client sends over its unreliable channel. Loss covers both
 * directions together. Times are in ms of a monotonic clock.
 */
export class LinkMeter {
  readonly #sent: Sent[] = [];
  #rttMs: number | undefined;

  /** Records a sent request. `t1` identifies it and must be unique. */
  sent(t1: number, now: number): void {
    this.#sent.push({ t1, at: now, answered: false });
    if (this.#sent.length > windowRequests) this.#sent.shift();
  }

  /** Records an answer. Answers to unknown requests and duplicates are ignored. */
  answered(t1: number, now: number): void {
    const request = this.#sent.find((each) => each.t1 === t1 && !each.answered);
    if (!request) return;
    request.answered = true;
    const sample = now - request.at;
    this.#rttMs = this.#rttMs === undefined ? sample : this.#rttMs + smoothing * (sample - this.#rttMs);
  }

  /** Smoothed round trip, and loss between 0 and 1. Undefined until a request was answered or lost. */
  measure(now: number): { rttMs: number; loss: number } | undefined {
    const timeoutMs = Math.max(minTimeoutMs, 4 * (this.#rttMs ?? 0));
    const settled = this.#sent.filter(({ answered, at }) => answered || now - at > timeoutMs);
    if (settled.length === 0) return undefined;
    const lost = settled.filter(({ answered }) => !answered).length;
    // If all requests are lost, the age of the oldest is a lower bound of the round trip.
    const waited = now - (this.#sent.find(({ answered }) => !answered)?.at ?? now);
    const rttMs = lost === settled.length ? Math.max(this.#rttMs ?? 0, waited) : (this.#rttMs ?? 0);
    return { rttMs, loss: lost / settled.length };
  }
}
