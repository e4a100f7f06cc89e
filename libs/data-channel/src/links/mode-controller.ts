/** The channel that adaptive topics take over one link. */
export type AdaptiveChannel = 'limited' | 'unreliable';

export interface LinkMeasurement {
  /** Share of lost packets, between 0 and 1. */
  readonly loss: number;
  readonly rttMs: number;
  /** Bytes in the send buffer. */
  readonly bufferedBytes: number;
}

export interface ModeState {
  readonly channel: AdaptiveChannel;
  /** Time of the switch to this channel, in ms. */
  readonly since: number;
  /** Since when all measurements favour the other channel, in ms. */
  readonly againstSince: number | undefined;
  /** Minimum time on this channel, in ms. */
  readonly dwellMs: number;
}

/**
 * Thresholds of the switch. Retransmissions help on a link with a short round trip or low loss. With high loss and a long round trip
 * they arrive too late and add load. Between the two thresholds the channel stays (hysteresis).
 */
export const adaptiveRule = {
  /** Loss and round trip both above this: switch to the unreliable channel. */
  bad: { loss: 0.15, rttMs: 200 },
  /** Loss or round trip below this, and a nearly empty send buffer: switch to the limited channel. */
  clear: { loss: 0.1, rttMs: 150, bufferedBytes: 16 * 1024 },
  /** Time during which all measurements must be beyond the threshold. */
  confirmMs: { bad: 500, clear: 3000 },
  /**
   * Minimum time on a channel. It doubles, up to `most`, with each switch within four times the current minimum, so a link at the
   * threshold is switched ever more rarely.
   */
  dwellMs: { least: 5000, most: 80_000 },
} as const;

/** The state of a new link. */
export const initialMode = (now: number): ModeState => ({
  channel: 'limited',
  since: now,
  againstSince: undefined,
  dwellMs: adaptiveRule.dwellMs.least,
});

/** The state after a measurement. Pure; `now` is in ms of a monotonic clock. */
export function nextMode(state: ModeState, link: LinkMeasurement, now: number): ModeState {
  const { bad, clear, confirmMs, dwellMs } = adaptiveRule;
  const isLimited = state.channel === 'limited';
  const against = isLimited
    ? link.loss > bad.loss && link.rttMs > bad.rttMs
    : (link.loss < clear.loss || link.rttMs < clear.rttMs) && link.bufferedBytes < clear.bufferedBytes;
  if (!against) return state.againstSince === undefined ? state : { ...state, againstSince: undefined };
  const againstSince = state.againstSince ?? now;
  const confirmed = now - againstSince >= (isLimited ? confirmMs.bad : confirmMs.clear);
  const keptMs = now - state.since;
  if (!confirmed || keptMs < state.dwellMs) return { ...state, againstSince };
  return {
    channel: isLimited ? 'unreliable' : 'limited',
    since: now,
    againstSince: undefined,
    dwellMs: keptMs < 4 * state.dwellMs ? Math.min(2 * state.dwellMs, dwellMs.most) : dwellMs.least,
  };
}
