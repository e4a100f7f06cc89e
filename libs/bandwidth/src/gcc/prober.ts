import type { BitrateBounds, PacketResult, Probe } from '../port.ts';

/** The first probe, as a multiple of the start bit rate; each later one doubles what the last one found. */
const [firstFactor, nextFactor] = [3, 2];
/** A result above this share of the probe leads to the next probe. */
const continueShare = 0.7;
/** Results below this share of the probe say that the path was full: then a little less than the result is taken. */
const [fullShare, fullFactor] = [0.9, 0.95];
const minPackets = 5;
/** Length of a probe, ms: that of the first ones, and of those in mid-call, which share the path with media. */
const [startProbeMs, laterProbeMs] = [15, 30];
/** Share of the bytes of a probe whose arrival makes its result. */
const enoughShare = 0.8;
/** A probe without a result is given up after this time, ms. */
const timeoutMs = 1000;
/** Time between probes in mid-call, and the least time since overuse, ms. */
export const probeEveryMs = 4000;
/** Those probes, as a multiple of the target: while the sender is limited by its source, and else. */
const [limitedFactor, periodicFactor] = [2, 1.5];

interface Pending extends Probe {
  readonly since: number;
  packets: number;
  arrivedBytes: number;
  firstBytes: number;
  lastBytes: number;
  firstSentMs: number;
  lastSentMs: number;
  firstArrivedMs: number;
  lastArrivedMs: number;
}

/**
 * Probes with short trains of packets, as libwebrtc does (probe_controller, probe_bitrate_estimator): 3 times the start bit
 * rate at first, then twice the result while it is confirmed; later every 4 s, if the path is not overused.
 */
export class Prober {
  #toSend: Probe | undefined;
  #pending: Pending | undefined;
  #lastMs: number;
  #nextId = 1;

  constructor(
    private readonly bounds: BitrateBounds,
    nowMs: number,
  ) {
    this.#lastMs = nowMs;
    this.#plan(bounds.start * firstFactor, startProbeMs);
  }

  #plan(bitrate: number, lengthMs: number): void {
    const capped = Math.min(bitrate, this.bounds.max * 1.2);
    this.#toSend = { id: this.#nextId++, bitrate: capped, bytes: (capped * lengthMs) / 8000, minPackets };
  }

  take(nowMs: number): Probe | undefined {
    const probe = this.#toSend;
    if (!probe) return undefined;
    this.#toSend = undefined;
    this.#lastMs = nowMs;
    this.#pending = {
      ...probe,
      since: nowMs,
      packets: 0,
      arrivedBytes: 0,
      firstBytes: 0,
      lastBytes: 0,
      firstSentMs: Infinity,
      lastSentMs: -Infinity,
      firstArrivedMs: Infinity,
      lastArrivedMs: -Infinity,
    };
    return probe;
  }

  /** Plans a probe in mid-call when one is due. */
  update(target: number, isApplicationLimited: boolean, decreasedMs: number, nowMs: number): void {
    if (this.#pending && nowMs - this.#pending.since > timeoutMs) this.#pending = undefined;
    if (this.#pending || this.#toSend || target >= this.bounds.max) return;
    if (nowMs - this.#lastMs < probeEveryMs || nowMs - decreasedMs < probeEveryMs) return;
    this.#plan(target * (isApplicationLimited ? limitedFactor : periodicFactor), laterProbeMs);
  }

  /** Adds an arrived packet of a probe. Returns the bit rate of the probe when enough of it arrived. */
  add({ probeId, sentAtMs, arrivedAtMs, bytes }: PacketResult): number | undefined {
    const probe = this.#pending;
    if (!probe || probeId !== probe.id || arrivedAtMs === undefined) return undefined;
    probe.packets++;
    probe.arrivedBytes += bytes;
    if (sentAtMs > probe.lastSentMs) [probe.lastSentMs, probe.lastBytes] = [sentAtMs, bytes];
    if (arrivedAtMs < probe.firstArrivedMs) [probe.firstArrivedMs, probe.firstBytes] = [arrivedAtMs, bytes];
    probe.firstSentMs = Math.min(probe.firstSentMs, sentAtMs);
    probe.lastArrivedMs = Math.max(probe.lastArrivedMs, arrivedAtMs);
    if (probe.packets < minPackets - 1 || probe.arrivedBytes < enoughShare * probe.bytes) return undefined;
    this.#pending = undefined;
    return this.#resultOf(probe);
  }

  #resultOf(probe: Pending): number | undefined {
    const sentMs = probe.lastSentMs - probe.firstSentMs;
    const arrivedMs = probe.lastArrivedMs - probe.firstArrivedMs;
    if (!(sentMs > 0 && arrivedMs > 0)) return undefined;
    const sendRate = ((probe.arrivedBytes - probe.lastBytes) * 8000) / sentMs;
    const arrivalRate = ((probe.arrivedBytes - probe.firstBytes) * 8000) / arrivedMs;
    // Arrived twice as fast as sent: the times are wrong.
    if (arrivalRate > 2 * sendRate) return undefined;
    const isFull = arrivalRate < fullShare * sendRate;
    const result = Math.min(isFull ? fullFactor * arrivalRate : sendRate, arrivalRate, probe.bitrate);
    if (result > continueShare * probe.bitrate && probe.bitrate < this.bounds.max)
      this.#plan(result * nextFactor, startProbeMs);
    return result;
  }
}
