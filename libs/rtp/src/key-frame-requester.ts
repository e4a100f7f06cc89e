/** Limits the requests for key frames of a stream, for depacketisers ask again with each frame that they drop. */
export class KeyFrameRequester {
  #requestedAt = -Infinity;

  /** @param minIntervalMs least time between two requests. Default 500. */
  constructor(
    private readonly send: () => void,
    private readonly minIntervalMs = 500,
  ) {}

  /**
   * Sends a request, unless one has just been sent.
   *
   * @param now a monotonic clock, in ms.
   */
  request(now: number): void {
    if (now - this.#requestedAt < this.minIntervalMs) return;
    this.#requestedAt = now;
    this.send();
  }
}
