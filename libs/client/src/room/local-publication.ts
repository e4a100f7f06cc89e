import type { MediaKind, Publication, Source } from '@flotilla/contracts';
import type { VideoCodec } from '../media/encodings.ts';

/** What a local publication sends through: a mediasoup Producer on an SFU node, or a PeerTrack. */
export interface Sender {
  readonly track: MediaStreamTrack | null;
  /** MIME type of the negotiated codec; undefined before the negotiation. */
  readonly codec?: string | undefined;
  pause(): void;
  resume(): void;
  replaceTrack(options: { track: MediaStreamTrack }): Promise<void>;
  close(): void;
}

/** Carries out changes of local publications in the room. */
export interface LocalPublicationActions {
  setMuted(publication: LocalPublication, muted: boolean): Promise<void>;
  replaceTrack(publication: LocalPublication, track: MediaStreamTrack): Promise<void>;
  unpublish(publication: LocalPublication): Promise<void>;
}

/** A publication of the local participant. It stays the same object when the connection behind it changes. */
export class LocalPublication {
  /** @internal */
  sender: Sender;
  /** @internal */
  announced: Publication;
  /** @internal Set for good by `unpublish`, before the room confirms it. */
  unpublished = false;
  /** @internal The codec that was asked for. */
  readonly videoCodec: VideoCodec | undefined;
  readonly #actions: LocalPublicationActions;

  /** @internal */
  constructor(
    announced: Publication,
    sender: Sender,
    videoCodec: VideoCodec | undefined,
    actions: LocalPublicationActions,
  ) {
    this.announced = announced;
    this.sender = sender;
    this.videoCodec = videoCodec;
    this.#actions = actions;
  }

  /** Its id in the room, the same for every participant. */
  get id(): string {
    return this.announced.id;
  }

  get kind(): MediaKind {
    return this.announced.kind;
  }

  get source(): Source {
    return this.announced.source;
  }

  /** MIME type of its codec, such as `video/VP8`. */
  get codec(): string {
    return this.sender.codec ?? this.announced.codec;
  }

  get muted(): boolean {
    return this.announced.muted;
  }

  /** The track that is being sent. */
  get track(): MediaStreamTrack | null {
    return this.sender.track;
  }

  /**
   * Sends nothing until `unmute`, and is shown as muted to the other participants. Resolves when the room has confirmed it;
   * without a signaling connection at once, and the room is updated after the reconnect.
   */
  mute(): Promise<void> {
    return this.#actions.setMuted(this, true);
  }

  unmute(): Promise<void> {
    return this.#actions.setMuted(this, false);
  }

  /** Sends another track of the same kind from now on, such as that of another camera. */
  replaceTrack(track: MediaStreamTrack): Promise<void> {
    return this.#actions.replaceTrack(this, track);
  }

  /** Withdraws the publication. The track is not stopped. */
  unpublish(): Promise<void> {
    return this.#actions.unpublish(this);
  }
}
