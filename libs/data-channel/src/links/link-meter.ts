/** Requests that loss is a share of, and the share of a new round trip in the smoothed one (RFC 6298, section 2). */
const windowRequests = 20;
const smoothing = 1 / 8;
/** A request without an answer is lost after four round trips, and not before this; ms. */
const patienceMs = 1000;

interface Sent {
  readonly t1: number;
  readonly at: number;
  answered: boolean;
}

/**
 * Round trip and loss of a link, from the time requests that a client sends over its unreliable channel. Loss is that of the
 * way there and back together. Times are ms of a clock that does not go back.
 */
export class LinkMeter {
  readonly #sent: Sent[] = [];
  #rttMs: number | undefined;

  /** A request with this `t1` was sent. Each needs another `t1`. */
  sent(t1: number, now: number): void {
    this.#sent.push({ t1, at: now, answered: false });
    if (this.#sent.length > windowRequests) this.#sent.shift();
  }

  /** Its answer came. One that is not known, or came before, changes nothing. */
  answered(t1: number, now: number): void {
    const request = this.#sent.find((each) => each.t1 === t1 && !each.answered);
    if (!request) return;
    request.answered = true;
    const sample = now - request.at;
    this.#rttMs = this.#rttMs === undefined ? sample : this.#rttMs + smoothing * (sample - this.#rttMs);
  }

  /** Undefined until one request was answered or lost. */
  measure(now: number): { rttMs: number; loss: number } | undefined {
    const patience = Math.max(patienceMs, 4 * (this.#rttMs ?? 0));
    const settled = this.#sent.filter(({ answered, at }) => answered || now - at > patience);
    if (settled.length === 0) return undefined;
    const lost = settled.filter(({ answered }) => !answered).length;
    // When nothing comes back, a round trip takes as long as the oldest request has waited, at least.
    const waited = now - (this.#sent.find(({ answered }) => !answered)?.at ?? now);
    const rttMs = lost === settled.length ? Math.max(this.#rttMs ?? 0, waited) : (this.#rttMs ?? 0);
    return { rttMs, loss: lost / settled.length };
  }
}
