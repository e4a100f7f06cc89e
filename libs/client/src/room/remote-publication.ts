import type { Layers, MediaKind, Publication, Source } from '@flotilla/contracts';
import { AdaptiveView } from './adaptive-view.ts';
import type { SubscriptionSettings } from './subscription-settings.ts';

/** Brings the room's subscription in line with the state of the publication object. */
export interface SubscriptionActions {
  /** `publication.subscribed` changed. */
  applySubscribed(publication: RemotePublication): Promise<void>;
  /** `publication.settings` changed. */
  applySettings(publication: RemotePublication): Promise<void>;
}

/** A publication of another participant. It stays the same object when the connection behind it changes. */
export class RemotePublication {
  /** @internal */
  announced: Publication;
  readonly #actions: SubscriptionActions;
  readonly #elements = new Set<HTMLMediaElement>();
  #subscribed: boolean;
  /** Settings that the application chose. */
  #chosen: SubscriptionSettings = {};
  /** Settings for the elements of `adaptTo`. */
  #adapted: SubscriptionSettings = {};
  #view: AdaptiveView | undefined;
  #pausedForBandwidth = false;

  /** Contains the track while there is one. It stays the same stream for as long as the publication exists. See `attach`. */
  readonly stream = new MediaStream();
  /** Reception quality from 0 (nothing arrives) to 4 (good). Undefined before the first statistics. */
  quality: number | undefined;

  /** @internal */
  constructor(announced: Publication, subscribed: boolean, actions: SubscriptionActions) {
    this.announced = announced;
    this.#subscribed = subscribed;
    this.#actions = actions;
  }

  get id(): string {
    return this.announced.id;
  }

  /** The participant that publishes it. */
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

  /** Set by its publisher, such as the title of a window. */
  get label(): string | undefined {
    return this.announced.label;
  }

  /**
   * Whether the server has paused it because the downlink is too narrow: the least important videos, see `setPriority`. The server
   * resumes it when there is bandwidth.
   */
  get pausedForBandwidth(): boolean {
    return this.#pausedForBandwidth;
  }

  /** @internal */
  setPausedForBandwidth(isPaused: boolean): void {
    this.#pausedForBandwidth = isPaused;
  }

  /** @internal Whether the application asked to receive it. */
  get subscribed(): boolean {
    return this.#subscribed;
  }

  /** @internal What the application chose, and no more than what the elements of `adaptTo` need. */
  get settings(): SubscriptionSettings {
    return merged(this.#chosen, this.#adapted);
  }

  /** @internal Whether its media is expected to arrive. */
  get isReceiving(): boolean {
    return this.#subscribed && !this.settings.paused;
  }

  /** @internal Whether its frames are expected to arrive and to be shown. */
  get isVisible(): boolean {
    return this.isReceiving && !this.muted && !this.#pausedForBandwidth;
  }

  /** Plays it in a media element, also after the track behind it was replaced. */
  attach(element: HTMLMediaElement): void {
    this.#elements.add(element);
    element.srcObject = this.track ? this.stream : null;
  }

  detach(element: HTMLMediaElement): void {
    if (this.#elements.delete(element)) element.srcObject = null;
  }

  /**
   * Receives of a video only what this element shows: the lowest layers that fill it, and nothing while it has been hidden for two
   * seconds. Of several elements the largest counts. What `pause` and `setLayers` ask for remains the maximum.
   *
   * @returns stops it. Without an element left, everything that the application chose is received again.
   */
  adaptTo(element: HTMLElement): () => void {
    if (this.kind !== 'video') return () => undefined;
    this.#view ??= new AdaptiveView(
      this.source === 'camera',
      (settings) => this.#adapt(settings),
      () => (this.#view = undefined),
    );
    const view = this.#view;
    view.add(element);
    return () => view.remove(element);
  }

  #adapt(settings: SubscriptionSettings): void {
    this.#adapted = settings;
    // What fails is applied with the next change, and by the next link.
    this.#actions.applySettings(this).catch(() => undefined);
  }

  /** @internal It was unpublished. */
  end(): void {
    this.#view?.close();
    this.#view = undefined;
  }

  /** @internal The elements it is attached to. */
  get elements(): ReadonlySet<HTMLMediaElement> {
    return this.#elements;
  }

  /** Its track, ready to play; undefined while it is not received. */
  get track(): MediaStreamTrack | undefined {
    return this.stream.getTracks()[0];
  }

  /** Receives it, when `connect` was called with `subscribe: false`. Rejects when it cannot be received. */
  subscribe(): Promise<void> {
    return this.#setSubscribed(true);
  }

  /** Stops receiving it. */
  unsubscribe(): Promise<void> {
    return this.#setSubscribed(false);
  }

  #setSubscribed(subscribed: boolean): Promise<void> {
    this.#subscribed = subscribed;
    return this.#actions.applySubscribed(this);
  }

  /** Keeps the subscription, but the server sends nothing, as for a tile that is off screen. */
  pause(): Promise<void> {
    return this.#update({ paused: true });
  }

  resume(): Promise<void> {
    return this.#update({ paused: false });
  }

  /** The highest simulcast or SVC layers to receive; 0 is the lowest. Less is sent when the network allows no more. */
  setLayers(layers: Layers): Promise<void> {
    return this.#update({ layers });
  }

  /**
   * How important a video is while bandwidth is short, 1 to 255, as for one that the user has pinned: more important ones are paused
   * last. It replaces the priority that `adaptTo` gives by size: 1, 2 or 4. Screens count four times, the active speaker twice.
   */
  setPriority(priority: number): Promise<void> {
    return this.#update({ priority });
  }

  #update(change: SubscriptionSettings): Promise<void> {
    this.#chosen = { ...this.#chosen, ...change };
    return this.#actions.applySettings(this);
  }

  /** @internal Replaces the track in the stream. */
  setTrack(track: MediaStreamTrack | undefined): void {
    const previous = this.track;
    if (previous === track) return;
    // In this order: Firefox selects a video track only when it is added to a stream without a selected one. Added before the
    // previous track is removed, it is never shown.
    if (previous) this.stream.removeTrack(previous);
    if (track) this.stream.addTrack(track);
    // Chrome never starts to play an audio element whose stream was empty when it was assigned.
    for (const element of this.#elements)
      if (element.srcObject !== this.stream && track) element.srcObject = this.stream;
  }
}

/** Settings that ask for no more than either does. */
function merged(chosen: SubscriptionSettings, adapted: SubscriptionSettings): SubscriptionSettings {
  const layers =
    chosen.layers && adapted.layers ? lower(chosen.layers, adapted.layers) : (chosen.layers ?? adapted.layers);
  const isPausable = chosen.paused !== undefined || adapted.paused !== undefined;
  return {
    ...adapted,
    ...chosen,
    ...(isPausable && { paused: (chosen.paused ?? false) || (adapted.paused ?? false) }),
    ...(layers && { layers }),
  };
}

function lower(one: Layers, other: Layers): Layers {
  if (one.spatial !== other.spatial) return one.spatial < other.spatial ? one : other;
  return (one.temporal ?? Infinity) < (other.temporal ?? Infinity) ? one : other;
}
