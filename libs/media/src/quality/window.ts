import type { NetworkConditions } from './score.ts';

/** Statistics of a stream at one moment. Counters start with the stream. */
export interface StreamCounters {
  /** Packets received, or sent. */
  readonly packets: number;
  /** Lost in the newest interval of its RTCP reports (RFC 3550, section 6.4.1), in 256ths. */
  readonly fractionLost: number;
  /** Interarrival jitter in units of its clock (RFC 3550, section 6.4.1). */
  readonly jitter: number;
  readonly clockRate: number;
  /** 0 or undefined while unknown. */
  readonly rttMs?: number | undefined;
}

/** A stream between two measurements. */
export interface StreamWindow {
  readonly expected: number;
  readonly lost: number;
  readonly jitterMs: number;
  readonly rttMs: number | undefined;
}

/**
 * A stream between two measurements. Undefined when it carried nothing: the jitter, loss and round trip of an idle stream keep
 * their last values. Loss is the fraction in the interval of the newest RTCP report (about a second), scaled to the window;
 * the counters of lost packets change only with the reports.
 */
export function streamWindow(before: StreamCounters | undefined, now: StreamCounters): StreamWindow | undefined {
  // Fewer than before: another stream with the same SSRC.
  const packets = before && before.packets <= now.packets ? now.packets - before.packets : now.packets;
  if (packets === 0) return undefined;
  const fraction = Math.min(Math.max(now.fractionLost, 0), 255) / 256;
  const expected = packets / (1 - fraction);
  return {
    expected,
    lost: expected * fraction,
    jitterMs: now.clockRate > 0 ? (now.jitter / now.clockRate) * 1000 : 0,
    rttMs: now.rttMs !== undefined && now.rttMs > 0 ? now.rttMs : undefined,
  };
}

/** The streams of a peer in one window. */
export interface PeerWindow {
  /** From the peer to the node. */
  readonly up: readonly StreamWindow[];
  /** From the node to the peer. */
  readonly down: readonly StreamWindow[];
  /**
   * Downlink loss by transport-wide sequence numbers. The node assigns these, so that the uplink loss of a publisher does not
   * count for its subscribers. Undefined when the client does not support transport-cc.
   */
  readonly downLoss?: number | undefined;
}

/**
 * The network conditions of a peer in one window: loss and jitter of the worse direction, and the median round trip of the
 * streams that report one. Undefined without media in either direction.
 */
export function conditionsOf({
  up,
  down,
  downLoss,
}: PeerWindow): (Omit<NetworkConditions, 'rttMs'> & { rttMs?: number }) | undefined {
  if (up.length === 0 && down.length === 0) return undefined;
  const loss = Math.max(lossOf(up), down.length > 0 ? (downLoss ?? lossOf(down)) : 0);
  const jitterMs = Math.max(jitterOf(up), jitterOf(down));
  const rtts = [...up, ...down].flatMap(({ rttMs }) => (rttMs === undefined ? [] : [rttMs])).toSorted((a, b) => a - b);
  return { loss, jitterMs, ...(rtts.length > 0 && { rttMs: rtts[Math.floor((rtts.length - 1) / 2)]! }) };
}

function lossOf(streams: readonly StreamWindow[]): number {
  const expected = streams.reduce((sum, stream) => sum + stream.expected, 0);
  return expected > 0 ? streams.reduce((sum, { lost }) => sum + lost, 0) / expected : 0;
}

/** Weighted by packets. */
function jitterOf(streams: readonly StreamWindow[]): number {
  const expected = streams.reduce((sum, stream) => sum + stream.expected, 0);
  return expected > 0 ? streams.reduce((sum, stream) => sum + stream.jitterMs * stream.expected, 0) / expected : 0;
}
