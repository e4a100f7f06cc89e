import type { PacketResult, ReceiverReport } from '../port.ts';

const everyMs = 1000;

/** Makes one receiver report per second from feedback on packets, with the jitter of RFC 3550 section 6.4.1. */
export class ReportBuilder {
  #sinceMs: number;
  #expected = 0;
  #lost = 0;
  #bytes = 0;
  #jitterMs = 0;
  #transitMs: number | undefined;
  #rttMs: number | undefined;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** Adds results. Returns a report when a second has passed. */
  add(packets: readonly PacketResult[], nowMs: number): ReceiverReport | undefined {
    for (const { sentAtMs, arrivedAtMs, bytes } of packets) {
      this.#expected++;
      this.#bytes += bytes;
      if (arrivedAtMs === undefined) this.#lost++;
      else this.#addArrival(arrivedAtMs - sentAtMs, nowMs - sentAtMs);
    }
    const elapsedMs = nowMs - this.#sinceMs;
    if (elapsedMs < everyMs || this.#expected === 0) return undefined;
    const report: ReceiverReport = {
      kind: 'report',
      fractionLost: this.#lost / this.#expected,
      jitterMs: this.#jitterMs,
      rttMs: this.#rttMs,
      sentBitrate: (this.#bytes * 8000) / elapsedMs,
    };
    this.#sinceMs = nowMs;
    this.#expected = this.#lost = this.#bytes = 0;
    return report;
  }

  #addArrival(transitMs: number, rttMs: number): void {
    const difference = Math.abs(transitMs - (this.#transitMs ?? transitMs));
    this.#transitMs = transitMs;
    this.#jitterMs += (difference - this.#jitterMs) / 16;
    this.#rttMs = rttMs;
  }
}
