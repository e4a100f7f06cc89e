import { coarseScoreStep, type PeerQuality, type PeerScore } from '@flotilla/contracts';

/**
 * The scores of the peers as the topology shows them. A score is reported again when its group changed or when it moved by
 * more than `coarseScoreStep`, so that an update of the topology carries few peers.
 */
export class PeerScores {
  #reported = new Map<string, PeerScore>();

  /** The scores of these peers. Other peers are dropped. */
  of(peers: readonly PeerQuality[]): PeerScore[] {
    const previous = this.#reported;
    this.#reported = new Map(
      peers.map(({ sessionId, roomId, score, group }) => {
        const key = `${sessionId} ${roomId}`;
        const reported = previous.get(key);
        const isCurrent = reported?.group === group && Math.abs(reported.score - score) <= coarseScoreStep;
        return [key, isCurrent ? reported : { sessionId, roomId, score: Math.round(score * 100) / 100, group }];
      }),
    );
    return [...this.#reported.values()];
  }
}
