interface Closable {
  close(): void;
}

/** W3C mediacapture-transform, in Chromium. Other browsers have it in workers only, or not at all. */
declare const MediaStreamTrackProcessor:
  | (new (init: { track: MediaStreamTrack; maxBufferSize?: number }) => { readonly readable: ReadableStream<Closable> })
  | undefined;

/** Videos to watch at most, so that measuring a large call costs little. */
const maxVideos = 9;
/** How long the new side is watched after the change, in milliseconds: longer than a key frame takes. */
const watchAfterMs = 1500;
/** How long a reader that is to stop waits for its last frame, in milliseconds. */
const lastFrameWithinMs = 1000;

interface Watched {
  readonly isVisible: () => boolean;
  lastAt: number | undefined;
  longestMs: number;
}

/**
 * Measures the longest time without a new frame of received videos during a migration: frames of the old side until the
 * change, of the new side after it, as the decoder delivers them. A frame's time is when the main thread of the page got it,
 * so a busy page adds to the gap; without a gap the result is the interval of the frames.
 */
export class FrameGap {
  readonly #watched = new Map<string, Watched>();
  readonly #readers = new Set<ReadableStreamDefaultReader<Closable>>();
  #isChanged = false;
  #isStopped = false;

  /** Watches the frames that one side receives of a publication. Does nothing for one that is not visible. */
  watch(side: 'old' | 'new', publicationId: string, track: MediaStreamTrack, isVisible: () => boolean): void {
    if (typeof MediaStreamTrackProcessor === 'undefined' || track.kind !== 'video' || !isVisible()) return;
    let watched = this.#watched.get(publicationId);
    if (!watched) {
      if (this.#watched.size >= maxVideos) return;
      watched = { isVisible, lastAt: undefined, longestMs: 0 };
      this.#watched.set(publicationId, watched);
    }
    // The track itself may be stopped, or have another reader.
    const clone = track.clone();
    const reader = new MediaStreamTrackProcessor({ track: clone, maxBufferSize: 1 }).readable.getReader();
    this.#readers.add(reader);
    void this.#read(reader, watched, side === 'new').finally(() => {
      this.#readers.delete(reader);
      clone.stop();
    });
  }

  async #read(reader: ReadableStreamDefaultReader<Closable>, watched: Watched, isNew: boolean): Promise<void> {
    // Ends after a frame, while no read is pending: when a reader is cancelled or its track is stopped with a read pending,
    // Chromium 156 may drop a frame without closing it, and reports it when it is garbage collected.
    while (this.#reads(isNew)) {
      const { value: frame } = await reader.read().catch(() => ({ value: undefined }));
      if (!frame) return;
      frame.close();
      if (isNew === this.#isChanged) note(watched);
    }
    await reader.cancel().catch(() => undefined);
  }

  /** Whether frames of a side are still needed. */
  #reads(isNew: boolean): boolean {
    return !this.#isStopped && (isNew || !this.#isChanged);
  }

  /** From now on the frames of the new side count. */
  change(): void {
    this.#isChanged = true;
  }

  /**
   * Resolves some time after the change to the longest gap of a video that is still visible, in milliseconds; undefined when
   * there is none.
   */
  async longest(): Promise<number | undefined> {
    await new Promise((resolve) => setTimeout(resolve, watchAfterMs));
    const seen = [...this.#watched.values()].filter(({ lastAt, isVisible }) => lastAt !== undefined && isVisible());
    // A video that stands still has a gap that is not over.
    for (const watched of seen) note(watched);
    this.stop();
    return seen.length === 0 ? undefined : Math.round(Math.max(...seen.map(({ longestMs }) => longestMs)));
  }

  /** Ends the measurement. */
  stop(): void {
    this.#isStopped = true;
    // Videos that stand still deliver no last frame.
    setTimeout(() => {
      for (const reader of this.#readers) void reader.cancel().catch(() => undefined);
    }, lastFrameWithinMs);
  }
}

function note(watched: Watched): void {
  const now = performance.now();
  if (watched.lastAt !== undefined) watched.longestMs = Math.max(watched.longestMs, now - watched.lastAt);
  watched.lastAt = now;
}
