import type { LocalPublication, Room } from '@flotilla/client';
import { openProblem, publishProblem } from './problems.ts';
import { loadSetting, saveSetting } from './settings.ts';

/** State of a microphone or camera for the view. */
export interface SourceView {
  /** The user has turned it on; it may still be opening. */
  readonly on: boolean;
  /** It is being opened, published or muted. */
  readonly busy: boolean;
  readonly stream: MediaStream | undefined;
  readonly deviceId: string | undefined;
  /** Why it is off although the user turned it on. */
  readonly problem: string | undefined;
  /** The camera faces away from the user; its video is not mirrored. */
  readonly facesAway: boolean;
}

/** A source that replaces a device. */
export interface Replacement {
  /** Label of the publication. */
  readonly label: string;
  open(): MediaStreamTrack;
}

export interface SourceKind {
  readonly source: 'microphone' | 'camera';
  /** `mute` keeps the device open, for a fast return. `release` closes it, so that a camera's light goes out. */
  readonly whenOff: 'mute' | 'release';
  open(deviceId?: string): Promise<MediaStreamTrack>;
}

/** Notified by microphone, camera and screen. */
export interface MediaListener {
  changed(): void;
  problem(text: string): void;
}

/** The call that local media is published to. */
export interface Stage {
  /** Undefined before and after a call. */
  readonly room: Room | undefined;
  /** Signaling and media are connected. */
  readonly ready: boolean;
}

/**
 * Reconciles a microphone or camera with its settings, which may change at any time: opens the device, publishes the track,
 * mutes or unpublishes it, one step at a time. Steps that need the connection wait for it.
 */
export class LocalSource {
  readonly #kind: SourceKind;
  readonly #stage: Stage;
  readonly #listener: MediaListener;
  #on = false;
  #deviceId: string | undefined;
  /** The open track is not of the chosen device. */
  #deviceChanged = false;
  #replacement: Replacement | undefined;
  #onBefore = false;
  #reconciling = false;
  #problem: string | undefined;
  #stream: MediaStream | undefined;
  #publication: LocalPublication | undefined;
  #label: string | undefined;
  /** Last acknowledged state; undefined while a request is pending or after one has failed. */
  #muted: boolean | undefined;

  constructor(kind: SourceKind, stage: Stage, listener: MediaListener) {
    this.#kind = kind;
    this.#stage = stage;
    this.#listener = listener;
    this.#deviceId = loadSetting(kind.source);
  }

  get #track(): MediaStreamTrack | undefined {
    return this.#stream?.getTracks()[0];
  }

  get view(): SourceView {
    // The settings of a replacement name no device.
    const settings = this.#replacement ? undefined : this.#track?.getSettings();
    return {
      on: this.#on,
      busy: this.#reconciling,
      stream: this.#stream,
      deviceId: settings?.deviceId ?? this.#deviceId,
      problem: this.#problem,
      facesAway: this.#replacement !== undefined || settings?.facingMode === 'environment',
    };
  }

  set(on: boolean): void {
    this.#on = on;
    this.#problem = undefined;
    // Takes effect at once, without waiting for the server's reply.
    if (this.#track) this.#track.enabled = on;
    if (!on && this.#kind.whenOff === 'release') this.#stop();
    this.reconcile();
  }

  use(deviceId: string): void {
    this.#deviceId = deviceId;
    saveSetting(this.#kind.source, deviceId);
    this.#deviceChanged = this.#track !== undefined;
    this.reconcile();
  }

  /** Publishes a replacement, also while the device is off; undefined restores the device and its previous state. */
  replaceWith(replacement: Replacement | undefined): void {
    if (!this.#replacement) this.#onBefore = this.#on;
    this.#replacement = replacement;
    this.#deviceChanged = this.#track !== undefined;
    this.set(replacement !== undefined || this.#onBefore);
  }

  get isReplaced(): boolean {
    return this.#replacement !== undefined;
  }

  /** Closes the device when the call has ended. */
  end(): void {
    if (this.#replacement) this.#onBefore = false;
    this.#replacement = undefined;
    this.#on = false;
    this.#problem = undefined;
    this.#publication = undefined;
    this.#stop();
    this.#listener.changed();
  }

  /** To be called when anything changed that the steps depend on. */
  reconcile(): void {
    // Running steps see the change, as each reads the current state.
    if (!this.#reconciling) void this.#takeSteps();
    this.#listener.changed();
  }

  async #takeSteps(): Promise<void> {
    this.#reconciling = true;
    try {
      for (let step = this.#next(); step; step = this.#next()) {
        await step();
        this.#listener.changed();
      }
    } catch (error) {
      // While disconnected, the step is repeated after the reconnection.
      if (this.#stage.ready) this.#giveUp(publishProblem(this.#kind.source, error));
    } finally {
      this.#reconciling = false;
      this.#listener.changed();
    }
  }

  #next(): (() => Promise<void>) | undefined {
    const { room, ready } = this.#stage;
    const track = this.#track;
    const publication = this.#publication;
    if (this.#on && (!track || this.#deviceChanged)) return () => this.#open();
    // Turned off before it was published.
    if (!this.#on && track && !publication) return async () => this.#stop();
    if (!room || !ready) return undefined;
    // The label of a publication cannot change.
    if (publication && this.#on && this.#label !== this.#replacement?.label) return () => this.#withdraw();
    if (this.#on && track && !publication) return () => this.#publish(room, track);
    if (!publication) return undefined;
    if (!this.#on && this.#kind.whenOff === 'release') return () => this.#withdraw();
    return this.#muted === !this.#on ? undefined : () => this.#mute(publication, !this.#on);
  }

  async #open(): Promise<void> {
    this.#deviceChanged = false;
    // Phones open one camera at a time.
    if (this.#kind.source === 'camera') this.#stop();
    const { room } = this.#stage;
    let track: MediaStreamTrack;
    try {
      track = await this.#openDevice();
    } catch (error) {
      return this.#giveUp(openProblem(this.#kind.source, error));
    }
    // The call ended while the device opened.
    if (room && room !== this.#stage.room) return track.stop();
    this.#stop();
    track.enabled = this.#on;
    track.addEventListener('ended', () => this.#giveUp(`The ${this.#kind.source} was disconnected.`));
    this.#stream = new MediaStream([track]);
    // A publication that rejects the track is replaced; one with another label is replaced in a later step.
    if (this.#label === this.#replacement?.label)
      await this.#publication?.replaceTrack(track).catch(() => this.#withdraw());
  }

  async #openDevice(): Promise<MediaStreamTrack> {
    if (this.#replacement) return this.#replacement.open();
    if (this.#deviceId === undefined) return this.#kind.open();
    try {
      return await this.#kind.open(this.#deviceId);
    } catch (error) {
      if (!(error instanceof DOMException) || !['OverconstrainedError', 'NotFoundError'].includes(error.name))
        throw error;
      // The chosen device is not connected.
      this.#deviceId = undefined;
      return this.#kind.open();
    }
  }

  async #publish(room: Room, track: MediaStreamTrack): Promise<void> {
    const label = this.#replacement?.label;
    const publication = await room.publish(track, { source: this.#kind.source, ...(label !== undefined && { label }) });
    // The call ended during the request.
    if (room !== this.#stage.room) return;
    this.#publication = publication;
    this.#label = label;
    this.#muted = false;
    const now = this.#track;
    if (now && now !== track) await publication.replaceTrack(now);
  }

  async #mute(publication: LocalPublication, muted: boolean): Promise<void> {
    this.#muted = undefined;
    await (muted ? publication.mute() : publication.unmute());
    this.#muted = muted;
  }

  async #withdraw(): Promise<void> {
    const publication = this.#publication;
    this.#publication = undefined;
    // If the request fails, the publication ends with the session at the latest.
    await publication?.unpublish().catch(() => undefined);
  }

  #giveUp(problem: string): void {
    this.#problem = problem;
    this.#listener.problem(problem);
    this.#on = false;
    this.#stop();
    this.reconcile();
  }

  #stop(): void {
    this.#track?.stop();
    this.#stream = undefined;
  }
}
