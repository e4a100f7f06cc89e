import type { PeerQuality, QualityGroup } from '@flotilla/contracts';
import { RttBaseline } from './rtt-baseline.ts';
import { groupOf, score } from './score.ts';
import { ScoreSmoother } from './smoothing.ts';
import { type PeerWindow, travelOf } from './window.ts';

export type PeerIds = Pick<PeerQuality, 'sessionId' | 'participantId' | 'roomId'>;

/**
 * A peer's quality over time, from window to window. A window without media counts as a good one: nobody suffers, and a
 * peer that fell silent while things were bad recovers. Media that stops because the path is dead looks the same; the
 * transports' own timeouts see that.
 */
export class PeerMeter {
  readonly #smoother = new ScoreSmoother();
  readonly #baseline = new RttBaseline();
  #group: QualityGroup = 'stable';
  #rttMs = 0;

  constructor(private readonly peer: PeerIds) {}

  add(window: PeerWindow): PeerQuality {
    const travel = travelOf(window);
    if (travel?.rttMs !== undefined) {
      this.#rttMs = travel.rttMs;
      this.#baseline.add(travel.rttMs);
    }
    const { loss = 0, jitterMs = 0 } = travel ?? {};
    // Reports come every second or less often: between them the last round trip holds.
    const value = rounded(this.#smoother.add(travel ? score({ loss, jitterMs, rttMs: this.#rttMs }) : 1), 4);
    this.#group = groupOf(value, this.#group);
    return {
      ...this.peer,
      score: value,
      group: this.#group,
      loss: rounded(Math.min(Math.max(loss, 0), 1), 4),
      rttMs: rounded(this.#rttMs, 1),
      jitterMs: rounded(jitterMs, 1),
      baselineRttMs: rounded(this.#baseline.valueMs, 1),
    };
  }
}

function rounded(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}
