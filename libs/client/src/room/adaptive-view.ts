import type { SubscriptionSettings } from './subscription-settings.ts';

/** Changes of size are collected for this long, such as those while a window is dragged. In milliseconds. */
const resizeDelayMs = 400;
/** A video that no element has shown for this long is paused, in milliseconds. */
const pauseAfterMs = 2000;
/** Lines up to which a layer of a camera fills an element: its simulcast layers have 180, 360 and 720 lines. */
const linesOfLayers = [240, 480] as const;
/** Share of the window from which a video gets bandwidth before smaller ones, with its priority. */
const priorities = [
  { share: 0.25, priority: 4 },
  { share: 0.1, priority: 2 },
] as const;

/** What an element shows. */
interface Seen {
  /** In CSS pixels. */
  width: number;
  height: number;
  intersects: boolean;
}

/** What a publication needs for the elements that show it, one at least. */
export function needFor(
  seen: readonly Seen[],
  { pixelRatio, windowArea, isCamera }: { pixelRatio: number; windowArea: number; isCamera: boolean },
): SubscriptionSettings {
  const lines = Math.max(...seen.map(({ height }) => height)) * pixelRatio;
  const share = Math.max(...seen.map(({ width, height }) => width * height)) / windowArea;
  const layer = linesOfLayers.findIndex((upTo) => lines <= upTo);
  return {
    paused: false,
    ...(isCamera && { layers: { spatial: layer === -1 ? linesOfLayers.length : layer } }),
    priority: priorities.find((each) => share >= each.share)?.priority ?? 1,
  };
}

/** Whether the element, or one in it, is shown in a picture-in-picture window: the shadow root that it is in knows. */
function isInPicture(element: HTMLElement): boolean {
  const { pictureInPictureElement } = element.getRootNode() as Document | ShadowRoot;
  // Firefox has no such property.
  return element.contains(pictureInPictureElement ?? null);
}

/** What is received of a publication that is adapted to nothing any more: everything. */
const unadapted = (isCamera: boolean): SubscriptionSettings => ({
  paused: false,
  ...(isCamera && { layers: { spatial: linesOfLayers.length } }),
  priority: 1,
});

/**
 * Adapts what is received of a video to the elements that show it: the lowest simulcast layer that fills the largest of them, in
 * pixels of the screen; more priority for larger ones; and nothing while none has been visible for two seconds. It ends when no element was
 * left for a moment, as an element that is moved in its document is removed and added again.
 */
export class AdaptiveView {
  readonly #isCamera: boolean;
  readonly #apply: (settings: SubscriptionSettings) => void;
  readonly #elements = new Map<HTMLElement, Seen>();
  readonly #sizes = new ResizeObserver((entries) => this.#onSizes(entries));
  readonly #intersections = new IntersectionObserver((entries) => this.#onIntersections(entries));
  readonly #onVisibility = (): void => this.#compareVisible();
  #resizeTimer: ReturnType<typeof setTimeout> | undefined;
  #pauseTimer: ReturnType<typeof setTimeout> | undefined;
  #endTimer: ReturnType<typeof setTimeout> | undefined;
  #isPaused = false;
  #applied = '';

  /** @param onEnd called when it has ended because it had no elements. */
  constructor(
    isCamera: boolean,
    apply: (settings: SubscriptionSettings) => void,
    private readonly onEnd: () => void,
  ) {
    this.#isCamera = isCamera;
    this.#apply = apply;
    document.addEventListener('visibilitychange', this.#onVisibility);
  }

  add(element: HTMLElement): void {
    if (this.#elements.has(element)) return;
    clearTimeout(this.#endTimer);
    // Visible until the observer says otherwise: the picture must not wait for that.
    this.#elements.set(element, { width: element.clientWidth, height: element.clientHeight, intersects: true });
    this.#sizes.observe(element);
    this.#intersections.observe(element);
    this.#compareVisible();
  }

  remove(element: HTMLElement): void {
    if (!this.#elements.delete(element)) return;
    this.#sizes.unobserve(element);
    this.#intersections.unobserve(element);
    this.#compareVisible();
    if (this.#elements.size > 0) return;
    this.#endTimer = setTimeout(() => {
      this.close();
      this.onEnd();
      this.#apply(unadapted(this.#isCamera));
    }, resizeDelayMs);
  }

  close(): void {
    this.#elements.clear();
    clearTimeout(this.#resizeTimer);
    clearTimeout(this.#pauseTimer);
    clearTimeout(this.#endTimer);
    this.#sizes.disconnect();
    this.#intersections.disconnect();
    document.removeEventListener('visibilitychange', this.#onVisibility);
  }

  #onSizes(entries: readonly ResizeObserverEntry[]): void {
    for (const { target, contentRect } of entries) {
      const seen = this.#elements.get(target as HTMLElement);
      if (seen) Object.assign(seen, { width: contentRect.width, height: contentRect.height });
    }
    this.#updateSoon();
  }

  #updateSoon(): void {
    this.#resizeTimer ??= setTimeout(() => {
      this.#resizeTimer = undefined;
      this.#update();
    }, resizeDelayMs);
  }

  #onIntersections(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const seen = this.#elements.get(target as HTMLElement);
      if (seen) seen.intersects = isIntersecting;
    }
    this.#compareVisible();
  }

  #visible(): Seen[] {
    return [...this.#elements].flatMap(([element, seen]) =>
      isInPicture(element) || (!element.ownerDocument.hidden && seen.intersects) ? [seen] : [],
    );
  }

  /** What becomes visible is received at once; what is hidden only for a moment is not paused. */
  #compareVisible(): void {
    if (this.#visible().length > 0) {
      clearTimeout(this.#pauseTimer);
      this.#pauseTimer = undefined;
      if (this.#isPaused) this.#update();
      else this.#updateSoon();
    } else
      this.#pauseTimer ??= setTimeout(() => {
        this.#pauseTimer = undefined;
        this.#update();
      }, pauseAfterMs);
  }

  #update(): void {
    const visible = this.#visible();
    // Hidden, and not for long enough yet.
    if (visible.length === 0 && this.#pauseTimer !== undefined) return;
    this.#isPaused = visible.length === 0;
    const settings: SubscriptionSettings = this.#isPaused
      ? { paused: true }
      : needFor(visible, {
          pixelRatio: devicePixelRatio,
          windowArea: Math.max(1, innerWidth * innerHeight),
          isCamera: this.#isCamera,
        });
    const key = JSON.stringify(settings);
    if (key === this.#applied) return;
    this.#applied = key;
    this.#apply(settings);
  }
}
