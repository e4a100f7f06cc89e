/** Bounds of a target bit rate, bit/s. */
export interface BitrateBounds {
  readonly min: number;
  /** Target before the first feedback. */
  readonly start: number;
  readonly max: number;
}

/** What became of one packet. Send times are of the sender's clock, arrival times of the receiver's; their offset is unknown. */
export interface PacketResult {
  readonly sentAtMs: number;
  /** Undefined for a lost packet. */
  readonly arrivedAtMs: number | undefined;
  readonly bytes: number;
  /** The probe that it was sent for. */
  readonly probeId?: number | undefined;
}

/** Feedback on each packet, as of draft-holmer-rmcat-transport-wide-cc-extensions-01, in the order of sending. */
export interface TransportFeedback {
  readonly kind: 'packets';
  readonly packets: readonly PacketResult[];
}

/** What an RTCP receiver report says (RFC 3550 section 6.4.1), with the sender's own measurements. */
export interface ReceiverReport {
  readonly kind: 'report';
  /** Lost packets since the last report as a share of the expected ones, 0 to 1. */
  readonly fractionLost: number;
  /** Interarrival jitter, in milliseconds. */
  readonly jitterMs: number;
  /** Undefined until the first one is known. */
  readonly rttMs: number | undefined;
  /** Bit rate that was sent since the last report, bit/s. */
  readonly sentBitrate: number;
}

export type Feedback = TransportFeedback | ReceiverReport;

/** Packets to send at once, as padding or media, to find out whether the path carries a higher bit rate. */
export interface Probe {
  readonly id: number;
  /** bit/s. */
  readonly bitrate: number;
  readonly bytes: number;
  readonly minPackets: number;
}

/** What limits the target, or what it does. For reports and metrics. */
export type EstimatorState = 'increase' | 'hold' | 'decrease' | 'loss-limited' | 'application-limited';

/**
 * Estimates how many bits per second a path carries, from feedback of its receiver. Feedback is not trusted: whatever it
 * says, no method throws, the target is finite and within the bounds, and the memory in use is bounded.
 */
export interface BandwidthEstimator {
  /** bit/s. */
  readonly targetBitrate: number;
  readonly state: EstimatorState;
  onFeedback(feedback: Feedback): void;
  /** The probe that is to be sent now; each is returned once. A sender that cannot probe does not call it. */
  takeProbe(): Probe | undefined;
}

export interface EstimatorOptions {
  readonly bounds: BitrateBounds;
  /** Time in milliseconds, monotonic; of the clock that `sentAtMs` is of. */
  readonly now: () => number;
}

/**
 * Returns valid bounds.
 *
 * @throws RangeError unless 0 < min <= start <= max < Infinity.
 */
export function requireBounds({ min, start, max }: BitrateBounds): BitrateBounds {
  if (min > 0 && min <= start && start <= max && max < Infinity) return { min, start, max };
  throw new RangeError(`bounds of a bit rate are 0 < min <= start <= max, not ${min}, ${start}, ${max}`);
}

/** The value within the bounds; `min` for what is no number. */
export const within = ({ min, max }: Pick<BitrateBounds, 'min' | 'max'>, value: number): number =>
  value >= min ? Math.min(value, max) : min;
