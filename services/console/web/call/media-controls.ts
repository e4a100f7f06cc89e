import { type LocalPublication, openCamera, openMicrophone, openScreen, type Room } from '@flotilla/client';
import { openProblem, publishProblem } from './problems.ts';
import { recall, remember } from './settings.ts';
import { BoxSender } from './shapes/box-sender.ts';
import { boxesTopic } from './shapes/boxes.ts';
import { MovingShapes } from './shapes/moving-shapes.ts';

/** A microphone or camera, as the page shows it. */
export interface SourceView {
  /** Wanted, whether or not it is there yet: what a switch shows. */
  readonly on: boolean;
  /** On its way: being opened, published or muted. */
  readonly busy: boolean;
  readonly stream: MediaStream | undefined;
  readonly deviceId: string | undefined;
  /** Why it is off although it was wanted. */
  readonly problem: string | undefined;
  /** The camera at the back of a phone shows the world, which must not be mirrored. */
  readonly facesAway: boolean;
}

export interface ScreenView {
  readonly on: boolean;
  readonly busy: boolean;
  readonly stream: MediaStream | undefined;
}

export interface LocalView {
  readonly microphone: SourceView;
  readonly camera: SourceView;
  /** The camera is replaced by moving shapes. */
  readonly shapes: boolean;
  readonly screen: ScreenView;
}

/** What is sent in place of a device, under a label. */
interface StandIn {
  readonly label: string;
  open(): MediaStreamTrack;
}

interface Kind {
  readonly source: 'microphone' | 'camera';
  /** Off: a microphone is muted, to be back at once; a camera is released, so that its light goes out. */
  readonly whenOff: 'mute' | 'release';
  open(deviceId?: string): Promise<MediaStreamTrack>;
}

const microphone: Kind = { source: 'microphone', whenOff: 'mute', open: openMicrophone };
const camera: Kind = { source: 'camera', whenOff: 'release', open: openCamera };

/** What the owner is told. */
export interface MediaListener {
  changed(): void;
  problem(text: string): void;
}

/** The room, as far as local media needs it: undefined before the call, and not ready while its connection is away. */
interface Stage {
  readonly room: Room | undefined;
  readonly ready: boolean;
}

/**
 * A microphone or camera. It is told what is wanted, at any time; track and publication follow one step after the other, and
 * wait for the connection where they need it.
 */
class LocalSource {
  readonly #kind: Kind;
  readonly #stage: Stage;
  readonly #listener: MediaListener;
  #wanted = false;
  #deviceId: string | undefined;
  #otherDevice = false;
  #standIn: StandIn | undefined;
  #wantedBefore = false;
  #settling = false;
  #problem: string | undefined;
  #stream: MediaStream | undefined;
  #publication: LocalPublication | undefined;
  #label: string | undefined;
  /** What the room was told last; undefined while it may or may not have heard. */
  #muted: boolean | undefined;

  constructor(kind: Kind, stage: Stage, listener: MediaListener) {
    this.#kind = kind;
    this.#stage = stage;
    this.#listener = listener;
    this.#deviceId = recall(kind.source);
  }

  get #track(): MediaStreamTrack | undefined {
    return this.#stream?.getTracks()[0];
  }

  get view(): SourceView {
    // What stands in for a device is none that could be chosen.
    const settings = this.#standIn ? undefined : this.#track?.getSettings();
    return {
      on: this.#wanted,
      busy: this.#settling,
      stream: this.#stream,
      deviceId: settings?.deviceId ?? this.#deviceId,
      problem: this.#problem,
      facesAway: this.#standIn !== undefined || settings?.facingMode === 'environment',
    };
  }

  set(wanted: boolean): void {
    this.#wanted = wanted;
    this.#problem = undefined;
    // Nobody should be heard or seen until some reply comes.
    if (this.#track) this.#track.enabled = wanted;
    if (!wanted && this.#kind.whenOff === 'release') this.#stop();
    this.settle();
  }

  use(deviceId: string): void {
    this.#deviceId = deviceId;
    remember(this.#kind.source, deviceId);
    this.#otherDevice = this.#track !== undefined;
    this.settle();
  }

  /** Sends something else, even while the device is off; undefined gives the device back as it was. */
  standIn(by: StandIn | undefined): void {
    if (!this.#standIn) this.#wantedBefore = this.#wanted;
    this.#standIn = by;
    this.#otherDevice = this.#track !== undefined;
    this.set(by !== undefined || this.#wantedBefore);
  }

  get hasStandIn(): boolean {
    return this.#standIn !== undefined;
  }

  /** The call is over. */
  end(): void {
    if (this.#standIn) this.#wantedBefore = false;
    this.#standIn = undefined;
    this.#wanted = false;
    this.#problem = undefined;
    this.#publication = undefined;
    this.#stop();
    this.#listener.changed();
  }

  /** Takes the steps that are due. Called when anything changed that they depend on. */
  settle(): void {
    // The steps that are being taken come past the change.
    if (!this.#settling) void this.#takeSteps();
    this.#listener.changed();
  }

  async #takeSteps(): Promise<void> {
    this.#settling = true;
    try {
      for (let step = this.#next(); step; step = this.#next()) {
        await step();
        this.#listener.changed();
      }
    } catch (error) {
      // With the connection away the step is due again when it is back; else it will not get better.
      if (this.#stage.ready) this.#giveUp(publishProblem(this.#kind.source, error));
    } finally {
      this.#settling = false;
      this.#listener.changed();
    }
  }

  #next(): (() => Promise<void>) | undefined {
    const { room, ready } = this.#stage;
    const track = this.#track;
    const publication = this.#publication;
    if (this.#wanted && (!track || this.#otherDevice)) return () => this.#open();
    // It was turned off before anybody could hear it.
    if (!this.#wanted && track && !publication) return async () => this.#stop();
    if (!room || !ready) return undefined;
    // A label is for good: another one needs another publication.
    if (publication && this.#wanted && this.#label !== this.#standIn?.label) return () => this.#withdraw();
    if (this.#wanted && track && !publication) return () => this.#publish(room, track);
    if (!publication) return undefined;
    if (!this.#wanted && this.#kind.whenOff === 'release') return () => this.#withdraw();
    return this.#muted === !this.#wanted ? undefined : () => this.#mute(publication, !this.#wanted);
  }

  async #open(): Promise<void> {
    this.#otherDevice = false;
    // A phone has one camera open at a time.
    if (this.#kind.source === 'camera') this.#stop();
    const { room } = this.#stage;
    let track: MediaStreamTrack;
    try {
      track = await this.#openDevice();
    } catch (error) {
      return this.#giveUp(openProblem(this.#kind.source, error));
    }
    // The call ended meanwhile.
    if (room && room !== this.#stage.room) return track.stop();
    this.#stop();
    track.enabled = this.#wanted;
    track.addEventListener('ended', () => this.#giveUp(`The ${this.#kind.source} was disconnected.`));
    this.#stream = new MediaStream([track]);
    // A publication that can't take it is replaced; so is one with another label, later.
    if (this.#label === this.#standIn?.label)
      await this.#publication?.replaceTrack(track).catch(() => this.#withdraw());
  }

  async #openDevice(): Promise<MediaStreamTrack> {
    if (this.#standIn) return this.#standIn.open();
    if (this.#deviceId === undefined) return this.#kind.open();
    try {
      return await this.#kind.open(this.#deviceId);
    } catch (error) {
      if (!(error instanceof DOMException) || !['OverconstrainedError', 'NotFoundError'].includes(error.name))
        throw error;
      // The one that was chosen is not plugged in today.
      this.#deviceId = undefined;
      return this.#kind.open();
    }
  }

  async #publish(room: Room, track: MediaStreamTrack): Promise<void> {
    const label = this.#standIn?.label;
    const publication = await room.publish(track, { source: this.#kind.source, ...(label !== undefined && { label }) });
    // The call ended, or the device was changed, meanwhile.
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
    // If the server doesn't hear it, it learns from the media, or with the end of the session.
    await publication?.unpublish().catch(() => undefined);
  }

  #giveUp(problem: string): void {
    this.#problem = problem;
    this.#listener.problem(problem);
    this.#wanted = false;
    this.#stop();
    this.settle();
  }

  #stop(): void {
    this.#track?.stop();
    this.#stream = undefined;
  }
}

/** The user's screen: begun and ended as a whole, since the browser asks each time. */
class LocalScreen {
  readonly #stage: Stage;
  readonly #listener: MediaListener;
  #busy = false;
  #stream: MediaStream | undefined;
  #tracks: MediaStreamTrack[] = [];
  #publications: LocalPublication[] = [];

  constructor(stage: Stage, listener: MediaListener) {
    this.#stage = stage;
    this.#listener = listener;
  }

  get view(): ScreenView {
    return { on: this.#stream !== undefined, busy: this.#busy, stream: this.#stream };
  }

  /** Only a click or a key press may lead here: browsers want that. */
  async start(): Promise<void> {
    const { room } = this.#stage;
    if (!room || this.#busy || this.#stream) return;
    this.#setBusy(true);
    try {
      const { video, audio } = await openScreen();
      this.#tracks = audio ? [video, audio] : [video];
      this.#stream = new MediaStream([video]);
      // The browser has a button of its own that ends it.
      video.addEventListener('ended', () => void this.stop());
      this.#publications.push(await room.publish(video, { source: 'screen' }));
      if (audio) this.#publications.push(await room.publish(audio, { source: 'screen_audio' }));
      // Either may have ended meanwhile.
      if (video.readyState === 'ended' || this.#stage.room !== room) await this.stop();
    } catch (error) {
      await this.stop();
      this.#explain(error);
    } finally {
      this.#setBusy(false);
    }
  }

  async stop(): Promise<void> {
    const publications = this.#publications;
    for (const track of this.#tracks) track.stop();
    this.#publications = [];
    this.#tracks = [];
    this.#stream = undefined;
    this.#listener.changed();
    await Promise.all(publications.map((publication) => publication.unpublish().catch(() => undefined)));
  }

  #explain(error: unknown): void {
    if (!(error instanceof DOMException)) this.#listener.problem(publishProblem('screen', error));
    // Closing the browser's chooser is an answer, not a problem.
    else if (error.name !== 'NotAllowedError') this.#listener.problem(openProblem('screen', error));
  }

  #setBusy(busy: boolean): void {
    this.#busy = busy;
    this.#listener.changed();
  }
}

/** Everything the user sends. */
export class MediaControls {
  readonly microphone: LocalSource;
  readonly camera: LocalSource;
  readonly screen: LocalScreen;
  readonly #stage: { room: Room | undefined; ready: boolean } = { room: undefined, ready: false };

  readonly #listener: MediaListener;

  constructor(listener: MediaListener) {
    this.#listener = listener;
    this.microphone = new LocalSource(microphone, this.#stage, listener);
    this.camera = new LocalSource(camera, this.#stage, listener);
    this.screen = new LocalScreen(this.#stage, listener);
  }

  get view(): LocalView {
    return {
      microphone: this.microphone.view,
      camera: this.camera.view,
      shapes: this.camera.hasStandIn,
      screen: this.screen.view,
    };
  }

  /** Sends a video of moving shapes in place of the camera, and where they are in each frame as metadata; or no more. */
  showShapes(on: boolean): void {
    const { room } = this.#stage;
    if (!on || !room) return this.camera.standIn(undefined);
    const sender = new BoxSender(room, (text) => this.#listener.problem(text));
    const open = (): MediaStreamTrack => new MovingShapes((boxes, at) => sender.send(boxes, at)).track;
    this.camera.standIn({ label: boxesTopic, open });
  }

  /** Publishes into this room what is on, as it gets ready. */
  attach(room: Room): void {
    this.#stage.room = room;
    let mediaLost = false;
    const check = (): void => {
      if (this.#stage.room !== room) return;
      this.#stage.ready = room.state === 'connected' && !mediaLost;
      this.microphone.settle();
      this.camera.settle();
    };
    room.on('stateChanged', check);
    room.on('mediaChanged', (state) => {
      mediaLost = state === 'lost';
      check();
    });
    check();
  }

  /** The call is over: lets go of every device. */
  detach(): void {
    this.#stage.room = undefined;
    this.#stage.ready = false;
    this.microphone.end();
    this.camera.end();
    void this.screen.stop();
  }
}
