import { coarseScoreStep, type PeerQuality, type PeerScore } from '@flotilla/contracts';

/**
 * What the topology tells of the peers' quality. Scores move a little all the time; one is told anew when its group changed
 * or when it moved by more than `coarseScoreStep`, so that those who watch are not told of all peers at each update.
 */
export class PeerScores {
  #told = new Map<string, PeerScore>();

  /** The peerScores of these peers. Those who are not among them are forgotten. */
  of(peers: readonly PeerQuality[]): PeerScore[] {
    const before = this.#told;
    this.#told = new Map(
      peers.map(({ sessionId, roomId, score, group }) => {
        const key = `${sessionId} ${roomId}`;
        const told = before.get(key);
        const stands = told?.group === group && Math.abs(told.score - score) <= coarseScoreStep;
        return [key, stands ? told : { sessionId, roomId, score: Math.round(score * 100) / 100, group }];
      }),
    );
    return [...this.#told.values()];
  }
}
