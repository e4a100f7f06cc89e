import { type LocalPublication, openScreen } from '@flotilla/client';
import type { MediaListener, Stage } from './local-source.ts';
import { openProblem, publishProblem } from './problems.ts';

export interface ScreenView {
  readonly on: boolean;
  readonly busy: boolean;
  readonly stream: MediaStream | undefined;
}

/** The user's shared screen, with its audio where the browser offers it. */
export class LocalScreen {
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

  /** To be called from a click or key press: browsers require a user gesture. */
  async start(): Promise<void> {
    const { room } = this.#stage;
    if (!room || this.#busy || this.#stream) return;
    this.#setBusy(true);
    try {
      const { video, audio } = await openScreen();
      this.#tracks = audio ? [video, audio] : [video];
      this.#stream = new MediaStream([video]);
      // The browser shows its own button to stop sharing.
      video.addEventListener('ended', () => void this.stop());
      this.#publications.push(await room.publish(video, { source: 'screen' }));
      if (audio) this.#publications.push(await room.publish(audio, { source: 'screen_audio' }));
      // Sharing or the call may have ended during the requests.
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
    // NotAllowedError: the user closed the browser's picker.
    else if (error.name !== 'NotAllowedError') this.#listener.problem(openProblem('screen', error));
  }

  #setBusy(busy: boolean): void {
    this.#busy = busy;
    this.#listener.changed();
  }
}
