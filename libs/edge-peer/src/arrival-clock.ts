/** How much later the earliest arrival may become, to follow a source whose clock is slow, in milliseconds for each second. */
const driftMsPerSecond = 1;

/** Relates RTP timestamps to the local clock by the packets that arrived with the least delay. */
export class ArrivalClock {
  #reference: { rtpTime: number; at: number } | undefined;
  #addedAt = 0;

  constructor(private readonly clockRate: number) {}

  /**
   * @param now a monotonic clock, in milliseconds.
   * @param restarted forgets earlier packets.
   */
  add(rtpTime: number, now: number, restarted: boolean): void {
    const expected = restarted ? undefined : this.#arrivalOf(rtpTime);
    const drift = ((now - this.#addedAt) / 1000) * driftMsPerSecond;
    this.#addedAt = now;
    this.#reference = { rtpTime, at: expected === undefined ? now : Math.min(now, expected + drift) };
  }

  #arrivalOf(rtpTime: number): number | undefined {
    if (!this.#reference) return undefined;
    return this.#reference.at + (((rtpTime - this.#reference.rtpTime) | 0) / this.clockRate) * 1000;
  }

  /** The RTP timestamp of what arrives at a time. Undefined before the first packet. */
  rtpTimeAt(now: number): number | undefined {
    if (!this.#reference) return undefined;
    const { rtpTime, at } = this.#reference;
    return (rtpTime + Math.round(((now - at) / 1000) * this.clockRate)) >>> 0;
  }
}
