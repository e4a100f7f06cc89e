import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type LaunchOptions, type Page } from 'playwright-core';
import { notYet, waitFor } from './wait-for.ts';

/** Chromium's path: CHROMIUM_BIN, or where Debian and others put it. */
export function chromiumPath(): string {
  const candidates = [
    process.env['CHROMIUM_BIN'],
    ...['chromium', 'chromium-browser', 'google-chrome'].flatMap((name) =>
      (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, name)),
    ),
  ];
  for (const path of candidates) {
    try {
      if (path) accessSync(path, constants.X_OK);
      if (path) return path;
    } catch {
      // Not there.
    }
  }
  throw new Error('Chromium is not installed: apt-get install chromium, or set CHROMIUM_BIN');
}

const launchOptions = (args: readonly string[]): LaunchOptions => ({
  executablePath: chromiumPath(),
  headless: true,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    '--auto-select-desktop-capture-source=Entire screen',
    '--autoplay-policy=no-user-gesture-required',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-background-timer-throttling',
    '--disable-renderer-backgrounding',
    '--disable-backgrounding-occluded-windows',
    ...args,
  ],
});

/** Starts a headless Chromium with a fake camera and microphone, which connects to nothing but the pages that it is given. */
export function launchBrowser(options: { args?: readonly string[] } = {}): Promise<Browser> {
  return chromium.launch(launchOptions(options.args ?? []));
}

/** Starts a browser whose processes can be killed together, so that none of them closes a connection. */
export async function launchBrowserToKill(): Promise<{ browser: Browser; kill(): Promise<void> }> {
  const server = await chromium.launchServer(launchOptions([]));
  return { browser: await chromium.connect(server.wsEndpoint()), kill: () => server.kill() };
}

/** One participant's tile as the page shows it. */
export interface TileView {
  readonly participantId: string;
  readonly name: string;
  /** Frames rendered so far, 0 while there is no video. */
  readonly frames: number;
  readonly width: number;
}

/** How a participant's media arrives. */
export interface Received {
  readonly videoFrames: number;
  readonly videoWidth: number;
  readonly audioBytes: number;
}

/** The SDK's room in the page, as far as tests look into it. */
interface PageRoom {
  readonly id: string;
  readonly nodeId?: string;
  readonly state: string;
  readonly me: { readonly id: string };
  readonly publications: ReadonlyMap<string, unknown>;
  readonly participants: ReadonlyMap<
    string,
    {
      readonly name: string;
      readonly publications: ReadonlyMap<
        string,
        { readonly id: string; readonly kind: string; readonly muted: boolean; readonly track?: MediaStreamTrack }
      >;
    }
  >;
  send(data: unknown): Promise<void>;
  on(name: 'message' | 'stateChanged' | 'migrated' | 'migrationFailed', listener: (data: unknown) => void): void;
}

declare global {
  var flotilla: { readonly room?: PageRoom };
  var received: unknown[];
  var statesSeen: unknown[];
  var frameGaps: Map<string, { longest: number; frames: number; of: string }>;
  var connections: RTCPeerConnection[];
  var sound: Map<string, [number, number]>;
  var moves: { ms?: number; error?: string }[];
}

/** Runs in the page before all else. */
function keepConnections(): void {
  globalThis.connections = [];
  globalThis.sound = new Map();
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      globalThis.connections.push(this);
    }
  };
}

/** Runs in the page before all else. */
function misdirectCandidates(): void {
  // Address and port are the fifth and the sixth field (RFC 8839, section 5.1). Port 9 discards what it gets.
  const misdirect = (text: string): string => text.replace(/(candidate:(?:\S+ ){4})\S+ \d+ /g, '$1127.0.0.1 9 ');
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    override addIceCandidate(init?: RTCIceCandidateInit | null): Promise<void> {
      return super.addIceCandidate(init && { ...init, candidate: misdirect(init.candidate ?? '') });
    }

    override setRemoteDescription({ type, sdp = '' }: RTCSessionDescriptionInit): Promise<void> {
      return super.setRemoteDescription({ type, sdp: misdirect(sdp) });
    }
  };
}

/** What the camera gives, whatever the page asks for. */
export interface CameraSize {
  readonly width: number;
  readonly height: number;
}

/** Runs in the page before all else. */
function limitCamera({ width, height }: CameraSize): void {
  const devices = navigator.mediaDevices;
  const ask = devices.getUserMedia.bind(devices);
  devices.getUserMedia = (constraints) => {
    const { video } = constraints ?? {};
    if (!video) return ask(constraints);
    return ask({ ...constraints, video: { ...(video === true ? {} : video), width, height } });
  };
}

export interface CallPageOptions {
  readonly room: string;
  readonly name: string;
  /** Sends the page's signaling another way. */
  readonly signalUrl?: string;
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly camera?: CameraSize;
  /** Sends to a port where nobody answers in place of the addresses of another participant, as behind a firewall. */
  readonly misdirectCandidates?: boolean;
}

/** The call page in a browser of its own profile. */
export class CallPage {
  readonly problems: string[] = [];

  private constructor(
    readonly name: string,
    readonly page: Page,
    private readonly context: BrowserContext,
  ) {
    page.on('pageerror', (error) => this.problems.push(error.message));
  }

  /** Opens the page with `?room=&name=`, which joins at once. */
  static async join(browser: Browser, pageUrl: string, options: CallPageOptions): Promise<CallPage> {
    const { room, name, signalUrl, viewport = { width: 1280, height: 800 }, camera } = options;
    const context = await browser.newContext({ viewport, permissions: ['camera', 'microphone'] });
    const call = new CallPage(name, await context.newPage(), context);
    await context.addInitScript(keepConnections);
    if (options.misdirectCandidates) await context.addInitScript(misdirectCandidates);
    if (camera) await context.addInitScript(limitCamera, camera);
    if (signalUrl !== undefined) {
      await call.page.route('**/console/entry', async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, json: { ...((await response.json()) as object), url: signalUrl } });
      });
    }
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

  /** Waits until the page has noticed that its socket is gone. */
  async reconnecting(): Promise<void> {
    await waitFor(`${this.name} notices that the socket is gone`, async () => {
      const { state } = await this.room();
      if (state !== 'reconnecting') notYet(`the room is "${state}"`);
    });
  }

  async #pageText(): Promise<string> {
    const text = await this.page.evaluate(() => document.body.innerText);
    return [...this.problems, text.replaceAll(/\s+/g, ' ').slice(0, 300)].join(' | ');
  }

  /** The tiles of the others. */
  tiles(): Promise<TileView[]> {
    return this.page.evaluate(() => {
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
            frames: video?.getVideoPlaybackQuality().totalVideoFrames ?? 0,
            width: video?.videoWidth ?? 0,
          };
        });
    });
  }

  /** Waits until exactly these others have a tile each. */
  async seesExactly(names: readonly string[], timeoutMs = 15_000): Promise<void> {
    await waitFor(
      `${this.name} sees exactly ${names.join(', ') || 'nobody'}`,
      async () => {
        const shown = (await this.tiles()).map(({ name }) => name).toSorted();
        if (JSON.stringify(shown) !== JSON.stringify([...names].toSorted()))
          notYet(`the tiles are: ${shown.join(', ') || 'none'}; problems: ${this.problems.join('; ') || 'none'}`);
      },
      { timeoutMs },
    );
  }

  /** What the browser got of a participant, by its own statistics. */
  async receivedFrom(name: string): Promise<Received> {
    const tile = (await this.tiles()).find((each) => each.name === name);
    const audioBytes = await this.page.evaluate((wanted) => {
      const { room } = globalThis.flotilla as unknown as {
        room?: {
          participants: Map<string, { name: string; publications: Map<string, { id: string; kind: string }> }>;
          stats?: { received: Map<string, { bitrate: number }> };
        };
      };
      for (const { name: each, publications } of room?.participants.values() ?? []) {
        if (each !== wanted) continue;
        for (const { id, kind } of publications.values())
          if (kind === 'audio') return room?.stats?.received.get(id)?.bitrate ?? 0;
      }
      return 0;
    }, name);
    return { videoFrames: tile?.frames ?? 0, videoWidth: tile?.width ?? 0, audioBytes };
  }

  /** Waits until video and audio of a participant come in, now. */
  async hearsAndSees(name: string, timeoutMs = 20_000): Promise<void> {
    const { videoFrames: before } = await this.receivedFrom(name);
    await waitFor(
      `${this.name} hears and sees ${name}`,
      async () => {
        const { videoFrames, videoWidth, audioBytes } = await this.receivedFrom(name);
        if (videoWidth === 0 || videoFrames < before + 10)
          notYet(
            `${videoFrames - before} new frames of width ${videoWidth}; problems: ${this.problems.join('; ') || 'none'}`,
          );
        if (audioBytes === 0) notYet('no audio comes in');
      },
      { timeoutMs },
    );
  }

  /** Waits until a participant's microphone is muted as far as the page knows. */
  async knowsMuted(name: string): Promise<void> {
    await waitFor(`${this.name} knows that ${name} is muted`, async () => {
      const muted = await this.page.evaluate(
        (wanted) =>
          [...globalThis.flotilla.room!.participants.values()]
            .filter((each) => each.name === wanted)
            .flatMap(({ publications }) => [...publications.values()])
            .some(({ kind, muted: each }) => kind === 'audio' && each),
        name,
      );
      if (!muted) notYet('it does not');
    });
  }

  /** Frames of a participant rendered within a time. */
  async framesDuring(name: string, ms: number): Promise<number> {
    const { videoFrames: before } = await this.receivedFrom(name);
    await this.page.waitForTimeout(ms);
    return (await this.receivedFrom(name)).videoFrames - before;
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
   * (requestVideoFrameCallback). Looks again for new elements all the time.
   */
  async watchFrames(): Promise<void> {
    await this.page.evaluate(() => {
      const all = (root: ParentNode): Element[] =>
        [...root.querySelectorAll('*')].flatMap((element) => [
          element,
          ...(element.shadowRoot ? all(element.shadowRoot) : []),
        ]);
      const watched = new WeakSet<HTMLVideoElement>();
      // By person: the page may show them in another element meanwhile, and what they publish may be another publication.
      const lastFrames = new Map<string, number>();
      const shownBy = (video: Element): string | undefined => {
        for (let at: Element | null = video; at; at = at.parentElement ?? (at.getRootNode() as ShadowRoot).host ?? null)
          if (at instanceof HTMLElement && at.dataset['name'] !== undefined) return at.dataset['name'];
        return undefined;
      };
      globalThis.frameGaps = new Map();
      const watch = (video: HTMLVideoElement): void => {
        watched.add(video);
        const onFrame = (now: number): void => {
          const id = video.dataset['publication'] ?? 'none';
          const of = shownBy(video) ?? id;
          const last = lastFrames.get(of);
          if (last !== undefined) {
            const known = globalThis.frameGaps.get(id);
            globalThis.frameGaps.set(id, {
              longest: Math.max(known?.longest ?? 0, now - last),
              frames: (known?.frames ?? 0) + 1,
              of,
            });
          }
          lastFrames.set(of, now);
          if (video.isConnected) video.requestVideoFrameCallback(onFrame);
          else watched.delete(video);
        };
        video.requestVideoFrameCallback(onFrame);
      };
      setInterval(() => {
        for (const element of all(document))
          if (element instanceof HTMLVideoElement && element.dataset['publication'] && !watched.has(element))
            watch(element);
      }, 100);
    });
  }

  /** What it publishes. */
  publicationIds(): Promise<string[]> {
    return this.page.evaluate(() => [...globalThis.flotilla.room!.publications.keys()]);
  }

  /** The longest gap between frames of each publication since the last call, in ms, how many frames came, and whose they are. */
  takeFrameGaps(): Promise<{ publicationId: string; of: string; longest: number; frames: number }[]> {
    return this.page.evaluate(() => {
      const gaps = [...globalThis.frameGaps].map(([publicationId, gap]) => ({ publicationId, ...gap }));
      globalThis.frameGaps.clear();
      return gaps;
    });
  }

  /**
   * Sound that was made up by the decoders because packets were late or lost (concealment, silence not counted), and all that
   * was played, in ms, over all connections so far.
   */
  soundSoFar(): Promise<{ concealedMs: number; playedMs: number }> {
    return this.page.evaluate(async () => {
      for (const [index, connection] of globalThis.connections.entries()) {
        if (connection.connectionState === 'closed') continue;
        for (const [id, report] of await connection.getStats()) {
          const stats = report as RTCInboundRtpStreamStats;
          if (stats.type !== 'inbound-rtp' || stats.kind !== 'audio') continue;
          const { concealedSamples = 0, silentConcealedSamples = 0, totalSamplesReceived = 0 } = stats;
          globalThis.sound.set(`${index}/${id}`, [concealedSamples - silentConcealedSamples, totalSamplesReceived]);
        }
      }
      let [concealed, played] = [0, 0];
      for (const [ofOne, allOfOne] of globalThis.sound.values()) {
        concealed += ofOne;
        played += allOfOne;
      }
      // Opus runs at 48 kHz.
      return { concealedMs: concealed / 48, playedMs: played / 48 };
    });
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
