import { isPolite, type NegotiationEvent } from '@flotilla/contracts';
import { peerIceError } from '../media/ice-error.ts';
import { noProducer, type RoomState } from '../room/room-state.ts';
import { PeerLink, type PeerReceived } from './peer-link.ts';
import { PeerTrack, type PeerTrackOptions } from './peer-track.ts';

/** Pauses in milliseconds before a connection that is out of sync is replaced; the last one repeats. Reset by a successful connection. */
const renewPausesMs = [250, 500, 1000, 2000, 4000, 8000] as const;
/** After the hand-over, time for the other side to receive everything from the SFU too, in milliseconds. */
const lingerMs = 5000;
/** After this time in milliseconds, publications that do not arrive from the SFU are given up. */
const handOverMs = 15_000;

/** The media of a room in `peer` mode: local tracks, and the connection to the one other participant. */
export class PeerCall {
  readonly #state: RoomState;
  readonly #tracks = new Map<string, PeerTrack>();
  /** Publications that the other side sends. */
  readonly #received = new Set<string>();
  readonly #stops: (() => void)[];
  #link: PeerLink | undefined;
  #peerId: string | undefined;
  #renewals = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The room changed to the SFU, or the call was closed. */
  #isEnding = false;

  constructor(state: RoomState) {
    this.#state = state;
    const { changes } = state;
    this.#stops = [
      changes.on('participantAdded', (id) => {
        if (state.mediaMode === 'peer') this.#connectTo(id);
      }),
      changes.on('participantRemoved', (id) => this.#disconnectFrom(id)),
      changes.on('publicationRemoved', (id) => this.#handedOver(id)),
      changes.on('receivedFromSfu', (id) => this.#handedOver(id)),
      changes.on('closed', () => this.close()),
    ];
  }

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

  /** A local stream was muted or unmuted. */
  sendStreams(): void {
    this.#link?.sendStreams();
  }

  /** The application changed a subscription. */
  applySubscriptions(): void {
    this.#link?.applySubscriptions();
  }

  #connectTo(participantId: string): void {
    // A third participant changes the room to the SFU.
    if (this.#peerId !== undefined || this.#isEnding) return;
    this.#peerId = participantId;
    this.#addTracks(this.#open(participantId));
  }

  #disconnectFrom(participantId: string): void {
    if (participantId !== this.#peerId) return;
    this.#stop();
    this.#peerId = undefined;
    this.#renewals = 0;
    this.#received.clear();
    if (this.#isEnding) this.#finishHandOver();
  }

  #open(peerId: string): PeerLink {
    const state = this.#state;
    const link = new PeerLink(isPolite(state.me.id, peerId), () => state.iceServers, {
      send: (part) => state.request('negotiate', { ...part, peer: peerId }),
      isReceiving: (id) => state.findPublication(id)?.isReceiving ?? state.subscribesAutomatically,
      onStreams: (streams) => this.#receiveStreams(peerId, streams),
      onConnected: () => {
        this.#renewals = 0;
        state.setMediaError('peer', undefined);
      },
      onIceFailed: () => {
        // During the hand-over, the connection through the SFU counts.
        if (link === this.#link && !this.#isEnding) state.setMediaError('peer', peerIceError(state.iceServers));
      },
      onBroken: () => link === this.#link && this.#renewSoon(),
    });
    this.#link = link;
    return link;
  }

  #addTracks(link: PeerLink): void {
    for (const track of this.#tracks.values()) link.add(track);
  }

  #receiveStreams(participantId: string, streams: readonly PeerReceived[]): void {
    if (this.#isEnding) return;
    const state = this.#state;
    const sent = new Set(streams.map(({ publicationId }) => publicationId));
    const ended = [...this.#received].filter((id) => !sent.has(id));
    this.#received.clear();
    for (const id of sent) this.#received.add(id);
    for (const id of ended) state.removePublication(participantId, id);
    for (const { mid: _mid, publicationId, track, ...stream } of streams) {
      // The other side chooses the id: it must not be that of a local or another participant's publication.
      const known = state.findPublication(publicationId);
      if (state.localPublications.has(publicationId) || (known && known.participantId !== participantId)) continue;
      state.putPublication({ ...stream, id: publicationId, participantId, producerId: noProducer });
      const publication = state.findPublication(publicationId);
      if (publication) state.setTrack(publication, publication.subscribed ? track : undefined);
    }
  }

  receive(from: string, part: NegotiationEvent): void {
    if (this.#isEnding) return;
    this.#connectTo(from);
    if (from !== this.#peerId) return;
    if (part.kind === 'close') return this.#renew('received');
    if (part.kind === 'offer' && this.#link?.isOfNewConnection(part.sdp)) this.#renew('received');
    this.#link?.receive(part);
  }

  #renewSoon(): void {
    if (this.#isEnding || this.#timer !== undefined) return;
    const pauseMs = renewPausesMs[Math.min(this.#renewals, renewPausesMs.length - 1)];
    this.#renewals++;
    this.#timer = setTimeout(() => this.#renew('local'), pauseMs);
  }

  /** Replaces the connection. One that is replaced for a `local` reason is closed on the other side too. */
  #renew(reason: 'local' | 'received'): void {
    const peerId = this.#peerId;
    this.#stop();
    if (peerId === undefined) return;
    const link = this.#open(peerId);
    if (reason === 'local') link.send({ kind: 'close' });
    this.#addTracks(link);
  }

  /** The signaling connection was resumed. */
  resumed({ isComplete }: { /** No part of the negotiation was missed. */ isComplete: boolean }): void {
    if (this.#isEnding) return;
    if (isComplete) this.#link?.resume();
    else this.#renew('local');
  }

  /** Whether this publication is still received through the direct call. */
  delivers(publicationId: string): boolean {
    return this.#received.has(publicationId);
  }

  /** The room changed to the SFU: the connection stays until the SFU delivers everything. */
  beginHandOver(): void {
    this.#isEnding = true;
    this.#state.setMediaError('peer', undefined);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#finishHandOver(), this.#received.size > 0 ? handOverMs : lingerMs);
  }

  /** A publication arrives from the SFU, or ended. */
  #handedOver(publicationId: string): void {
    if (!this.#received.delete(publicationId) || !this.#isEnding || this.#received.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#finishHandOver(), lingerMs);
  }

  #finishHandOver(): void {
    this.close();
    this.#state.changes.emit('directCallClosed', [...this.#received]);
  }

  restartIce(): void {
    this.#link?.restartIce();
  }

  get link(): PeerLink | undefined {
    return this.#link;
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#link?.close();
    this.#link = undefined;
    this.#state.setMediaError('peer', undefined);
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#stop();
    this.#peerId = undefined;
    this.#isEnding = true;
  }
}
