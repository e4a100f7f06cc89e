import type { IceServer, MediaKind, MediaSessionParameters, Publication, Subscription } from '@flotilla/contracts';
import { EdgeLink, type RoomRequest } from '@flotilla/edge-peer';
import { LightTrack } from './light-track.ts';
import type { Vp8Options } from './vp8.ts';

export interface PublishOptions {
  /** An own publication whose producer is replaced. Default: a new one. */
  readonly publicationId?: string;
  readonly video?: Vp8Options;
}

/** The media of a light peer on one SFU node: a send and a receive transport, and their streams. */
export class LightLink {
  readonly #tracks: LightTrack[] = [];

  private constructor(private readonly link: EdgeLink) {}

  /** Connects the receive transport and resumes the initial subscriptions. `onPacket` is called for each RTP packet of a publication. */
  static async open(
    media: MediaSessionParameters,
    request: RoomRequest,
    onPacket: (publicationId: string, now: number) => void,
    relays?: readonly IceServer[],
  ): Promise<LightLink> {
    const handlers = { onPacket: (id: string, _packet: Buffer, now: number) => onPacket(id, now) };
    return new LightLink(await EdgeLink.open(media, request, handlers, relays));
  }

  /** Adds subscriptions and resumes them. */
  receive(subscriptions: readonly Subscription[]): Promise<void> {
    return this.link.receive(subscriptions);
  }

  /** Waits for a packet of each publication that `expected` returns by then. Rejects after 3 s. */
  firstMedia(expected: () => readonly string[]): Promise<void> {
    return this.link.firstMedia(expected);
  }

  /** RTP packets sent, without retransmissions. */
  get packetsSent(): number {
    return this.link.packetsSent;
  }

  /** Publishes a stream, or replaces the producer of an own publication. */
  publish(kind: MediaKind, { publicationId, video }: PublishOptions = {}): Promise<Publication> {
    const track = new LightTrack(kind, video);
    this.#tracks.push(track);
    return this.link.publish(track, publicationId);
  }

  /** Stops sending until `resume`. */
  pause(): void {
    for (const track of this.#tracks) track.pause();
  }

  /** Continues sending, with consecutive sequence numbers. */
  resume(): void {
    for (const track of this.#tracks) track.resume();
  }

  close(): void {
    this.link.close();
  }
}
