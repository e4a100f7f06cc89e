import { isPolite, type Negotiation, type NegotiationEvent } from '@flotilla/contracts';
import { PeerLink, type PeerReceived } from './peer-link.ts';
import { PeerTrack, type PeerTrackOptions } from './peer-track.ts';

/** `producerId` of a publication behind which there is no node. */
export const noProducer = 'peer';

export interface PeerCallHost {
  readonly participantId: string;
  readonly iceServers: RTCIceServer[];
  send(part: Negotiation): Promise<unknown>;
  wants(publicationId: string): boolean;
  /** What a participant sends, all of it; what was there before and is not in it any more ended. */
  received(participantId: string, streams: readonly PeerReceived[], ended: readonly string[]): void;
  /** Everything goes through the SFU. What is still listed never came over. */
  handedOver(left: readonly string[]): void;
}

/** A connection that got out of step is begun anew after these pauses, in milliseconds. One that connects sets them back. */
const renewPausesMs = [250, 500, 1000, 2000, 4000, 8000] as const;
/** How long the other side, which can't tell us, is given to take over from the SFU once we did. */
const lingerMs = 5000;
/** What did not come over in this time is given up. */
const handOverMs = 15_000;

/** The media of a room in `peer` mode: what is sent, and the connection to the one other participant while there is one. */
export class PeerCall {
  readonly #tracks = new Map<string, PeerTrack>();
  /** Publications that the other side sends us. */
  readonly #received = new Set<string>();
  #link: PeerLink | undefined;
  #peerId: string | undefined;
  #renewals = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #handingOver = false;

  constructor(private readonly host: PeerCallHost) {}

  publish(track: MediaStreamTrack, options: PeerTrackOptions): PeerTrack {
    const sent = new PeerTrack(track, options);
    this.#tracks.set(options.publicationId, sent);
    this.#link?.add(sent);
    return sent;
  }

  unpublish(publicationId: string): void {
    const track = this.#tracks.get(publicationId);
    if (!track) return;
    this.#tracks.delete(publicationId);
    this.#link?.remove(track);
  }

  /** Something that is sent was muted or unmuted. */
  streamsChanged(): void {
    this.#link?.sayStreams();
  }

  /** What this side wants to receive changed. */
  wishesChanged(): void {
    this.#link?.applyWishes();
  }

  /** Somebody is in the room. */
  meet(participantId: string): void {
    // A third one is about to move the room to the SFU.
    if (this.#peerId !== undefined || this.#handingOver) return;
    this.#peerId = participantId;
    this.#addTracks(this.#begin(participantId));
  }

  part(participantId: string): void {
    if (participantId !== this.#peerId) return;
    this.#stop();
    this.#peerId = undefined;
    this.#renewals = 0;
    this.#received.clear();
    if (this.#handingOver) this.#finish();
  }

  #begin(peerId: string): PeerLink {
    const link = new PeerLink(isPolite(this.host.participantId, peerId), this.host.iceServers, {
      send: (part) => this.host.send({ ...part, peer: peerId }),
      wants: (publicationId) => this.host.wants(publicationId),
      received: (streams) => this.#take(peerId, streams),
      connected: () => (this.#renewals = 0),
      broken: () => link === this.#link && this.#renewSoon(),
    });
    this.#link = link;
    return link;
  }

  #addTracks(link: PeerLink): void {
    for (const track of this.#tracks.values()) link.add(track);
  }

  #take(peerId: string, streams: readonly PeerReceived[]): void {
    if (this.#handingOver) return;
    const now = new Set(streams.map(({ publicationId }) => publicationId));
    const ended = [...this.#received].filter((id) => !now.has(id));
    this.#received.clear();
    for (const id of now) this.#received.add(id);
    this.host.received(peerId, streams, ended);
  }

  receive(from: string, part: NegotiationEvent): void {
    if (this.#handingOver) return;
    this.meet(from);
    if (from !== this.#peerId) return;
    if (part.kind === 'close') return this.#renew(false);
    if (part.kind === 'offer' && this.#link?.isOfAnother(part.sdp)) this.#renew(false);
    this.#link?.receive(part);
  }

  #renewSoon(): void {
    const pause = renewPausesMs[this.#renewals];
    if (this.#handingOver || this.#timer !== undefined || pause === undefined) return;
    this.#renewals++;
    this.#timer = setTimeout(() => this.#renew(true), pause);
  }

  /** A new connection in place of the one there. `tell` the other side, unless it is what it said. */
  #renew(tell: boolean): void {
    const peerId = this.#peerId;
    this.#stop();
    if (peerId === undefined) return;
    const link = this.#begin(peerId);
    if (tell) link.say({ kind: 'close' });
    this.#addTracks(link);
  }

  /** The connection to the server is back. `missed`: what the other side said meanwhile is lost. */
  resumed(missed: boolean): void {
    if (this.#handingOver) return;
    if (missed) this.#renew(true);
    else this.#link?.resume();
  }

  restartIce(): void {
    this.#link?.restartIce();
  }

  /** Whether it still brings this publication. */
  brings(publicationId: string): boolean {
    return this.#received.has(publicationId);
  }

  /** The room's media goes through the SFU from now on: this connection stays until it has taken over. */
  beginHandOver(): void {
    this.#handingOver = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#finish(), this.#received.size > 0 ? handOverMs : lingerMs);
  }

  /** A publication comes from the SFU now, or ended. */
  tookOver(publicationId: string): void {
    if (!this.#received.delete(publicationId) || !this.#handingOver || this.#received.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#finish(), lingerMs);
  }

  #finish(): void {
    this.close();
    this.host.handedOver([...this.#received]);
  }

  get link(): PeerLink | undefined {
    return this.#link;
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#link?.close();
    this.#link = undefined;
  }

  close(): void {
    this.#stop();
    this.#peerId = undefined;
    this.#handingOver = true;
  }
}
