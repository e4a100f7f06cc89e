import { type Event, type MediaKind } from '@flotilla/contracts';
import { EdgePeer, type Move } from '@flotilla/edge-peer';
import { Arrivals } from './arrivals.ts';
import { LightTrack } from './light-track.ts';
import { RawSession } from './raw-session.ts';

export interface LightPeerOptions {
  /** URL of a signaling gateway. */
  readonly url: string;
  /** A join token. */
  readonly token: string;
  readonly room: string;
  readonly name?: string;
  /** Kinds to publish, one stream each. Default: audio and video. */
  readonly publish?: readonly MediaKind[];
  /** Media goes through the TURN servers of the fleet, over UDP. Default: directly. */
  readonly relayed?: boolean;
}

/** Reception statistics of a remote publication. */
export interface Received {
  readonly publicationId: string;
  readonly participantId: string;
  readonly kind: MediaKind;
  /** RTP packets received in total. */
  readonly packets: number;
  /** The longest gap between packets since the last report, in milliseconds. Undefined before the first packet. */
  readonly longestGapMs: number | undefined;
}

/** A participant without codecs: joins, publishes, subscribes and migrates according to docs/protocol.md. */
export class LightPeer {
  readonly moves: Move[] = [];
  /** Unexpected failures. */
  readonly problems: string[] = [];
  /** Called with each event of the room, after it has taken effect. */
  onRoomEvent: (event: Event) => void = () => undefined;
  readonly #arrivals = new Map<string, Arrivals>();
  /** Kinds of the own publications, by id. */
  readonly #published = new Map<string, MediaKind>();
  #peer!: EdgePeer;

  private constructor(readonly name: string) {}

  /** Joins a room and publishes. Resolves when it sends and its receive transport is connected. */
  static async join(options: LightPeerOptions): Promise<LightPeer> {
    const { url, token, room, name, publish = ['audio', 'video'], relayed = false } = options;
    const light = new LightPeer(name ?? 'light');
    light.#peer = await EdgePeer.join({
      url,
      token: () => Promise.resolve(token),
      room,
      name,
      relayed,
      openSession: (handlers) => RawSession.open(url, token, handlers),
      handlers: {
        onPacket: (publicationId, _packet, now) => light.#arrivalsOf(publicationId).add(now),
        onPublicationEnded: (publicationId) => light.#arrivals.delete(publicationId),
        onRoomEvent: (event) => light.onRoomEvent(event),
        onMoved: (move) => light.moves.push(move),
        onProblem: (problem) => light.problems.push(problem),
        onClosed: ({ message }) => light.problems.push(message),
      },
    });
    try {
      for (const kind of publish) await light.publish(kind);
      return light;
    } catch (error) {
      light.close();
      throw error;
    }
  }

  get roomId(): string {
    return this.#peer.roomId;
  }

  get participantId(): string {
    return this.#peer.participantId;
  }

  get nodeId(): string {
    return this.#peer.nodeId;
  }

  /** Kinds of the own publications, by id. */
  get published(): ReadonlyMap<string, MediaKind> {
    return this.#published;
  }

  /** Publishes one more stream. Throws the error of the server. */
  async publish(kind: MediaKind): Promise<void> {
    this.#published.set(await this.#peer.publish(new LightTrack(kind)), kind);
  }

  #arrivalsOf(publicationId: string): Arrivals {
    let arrivals = this.#arrivals.get(publicationId);
    if (!arrivals) this.#arrivals.set(publicationId, (arrivals = new Arrivals()));
    return arrivals;
  }

  /** Reception statistics of all remote publications. Restarts the measurement of gaps. */
  takeReceived(): Received[] {
    const now = performance.now();
    return [...this.#peer.publications.values()]
      .filter(({ participantId }) => participantId !== this.participantId)
      .map(({ id, participantId, kind }) => {
        const arrivals = this.#arrivals.get(id);
        return {
          publicationId: id,
          participantId,
          kind,
          packets: arrivals?.packets ?? 0,
          longestGapMs: arrivals?.takeLongestGap(now),
        };
      });
  }

  /** Sends a message to the room. Throws the FlotillaError of a refusal. */
  async sendMessage(data: unknown): Promise<void> {
    await this.#peer.request('message', { data });
  }

  /** Mutes or unmutes an own publication. The peer continues to send. */
  async mute(publicationId: string, muted: boolean): Promise<void> {
    await this.#peer.request('mute', { publicationId, muted });
  }

  /** Requests a key frame of each received video. */
  requestKeyFrames(): void {
    this.#peer.requestKeyFrames();
  }

  close(): void {
    this.#peer.close();
  }
}
