/** Chromium's way to the frames of a track (W3C mediacapture-transform); others have it in workers only, or not at all. */
declare const MediaStreamTrackProcessor:
  | (new (init: { track: MediaStreamTrack; maxBufferSize?: number }) => {
      readonly readable: ReadableStream<{ close(): void }>;
    })
  | undefined;

/** Videos that are watched at most, so that a look at a large call costs little. */
const mostVideos = 9;
/** How long after the change the new side is watched: longer than a key frame takes. */
const watchAfterMs = 1500;

interface Watched {
  readonly shown: () => boolean;
  lastAt: number | undefined;
  longest: number;
}

/**
 * Measures the longest time without a new frame of what is received while a session moves: of each video the frames of the
 * old side until the change, of the new side from then on, as its decoder hands them on. A frame's time is when this page's
 * main thread got it, so a busy page adds to it; at rest one reads the interval of the frames. Costs nothing until it is made.
 */
export class FrameGap {
  readonly #watched = new Map<string, Watched>();
  readonly #readers = new Set<ReadableStreamDefaultReader<{ close(): void }>>();
  readonly #clones: MediaStreamTrack[] = [];
  #changed = false;

  /** Watches a video from here on, on either side of the change. `shown` says whether anybody is to see it. */
  watch(side: 'old' | 'new', id: string, track: MediaStreamTrack, shown: () => boolean): void {
    if (typeof MediaStreamTrackProcessor === 'undefined' || track.kind !== 'video' || !shown()) return;
    let watched = this.#watched.get(id);
    if (!watched) {
      if (this.#watched.size >= mostVideos) return;
      watched = { shown, lastAt: undefined, longest: 0 };
      this.#watched.set(id, watched);
    }
    // A clone: the track itself may be stopped, or be read by somebody else.
    const clone = track.clone();
    this.#clones.push(clone);
    const reader = new MediaStreamTrackProcessor({ track: clone, maxBufferSize: 1 }).readable.getReader();
    this.#readers.add(reader);
    void this.#read(reader, watched, side === 'new');
  }

  async #read(reader: ReadableStreamDefaultReader<{ close(): void }>, watched: Watched, isNew: boolean): Promise<void> {
    for (;;) {
      const { value: frame } = await reader.read().catch(() => ({ value: undefined }));
      if (!frame) return;
      frame.close();
      if (isNew === this.#changed) note(watched);
    }
  }

  /** What comes from the new side counts from now on. */
  change(): void {
    this.#changed = true;
  }

  /** The longest gap of any video that is still to be seen, in milliseconds, a while after the change. Undefined when there is none. */
  async longest(): Promise<number | undefined> {
    await new Promise((resolve) => setTimeout(resolve, watchAfterMs));
    const seen = [...this.#watched.values()].filter(({ lastAt, shown }) => lastAt !== undefined && shown());
    // What stands still now has a gap that is not over.
    for (const watched of seen) note(watched);
    this.stop();
    return seen.length === 0 ? undefined : Math.round(Math.max(...seen.map(({ longest }) => longest)));
  }

  stop(): void {
    for (const reader of this.#readers) void reader.cancel().catch(() => undefined);
    for (const clone of this.#clones) clone.stop();
    this.#readers.clear();
  }
}

function note(watched: Watched): void {
  const now = performance.now();
  if (watched.lastAt !== undefined) watched.longest = Math.max(watched.longest, now - watched.lastAt);
  watched.lastAt = now;
}
