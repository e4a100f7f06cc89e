/** The channel that adaptive topics take over one link. */
export type AdaptiveChannel = 'limited' | 'unreliable';

/** What is known of a link at a moment. */
export interface LinkMeasurement {
  /** Share of what is sent that gets lost, 0 to 1. */
  readonly loss: number;
  readonly rttMs: number;
  /** What waits to be sent over the link. */
  readonly bufferedBytes: number;
}

export interface ModeState {
  readonly channel: AdaptiveChannel;
  /** When it was chosen, ms. */
  readonly since: number;
  /** Since when the measurements speak for the other channel, without a break; ms. */
  readonly againstSince: number | undefined;
  /** How long it is kept at least, ms. */
  readonly dwellMs: number;
}

/**
 * When to switch. Sending again helps while the link is quick or loses little; when it loses much and is slow, what is sent
 * again comes too late and makes it worse. Between the two lines nothing changes, and neither does a moment's trouble.
 */
export const adaptiveRule = {
  /** Worse than both: unreliable. */
  bad: { loss: 0.15, rttMs: 200 },
  /** Better than one of them, with next to nothing waiting to be sent: limited again. */
  clear: { loss: 0.1, rttMs: 150, bufferedBytes: 16 * 1024 },
  /** How long the measurements must say so. */
  confirmMs: { bad: 500, clear: 3000 },
  /**
   * A channel that was chosen is kept this long at least; twice as long each time that the channel before it was given up
   * within four times its own dwell. So a link that stays on the line is switched ever more rarely.
   */
  dwellMs: { least: 5000, most: 80_000 },
} as const;

export const initialMode = (now: number): ModeState => ({
  channel: 'limited',
  since: now,
  againstSince: undefined,
  dwellMs: adaptiveRule.dwellMs.least,
});

/** The state after a measurement. Pure; `now` in ms of a clock that does not go back. */
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
