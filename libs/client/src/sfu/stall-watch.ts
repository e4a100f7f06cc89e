const checkIntervalMs = 250;
/** Streams without a packet for this long are stalled, in milliseconds. Opus sends one every 400 ms while its speaker is silent. */
const stalledAfterMs = 600;

/** The part of RTCRtpReceiver that is read. */
export type PacketReceiver = Pick<RTCRtpReceiver, 'getSynchronizationSources'>;

/**
 * Calls `onStalled` once whenever packets were received and then those of all receivers stop: the node or the network failed, or
 * every sender paused.
 */
export class StallWatch {
  readonly #timer: ReturnType<typeof setInterval>;
  /** Time of the last packet by the browser's clock, whose origin differs between browsers: it is only compared. */
  #lastPacket = 0;
  /** When a check saw it; undefined after it was reported as stalled, and before the first packet. */
  #seenAt: number | undefined;
  #lastPacketAt: number | undefined;

  constructor(
    private readonly receivers: () => Iterable<PacketReceiver>,
    private readonly onStalled: () => void,
  ) {
    this.#timer = setInterval(() => this.check(), checkIntervalMs);
  }

  /** When a check saw the last packet, by `performance.now`: up to 250 ms late. Undefined before the first one. */
  get lastPacketAt(): number | undefined {
    return this.#lastPacketAt;
  }

  check(now = performance.now()): void {
    let newest = 0;
    for (const receiver of this.receivers())
      for (const { timestamp } of receiver.getSynchronizationSources()) newest = Math.max(newest, timestamp);
    if (newest > this.#lastPacket) {
      this.#lastPacket = newest;
      this.#seenAt = now;
      this.#lastPacketAt = now;
    } else if (this.#seenAt !== undefined && now - this.#seenAt >= stalledAfterMs) {
      this.#seenAt = undefined;
      this.onStalled();
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
