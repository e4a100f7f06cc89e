import type { Layers, MediaKind, Publication, Source } from '@flotilla/contracts';
import type { Sending } from './p2p/peer-track.ts';

/** How a subscription is wanted. */
export interface SubscriptionWishes {
  paused?: boolean;
  layers?: Layers;
  priority?: number;
}

/** What the room does for a publication. */
export interface PublicationActions {
  mute(publication: LocalPublication, muted: boolean): Promise<void>;
  unpublish(publication: LocalPublication): Promise<void>;
  setSubscribed(publication: RemotePublication, subscribed: boolean): Promise<void>;
  update(publication: RemotePublication, change: SubscriptionWishes): Promise<void>;
}

/** Something you publish. It stays the same object when the connection behind it changes. */
export class LocalPublication {
  /** @internal */
  producer: Sending;
  /** @internal */
  announced: Publication;
  readonly #actions: PublicationActions;

  /** @internal */
  constructor(announced: Publication, producer: Sending, actions: PublicationActions) {
    this.announced = announced;
    this.producer = producer;
    this.#actions = actions;
  }

  /** Its id in the room, the same for everybody. */
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
    return this.producer.codec ?? this.announced.codec;
  }

  get muted(): boolean {
    return this.announced.muted;
  }

  /** The track that is being sent. */
  get track(): MediaStreamTrack | null {
    return this.producer.track;
  }

  /** Sends nothing until `unmute`. The others see it as muted. */
  mute(): Promise<void> {
    return this.#actions.mute(this, true);
  }

  unmute(): Promise<void> {
    return this.#actions.mute(this, false);
  }

  /** Sends another track of the same kind from now on, such as that of another camera. */
  async replaceTrack(track: MediaStreamTrack): Promise<void> {
    await this.producer.replaceTrack({ track });
  }

  /** Withdraws it. The track goes on; stop it if you don't need it. */
  unpublish(): Promise<void> {
    return this.#actions.unpublish(this);
  }
}

/** Something another participant publishes. It stays the same object when the connection behind it changes. */
export class RemotePublication {
  /** @internal */
  announced: Publication;
  /** @internal */
  wanted: boolean;
  /** @internal What was asked for, to be asked for again when the subscription is a new one. */
  readonly wishes: SubscriptionWishes = {};
  readonly #actions: PublicationActions;
  readonly #elements = new Set<HTMLMediaElement>();

  /** Holds the track while there is one. It stays the same stream for as long as the publication lives. See `attach`. */
  readonly stream = new MediaStream();
  /** How well it arrives, from 0 (not at all) to 4. Undefined while nothing is known. */
  quality: number | undefined;

  /** @internal */
  constructor(announced: Publication, wanted: boolean, actions: PublicationActions) {
    this.announced = announced;
    this.wanted = wanted;
    this.#actions = actions;
  }

  get id(): string {
    return this.announced.id;
  }

  /** Who publishes it. */
  get participantId(): string {
    return this.announced.participantId;
  }

  get kind(): MediaKind {
    return this.announced.kind;
  }

  get source(): Source {
    return this.announced.source;
  }

  /** MIME type of its codec, such as `video/VP8`. */
  get codec(): string {
    return this.announced.codec;
  }

  get muted(): boolean {
    return this.announced.muted;
  }

  /** Given by its publisher, such as the title of a window. */
  get label(): string | undefined {
    return this.announced.label;
  }

  /** Plays it in a media element, now and whenever the track behind it is another. */
  attach(element: HTMLMediaElement): void {
    this.#elements.add(element);
    element.srcObject = this.track ? this.stream : null;
  }

  detach(element: HTMLMediaElement): void {
    if (this.#elements.delete(element)) element.srcObject = null;
  }

  /** @internal Where it is attached. */
  get elements(): ReadonlySet<HTMLMediaElement> {
    return this.#elements;
  }

  /** Its track, ready to play; undefined while it is not received. */
  get track(): MediaStreamTrack | undefined {
    return this.stream.getTracks()[0];
  }

  /** Receives it, if `connect` was told not to subscribe by itself. */
  subscribe(): Promise<void> {
    return this.#actions.setSubscribed(this, true);
  }

  /** Stops receiving it. */
  unsubscribe(): Promise<void> {
    return this.#actions.setSubscribed(this, false);
  }

  /** Keeps the subscription but has nothing sent, as for a tile that is off screen. */
  pause(): Promise<void> {
    return this.#actions.update(this, { paused: true });
  }

  resume(): Promise<void> {
    return this.#actions.update(this, { paused: false });
  }

  /** The simulcast or SVC layers wanted at most; 0 is the lowest. Less is sent when the network allows no more. */
  setLayers(layers: Layers): Promise<void> {
    return this.#actions.update(this, { layers });
  }

  /** @internal Puts a track into the stream in place of the one there. */
  setTrack(track: MediaStreamTrack | undefined): void {
    const former = this.track;
    if (former === track) return;
    // In this order: Firefox selects a video track only when it is added to a stream without a selected one. Added before the
    // previous track is removed, it is never shown.
    if (former) this.stream.removeTrack(former);
    if (track) this.stream.addTrack(track);
    // Chrome never begins to play an audio element whose stream was empty when it was given.
    for (const element of this.#elements)
      if (element.srcObject !== this.stream && track) element.srcObject = this.stream;
  }
}

/** Somebody else in the room. */
export class RemoteParticipant {
  /** What they publish, by id. */
  readonly publications = new Map<string, RemotePublication>();
  /** Whether they are heard, and how loud: 0 is the loudest, -127 silence. */
  audioLevel = -127;

  /** @internal */
  constructor(
    readonly id: string,
    readonly userId: string,
    readonly name: string,
    /** When they joined, in milliseconds since the Unix epoch. */
    readonly joinedAt: number,
  ) {}

  get isSpeaking(): boolean {
    return this.audioLevel > -127;
  }

  /** The publication of that source, if there is one. */
  find(source: Source): RemotePublication | undefined {
    return [...this.publications.values()].find((publication) => publication.source === source);
  }
}
