import type { PeerQuality, QualityGroup } from '@flotilla/contracts';
import { RttBaseline } from './rtt-baseline.ts';
import { groupOf, score } from './score.ts';
import { ScoreSmoother } from './smoothing.ts';
import { conditionsOf, type PeerWindow } from './window.ts';

export type PeerIds = Pick<PeerQuality, 'sessionId' | 'participantId' | 'roomId'>;

/**
 * A peer's quality over time. A window without media counts as good, so that a peer that stops sending recovers. Media that
 * stops because the network path is dead looks the same; ICE detects that.
 */
export class PeerMeter {
  readonly #smoother = new ScoreSmoother();
  readonly #baseline = new RttBaseline();
  #group: QualityGroup = 'stable';
  #rttMs = 0;

  constructor(private readonly peer: PeerIds) {}

  add(window: PeerWindow): PeerQuality {
    const conditions = conditionsOf(window);
    if (conditions?.rttMs !== undefined) {
      this.#rttMs = conditions.rttMs;
      this.#baseline.add(conditions.rttMs);
    }
    const { loss = 0, jitterMs = 0 } = conditions ?? {};
    // RTCP reports arrive once a second or less often: the last round trip is valid between them.
    const value = rounded(this.#smoother.add(conditions ? score({ loss, jitterMs, rttMs: this.#rttMs }) : 1), 4);
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
