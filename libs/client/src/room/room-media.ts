import type { MediaMode, MediaSessionParameters, RoomSnapshot } from '@flotilla/contracts';
import { qualityLevel, type RoomStats, StatsSampler } from '../media/quality.ts';
import { PeerCall } from '../p2p/peer-call.ts';
import { SfuMedia } from '../sfu/sfu-media.ts';
import { LocalPublications } from './local-publications.ts';
import type { RemotePublication, SubscriptionActions } from './remote-publication.ts';
import type { RoomState } from './room-state.ts';

const statsIntervalMs = 2000;

/** The media of a room, by way of SFU nodes or directly between two participants, and the change from one to the other. */
export class RoomMedia implements SubscriptionActions {
  readonly sfu: SfuMedia;
  readonly localPublications: LocalPublications;
  readonly #state: RoomState;
  /** The direct connection in `peer` mode, and until the SFU has taken over from it. */
  #directCall: PeerCall | undefined;
  #sampler = new StatsSampler();
  #timer: ReturnType<typeof setInterval> | undefined;
  #stats: RoomStats | undefined;

  constructor(state: RoomState) {
    this.#state = state;
    state.subscriptionActions = this;
    this.sfu = new SfuMedia(state, () => this.localPublications.republishAll());
    this.localPublications = new LocalPublications(state, this.sfu, () => this.#directCall);
    state.changes.on('directCallClosed', () => (this.#directCall = undefined));
    state.changes.on('closed', () => {
      clearInterval(this.#timer);
      for (const publication of state.remotePublications()) publication.end();
    });
  }

  get directCall(): PeerCall | undefined {
    return this.#directCall;
  }

  get stats(): RoomStats | undefined {
    return this.#stats;
  }

  /** Prepares the media mode of a room that was just joined. */
  start(mode: MediaMode): void {
    this.#directCall?.close();
    this.#directCall = undefined;
    if (mode === 'peer') {
      this.sfu.close();
      this.#directCall = new PeerCall(this.#state);
    }
    this.#state.setMediaMode(mode);
    this.#timer ??= setInterval(() => void this.#sampleStats(), statsIntervalMs);
  }

  /** Uses the transports in the answer to a join. `since`: when the connection began, by `performance.now`. */
  async use(media: MediaSessionParameters | undefined, since = performance.now()): Promise<void> {
    if (media) await this.sfu.use(media, { measure: 'first_frame', since });
  }

  /** The signaling connection was resumed. @param snapshot set when events were missed. */
  resumed(snapshot: RoomSnapshot | undefined): void {
    // Events were missed, or are not forwarded by a gateway of an earlier version.
    this.sfu.subscribedLayers.sendAll();
    if (snapshot) this.sfu.eventsMissed();
    if (snapshot?.mediaMode === 'sfu') this.changeToSfu();
    if (this.#state.mediaMode === 'peer') this.#directCall?.resumed({ isComplete: snapshot === undefined });
  }

  /** A third participant joined: opens media on the SFU, and hands over from the direct call without interruption. */
  changeToSfu(): void {
    if (this.#state.mediaMode === 'sfu') return;
    this.#state.setMediaMode('sfu');
    this.#directCall?.beginHandOver();
    this.#sampler = new StatsSampler();
    this.sfu.reopen();
  }

  applySubscribed(publication: RemotePublication): Promise<void> {
    return this.#state.mediaMode === 'peer' ? this.#applyToPeer() : this.sfu.subscriptions.applySubscribed(publication);
  }

  applySettings(publication: RemotePublication): Promise<void> {
    return this.#state.mediaMode === 'peer' ? this.#applyToPeer() : this.sfu.subscriptions.applySettings(publication);
  }

  async #applyToPeer(): Promise<void> {
    this.#directCall?.applySubscriptions();
  }

  async #sampleStats(): Promise<void> {
    const source = this.sfu.links.current ?? this.#directCall?.link;
    if (!source || source.closed) return;
    const state = this.#state;
    const byTrack = new Map<string, string>();
    for (const { id, track } of [...state.localPublications.values(), ...state.remotePublications()])
      if (track) byTrack.set(track.id, id);
    try {
      const stats = await this.#sampler.sample(source, (trackId) => byTrack.get(trackId));
      if (!state.isOpen) return;
      this.#stats = stats;
      for (const [id, received] of stats.received) {
        const publication = state.findPublication(id);
        if (!publication) continue;
        if (!publication.isReceiving || publication.pausedForBandwidth) publication.quality = undefined;
        else
          publication.quality = received.bitrate === 0 && !publication.muted ? 0 : qualityLevel(received, stats.rttMs);
      }
      state.emit('qualityChanged', stats);
    } catch {
      // The link was closed while its statistics were read.
    }
  }
}
