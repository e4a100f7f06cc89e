import { setTimeout } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { readAudio, watchFrames } from './page-measurements.ts';
import {
  type CameraSize,
  limitCamera,
  misdirectCandidates,
  prepare,
  redirectSignaling,
  removeDevices,
} from './page-scripts.ts';
import type { Tab, TabBrowser, TabContext } from './tab.ts';
import { notYet, waitFor } from './wait-for.ts';

/** One participant's tile as the page shows it. */
export interface TileView {
  readonly participantId: string;
  readonly name: string;
  /** Frames rendered so far, 0 while there is no video. */
  readonly frames: number;
  readonly width: number;
  /** Its text about the participant's connection; empty while the connection is in use. */
  readonly connection: string;
  /** Its accessible name. */
  readonly label: string;
}

/** How a participant's media arrives. */
export interface Received {
  readonly videoFrames: number;
  readonly videoWidth: number;
  readonly audioBytes: number;
}

/** The increase of a counter that may have been reset. */
const increase = (from: number, to: number): number => (to >= from ? to - from : to);

/** For tests that look at no layout: fewer pixels to draw, and layers of lower resolution to decode. */
export const smallViewport = { width: 640, height: 400 } as const;

const smallCamera: CameraSize = { width: 640, height: 360 };

export interface CallPageOptions {
  readonly room: string;
  readonly name: string;
  /** Sends the page's signaling another way. */
  readonly signalUrl?: string;
  readonly viewport?: { readonly width: number; readonly height: number };
  /** The size of its picture, in pixels. Default: 640 by 360, which take a quarter of the time of 720p to encode and decode. */
  readonly camera?: CameraSize;
  /** Replaces remote ICE candidates by a port that does not answer, as behind a firewall. */
  readonly misdirectCandidates?: boolean;
  /** Joins on a machine without camera, microphone and screen. */
  readonly withoutDevices?: boolean;
}

/** The call page in a browser of its own profile. */
export class CallPage<T extends Tab = Page> {
  readonly problems: string[] = [];

  private constructor(
    readonly name: string,
    readonly page: T,
    private readonly context: TabContext<T>,
  ) {
    page.on('pageerror', (error) => this.problems.push(error.message));
  }

  /** Opens the page with `?room=&name=`, which joins at once. */
  static async join<T extends Tab>(
    browser: TabBrowser<T>,
    pageUrl: string,
    options: CallPageOptions,
  ): Promise<CallPage<T>> {
    const { room, name, signalUrl, viewport = { width: 1280, height: 800 }, camera = smallCamera } = options;
    const context = await browser.newContext({ viewport, permissions: ['camera', 'microphone'] });
    const runFirst = <Argument>(script: (argument: Argument) => void, argument: Argument): Promise<unknown> =>
      context.addInitScript({ content: `(${String(script)})(${JSON.stringify(argument)})` });
    await runFirst(prepare, undefined);
    if (options.misdirectCandidates) await runFirst(misdirectCandidates, undefined);
    if (options.withoutDevices) await runFirst(removeDevices, undefined);
    await runFirst(limitCamera, camera);
    if (signalUrl !== undefined) await runFirst(redirectSignaling, signalUrl);
    const call = new CallPage(name, await context.newPage(), context);
    await call.page.goto(`${pageUrl}/?room=${room}&name=${name}`);
    await call.joined();
    return call;
  }

  /** Waits until the page is in the room. */
  async joined(): Promise<void> {
    await waitFor(
      `${this.name} is in the room`,
      async () => {
        const state = await this.page.evaluate(() => globalThis.flotilla?.room?.state ?? 'no room');
        if (state !== 'connected') notYet(`the room is "${state}"; the page says: ${await this.#pageText()}`);
      },
      { timeoutMs: 20_000 },
    );
  }

  /** Waits until the page has noticed that its socket is closed. */
  async reconnecting(): Promise<void> {
    await waitFor(`${this.name} notices that the socket is closed`, async () => {
      const { state } = await this.room();
      if (state !== 'reconnecting') notYet(`the room is "${state}"`);
    });
  }

  async #pageText(): Promise<string> {
    const text = await this.page.evaluate(() => document.body.innerText);
    return [...this.problems, text.replaceAll(/\s+/g, ' ').slice(0, 300)].join(' | ');
  }

  /** The tiles of the others. Frames are counted from the first call on: Firefox counts none by itself when headless. */
  tiles(): Promise<TileView[]> {
    return this.page.evaluate(() => {
      const framesOf = (video: HTMLVideoElement): number => {
        const known = globalThis.renderedFrames.get(video);
        if (known !== undefined) return known;
        globalThis.renderedFrames.set(video, 0);
        const count = (): void => {
          globalThis.renderedFrames.set(video, globalThis.renderedFrames.get(video)! + 1);
          video.requestVideoFrameCallback(count);
        };
        video.requestVideoFrameCallback(count);
        return 0;
      };
      // The page is made of web components: look into their shadow roots.
      const all = (root: ParentNode): Element[] =>
        [...root.querySelectorAll('*')].flatMap((element) => [
          element,
          ...(element.shadowRoot ? all(element.shadowRoot) : []),
        ]);
      return all(document)
        .filter(
          (element): element is HTMLElement =>
            element instanceof HTMLElement &&
            element.dataset['tile'] !== undefined &&
            element.dataset['me'] === undefined,
        )
        .map((tile) => {
          const video = [tile, ...all(tile), ...(tile.shadowRoot ? all(tile.shadowRoot) : [])].find(
            (element): element is HTMLVideoElement =>
              element instanceof HTMLVideoElement && element.dataset['publication'] !== undefined,
          );
          return {
            participantId: tile.dataset['tile']!,
            name: tile.dataset['name']!,
            frames: video ? framesOf(video) : 0,
            width: video?.videoWidth ?? 0,
            connection: tile.shadowRoot?.querySelector('[data-testid=tile-connection]')?.textContent ?? '',
            label: tile.getAttribute('aria-label') ?? '',
          };
        });
    });
  }

  /** Waits until exactly these others have a tile each. */
  async hasTilesOf(names: readonly string[], timeoutMs = 15_000): Promise<void> {
    await waitFor(
      `the tiles of ${this.name} are of ${names.join(', ') || 'no other'}`,
      async () => {
        const shown = (await this.tiles()).map(({ name }) => name).toSorted();
        if (JSON.stringify(shown) !== JSON.stringify([...names].toSorted()))
          notYet(`the tiles are: ${shown.join(', ') || 'none'}; problems: ${this.problems.join('; ') || 'none'}`);
      },
      { timeoutMs },
    );
  }

  /** Waits until the tile of a participant says this of the participant's connection. */
  async showsConnection(name: string, expected: string): Promise<void> {
    await waitFor(`${this.name} sees "${expected}" on the tile of ${name}`, async () => {
      const tile = (await this.tiles()).find((each) => each.name === name);
      if (tile?.connection !== expected) notYet(tile ? `the tile shows "${tile.connection}"` : 'there is no such tile');
    });
  }

  /** Media of a participant that the browser has received. Counters restart with each new element or track. */
  async receivedFrom(name: string): Promise<Received> {
    const tile = (await this.tiles()).find((each) => each.name === name);
    const audioBytes = await this.page.evaluate(async (participant) => {
      const tracks = new Set<string>();
      for (const { name: each, publications } of globalThis.flotilla.room?.participants.values() ?? [])
        for (const { kind, track } of publications.values())
          if (each === participant && kind === 'audio' && track) tracks.add(track.id);
      let bytes = 0;
      for (const connection of globalThis.connections)
        for (const receiver of connection.getReceivers())
          if (tracks.has(receiver.track.id))
            for (const report of (await receiver.getStats()).values() as Iterable<RTCInboundRtpStreamStats>)
              if (report.type === 'inbound-rtp') bytes += report.bytesReceived ?? 0;
      return bytes;
    }, name);
    return { videoFrames: tile?.frames ?? 0, videoWidth: tile?.width ?? 0, audioBytes };
  }

  /** Waits until new video frames and audio of a participant are received. */
  async receivesMediaOf(name: string, timeoutMs = 20_000): Promise<void> {
    let last = await this.receivedFrom(name);
    let [newFrames, newAudioBytes] = [0, 0];
    await waitFor(
      `${this.name} receives audio and video of ${name}`,
      async () => {
        const now = await this.receivedFrom(name);
        newFrames += increase(last.videoFrames, now.videoFrames);
        newAudioBytes += increase(last.audioBytes, now.audioBytes);
        last = now;
        if (now.videoWidth === 0 || newFrames < 10)
          notYet(`${newFrames} new frames of width ${now.videoWidth}; problems: ${this.problems.join('; ') || 'none'}`);
        if (newAudioBytes === 0) notYet('no audio is received');
      },
      { timeoutMs },
    );
  }

  /** Waits until the page shows a participant's microphone as muted. */
  async showsMuted(name: string): Promise<void> {
    await waitFor(`${this.name} shows that ${name} is muted`, async () => {
      const muted = await this.page.evaluate(
        (participant) =>
          [...globalThis.flotilla.room!.participants.values()]
            .filter((each) => each.name === participant)
            .flatMap(({ publications }) => [...publications.values()])
            .some(({ kind, muted: each }) => kind === 'audio' && each),
        name,
      );
      if (!muted) notYet('no muted audio publication of that participant');
    });
  }

  /** Frames of a participant rendered within a time. */
  async framesDuring(name: string, ms: number): Promise<number> {
    const { videoFrames: before } = await this.receivedFrom(name);
    await setTimeout(ms);
    return increase(before, (await this.receivedFrom(name)).videoFrames);
  }

  /** The room in the page. */
  room(): Promise<{ id: string; nodeId: string | undefined; me: string; state: string }> {
    return this.page.evaluate(() => {
      const { id, nodeId, me, state } = globalThis.flotilla.room!;
      return { id, nodeId, me: me.id, state };
    });
  }

  /** From now on keeps what others send with `send`. */
  async collectMessages(): Promise<void> {
    await this.page.evaluate(() => {
      globalThis.received = [];
      globalThis.flotilla.room!.on('message', (data) => globalThis.received.push(data));
    });
  }

  messages(): Promise<unknown[]> {
    return this.page.evaluate(() => globalThis.received);
  }

  /**
   * From now on measures, for each participant's video, the longest time between two frames that were rendered
   * (requestVideoFrameCallback). Looks for new video elements every 100 ms.
   */
  async watchFrames(): Promise<void> {
    await this.page.evaluate(watchFrames);
  }

  /** Ids of its publications. */
  publicationIds(): Promise<string[]> {
    return this.page.evaluate(() => [...globalThis.flotilla.room!.publications.keys()]);
  }

  /** Since the last call, by publication: longest gap between frames in ms, number of frames, and name of the participant. */
  takeFrameGaps(): Promise<{ publicationId: string; of: string; longest: number; frames: number }[]> {
    return this.page.evaluate(() => {
      const gaps = [...globalThis.frameGaps].map(([publicationId, gap]) => ({ publicationId, ...gap }));
      globalThis.frameGaps.clear();
      return gaps;
    });
  }

  /**
   * Concealed audio, which the decoders synthesised because packets were late or lost (silence not counted), and all that
   * was played, in ms, over all connections so far.
   */
  audioSoFar(): Promise<{ concealedMs: number; playedMs: number }> {
    return this.page.evaluate(readAudio);
  }

  /** From now on keeps every state the room is in. */
  async watchState(): Promise<void> {
    await this.page.evaluate(() => {
      globalThis.statesSeen = [];
      globalThis.flotilla.room!.on('stateChanged', (state) => globalThis.statesSeen.push(state));
    });
  }

  /** From now on keeps every migration of its own: how long it took, or why it failed. */
  async watchMoves(): Promise<void> {
    await this.page.evaluate(() => {
      globalThis.moves = [];
      const room = globalThis.flotilla.room!;
      room.on('migrated', (move) => globalThis.moves.push({ ms: (move as { ms: number }).ms }));
      room.on('migrationFailed', (error) => {
        const { message, cause } = error as Error & { cause?: Error };
        globalThis.moves.push({ error: cause ? `${message} ${cause.message}` : message });
      });
    });
  }

  moves(): Promise<{ ms?: number; error?: string }[]> {
    return this.page.evaluate(() => globalThis.moves);
  }

  statesSeen(): Promise<unknown[]> {
    return this.page.evaluate(() => globalThis.statesSeen);
  }

  async send(data: unknown): Promise<void> {
    await this.page.evaluate((value) => globalThis.flotilla.room!.send(value), data);
  }

  async press(testId: string): Promise<void> {
    await this.page.getByTestId(testId).click();
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}
