import type { Travel } from './score.ts';

/** What a stream says of itself at one moment; the counters are since its beginning. */
export interface StreamCounters {
  /** Packets that arrived, or were sent. */
  readonly packets: number;
  /** Lost in the newest interval of its RTCP reports (RFC 3550, section 6.4.1), in 256ths. */
  readonly fractionLost: number;
  /** Interarrival jitter in units of its clock (RFC 3550, section 6.4.1). */
  readonly jitter: number;
  readonly clockRate: number;
  /** 0 or undefined while it is not known. */
  readonly rttMs?: number | undefined;
}

/** A stream between two looks at it. */
export interface StreamWindow {
  readonly expected: number;
  readonly lost: number;
  readonly jitterMs: number;
  readonly rttMs: number | undefined;
}

/**
 * What happened to a stream between two looks, or undefined when it carried nothing: jitter, loss and round trip of a
 * stream that rests stay at their last value and say nothing of now. Loss comes as the fraction of the newest report's
 * interval (about a second) and is scaled to the window, as counters of lost packets move only with the reports.
 */
export function streamWindow(before: StreamCounters | undefined, now: StreamCounters): StreamWindow | undefined {
  // Fewer than before: another stream under the same name.
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

/** All that was seen of a peer in one window. */
export interface PeerWindow {
  /** What the node got from the peer. */
  readonly up: readonly StreamWindow[];
  /** What the peer got from the node. */
  readonly down: readonly StreamWindow[];
  /**
   * Loss on the way down by transport-wide sequence numbers. They are the node's own: what a publisher lost on its way up
   * does not count against those who watch it. Undefined where the client does not speak transport-cc.
   */
  readonly downLoss?: number | undefined;
}

/**
 * One window of a peer in figures: the worse way of the two for loss and jitter. Undefined when no media went either way.
 * The round trip is the median of what the streams report, and undefined while none does.
 */
export function travelOf({ up, down, downLoss }: PeerWindow): (Omit<Travel, 'rttMs'> & { rttMs?: number }) | undefined {
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

/** Weighed by packets: a stream that hardly carries any says little. */
function jitterOf(streams: readonly StreamWindow[]): number {
  const expected = streams.reduce((sum, stream) => sum + stream.expected, 0);
  return expected > 0 ? streams.reduce((sum, stream) => sum + stream.jitterMs * stream.expected, 0) / expected : 0;
}
