import { LightPeer } from '@flotilla/light-peer';
import { type Participant, Progress, type Reception, silentMs } from './participant.ts';

/** Audio and video. */
const streamsOfParticipant = 2;

/** A participant without codecs. It does not resume: a lost gateway ends its session. */
export class LightParticipant implements Participant {
  readonly resumes = false;
  readonly #progress = new Progress();
  /** How long each remote stream has been missing: begin, ms. */
  #missingSince: number | undefined;
  #moves = 0;
  #problems = 0;
  readonly #events: string[] = [];

  private constructor(
    private readonly peer: LightPeer,
    private readonly others: number,
  ) {
    peer.onRoomEvent = ({ type, payload }) => {
      const concerned = payload['participantIds'] as readonly string[] | undefined;
      if (type === 'media_lost' && concerned?.includes(peer.participantId)) this.#events.push('its media was lost');
    };
  }

  /** @param others number of other participants of the room. */
  static async join(
    options: { url: string; token: string; room: string; name: string },
    others: number,
  ): Promise<LightParticipant> {
    return new LightParticipant(await LightPeer.join(options), others);
  }

  get name(): string {
    return this.peer.name;
  }

  async nodeId(): Promise<string> {
    return this.peer.nodeId;
  }

  async take(): Promise<Reception> {
    const now = performance.now();
    const received = this.peer.takeReceived();
    const flowing = received.filter(({ longestGapMs }) => longestGapMs !== undefined);
    const missing = flowing.length < this.others * streamsOfParticipant;
    this.#missingSince = missing ? (this.#missingSince ?? now) : undefined;
    const missingMs = this.#missingSince === undefined ? 0 : now - this.#missingSince;
    const stalledMs = flowing.map(({ publicationId, packets }) => this.#progress.since(publicationId, packets, now));
    return {
      gapMs: Math.max(missingMs, ...flowing.map(({ longestGapMs }) => longestGapMs!)),
      silent: Math.max(missingMs, ...stalledMs) > silentMs,
    };
  }

  async takeEvents() {
    const { moves, problems } = this.peer;
    const moved = moves
      .slice(this.#moves)
      .map(({ fromNode, toNode, ms, error }) =>
        error === undefined
          ? `migrated from ${fromNode} to ${toNode} in ${Math.round(ms)} ms`
          : `a migration to ${toNode} was rolled back: ${error}`,
      );
    const failed = problems.slice(this.#problems);
    [this.#moves, this.#problems] = [moves.length, problems.length];
    return [
      ...[...this.#events.splice(0), ...moved].map((what) => ({ what, isProblem: false })),
      ...failed.map((what) => ({ what, isProblem: true })),
    ];
  }

  async close(): Promise<void> {
    this.peer.close();
  }
}
