import { openCamera, openMicrophone, type Room } from '@flotilla/client';
import { LocalScreen, type ScreenView } from './local-screen.ts';
import { LocalSource, type MediaListener, type SourceKind, type SourceView } from './local-source.ts';
import { BoxSender } from './shapes/box-sender.ts';
import { boxesTopic } from './shapes/boxes.ts';
import { MovingShapes } from './shapes/moving-shapes.ts';

export interface LocalView {
  readonly microphone: SourceView;
  readonly camera: SourceView;
  /** Moving shapes replace the camera. */
  readonly shapes: boolean;
  readonly screen: ScreenView;
}

const microphone: SourceKind = { source: 'microphone', whenOff: 'mute', open: openMicrophone };
const camera: SourceKind = { source: 'camera', whenOff: 'release', open: openCamera };

/** The user's microphone, camera and screen. */
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
      shapes: this.camera.isReplaced,
      screen: this.screen.view,
    };
  }

  /** Publishes moving shapes in place of the camera, with their positions in each frame as metadata, or restores the camera. */
  showShapes(on: boolean): void {
    const { room } = this.#stage;
    if (!on || !room) return this.camera.replaceWith(undefined);
    const sender = new BoxSender(room, (text) => this.#listener.problem(text));
    const open = (): MediaStreamTrack => new MovingShapes((boxes, at) => sender.send(boxes, at)).track;
    this.camera.replaceWith({ label: boxesTopic, open });
  }

  /** Publishes to this room. */
  attach(room: Room): void {
    this.#stage.room = room;
    let mediaLost = false;
    const check = (): void => {
      if (this.#stage.room !== room) return;
      this.#stage.ready = room.state === 'connected' && !mediaLost;
      this.microphone.reconcile();
      this.camera.reconcile();
    };
    room.on('stateChanged', check);
    room.on('mediaChanged', (state) => {
      mediaLost = state === 'lost';
      check();
    });
    check();
  }

  /** Closes all devices when the call has ended. */
  detach(): void {
    this.#stage.room = undefined;
    this.#stage.ready = false;
    this.microphone.end();
    this.camera.end();
    void this.screen.stop();
  }
}
