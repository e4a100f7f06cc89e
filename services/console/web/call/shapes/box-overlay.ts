import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { base } from '../../shared/styles.ts';
import { type AlignmentFigures, AlignmentLog } from './alignment.ts';
import { cover, type ShapeBox } from './boxes.ts';

const figuresEveryMs = 500;
/** Boxes older than this are not drawn. */
const staleAfterMs = 1000;
/** A frame is drawn at once with boxes that are at most this far from its capture time. */
const closeMs = 50;
/** How long the previous frame stays when boxes of the next frame are missing. */
const holdMs = 250;

/** Covers a video, draws its frames with boxes on them, and shows the alignment error of the two. */
@customElement('flotilla-box-overlay')
export class BoxOverlay extends LitElement {
  static override styles = [
    base,
    css`
      :host,
      canvas {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        pointer-events: none;
      }
      p {
        position: absolute;
        top: clamp(0.375rem, 2cqmin, 0.75rem);
        left: clamp(0.375rem, 2cqmin, 0.75rem);
        max-width: calc(100% - 2 * clamp(0.375rem, 2cqmin, 0.75rem));
        padding: 0.125rem 0.5rem;
        border-radius: var(--radius-s);
        background: var(--chip);
        color: var(--on-chip);
        font-size: 0.8125rem;
        font-variant-numeric: tabular-nums;
        line-height: 1.6;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      @container (max-height: 8rem) {
        p {
          display: none;
        }
      }
    `,
  ];

  @property({ attribute: false }) video: HTMLVideoElement | null = null;
  @state() private figures: AlignmentFigures | undefined;
  @query('canvas') private canvas!: HTMLCanvasElement | null;
  readonly #log = new AlignmentLog();
  #boxes: { readonly of: readonly ShapeBox[]; readonly at: number } | undefined;
  /** Alignment error of the newest boxes; undefined once they are drawn. */
  #alignmentMs: number | undefined;
  #figuresAt = -Infinity;
  #drawnAt = -Infinity;
  #drawing = 0;
  /** RTP timestamp of the frame of the last video frame callback. */
  #frame: number | undefined;
  #watched: { readonly video: HTMLVideoElement; readonly callback: number } | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    cancelAnimationFrame(this.#drawing);
    this.#drawing = 0;
    this.#watched?.video.cancelVideoFrameCallback(this.#watched.callback);
    this.#watched = undefined;
  }

  protected override render(): TemplateResult {
    const { figures } = this;
    return html`<canvas aria-hidden="true"></canvas> ${
        figures
          ? html`<p
              data-testid="alignment"
              title="Time between a frame and the boxes drawn on it: median and 95th percentile"
            >
              metadata ±${Math.round(figures.p50)} ms, p95 ${Math.round(figures.p95)} ms, ${figures.frames} frames
            </p>`
          : nothing
      }`;
  }

  /** Draws boxes with the current frame. Of several boxes for one frame, the last are drawn. */
  show(boxes: readonly ShapeBox[], alignmentMs: number | undefined): void {
    this.#boxes = { of: boxes, at: performance.now() };
    this.#alignmentMs = alignmentMs;
    this.#scheduleDraw();
    if (this.video && this.#watched?.video !== this.video) this.#watch(this.video);
  }

  #watch(video: HTMLVideoElement): void {
    this.#watched?.video.cancelVideoFrameCallback(this.#watched.callback);
    const callback = video.requestVideoFrameCallback((_now, { rtpTimestamp }) => {
      this.#watch(video);
      this.#frame = rtpTimestamp;
      this.#scheduleDraw();
    });
    this.#watched = { video, callback };
  }

  /** Draws after all callbacks of a frame and before the browser paints. */
  #scheduleDraw(): void {
    if (this.#drawing === 0) this.#drawing = requestAnimationFrame(() => this.#draw());
  }

  /**
   * Draws the frame and its boxes into one canvas, as a video element may present its next frame at any time. A frame waits
   * up to `holdMs` for late boxes.
   */
  #draw(): void {
    this.#drawing = 0;
    const { canvas, video } = this;
    if (!canvas || !video?.videoWidth || !this.#boxes) return;
    const now = performance.now();
    const close = this.#alignmentMs !== undefined && Math.abs(this.#alignmentMs) <= closeMs;
    if (!close && now - this.#drawnAt < holdMs) return;
    if (now - this.#boxes.at > staleAfterMs) return canvas.getContext('2d')!.reset();
    const frame = new VideoFrame(video);
    try {
      this.#drawFrame(canvas, frame, this.#boxes.of, now);
    } finally {
      frame.close();
      this.#alignmentMs = undefined;
    }
  }

  #drawFrame(canvas: HTMLCanvasElement, frame: VideoFrame, boxes: readonly ShapeBox[], now: number): void {
    const { rtpTimestamp } = (frame as TimedFrame).metadata?.() ?? {};
    // The video may be ahead of its callbacks: keep the canvas until the callback of this frame.
    if (this.#frame !== undefined && rtpTimestamp !== undefined && rtpTimestamp !== this.#frame) return;
    const element = { width: this.clientWidth, height: this.clientHeight };
    const [width, height] = [element.width, element.height].map((side) => Math.round(side * devicePixelRatio));
    // Assigning the size clears the canvas, which costs more than drawing over it.
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext('2d')!;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    const picture = cover({ width: frame.displayWidth, height: frame.displayHeight }, element);
    context.drawImage(frame, picture.left, picture.top, picture.width, picture.height);
    drawBoxes(context, boxes, picture);
    this.#drawnAt = now;
    this.#count(now);
  }

  #count(now: number): void {
    if (this.#alignmentMs !== undefined) this.#log.add(this.#alignmentMs);
    if (now - this.#figuresAt < figuresEveryMs) return;
    this.#figuresAt = now;
    this.figures = this.#log.figures;
  }
}

/** WebCodecs VideoFrame Metadata Registry; missing in TypeScript and in some browsers. */
type TimedFrame = VideoFrame & { metadata?(): { readonly rtpTimestamp?: number } };

function drawBoxes(
  context: CanvasRenderingContext2D,
  boxes: readonly ShapeBox[],
  picture: { readonly left: number; readonly top: number; readonly width: number; readonly height: number },
): void {
  const unit = Math.max(picture.width / 640, 0.5);
  context.lineWidth = 2.5 * unit;
  context.font = `600 ${Math.round(13 * unit)}px system-ui, sans-serif`;
  context.textBaseline = 'bottom';
  for (const box of boxes) {
    const [x, y] = [picture.left + box.x * picture.width, picture.top + box.y * picture.height];
    const [width, height] = [box.width * picture.width, box.height * picture.height];
    context.strokeStyle = '#fff';
    context.strokeRect(x, y, width, height);
    const text = context.measureText(box.shape).width;
    context.fillStyle = '#fff';
    context.fillRect(x - context.lineWidth / 2, y - 18 * unit, text + 10 * unit, 18 * unit);
    context.fillStyle = '#10131c';
    context.fillText(box.shape, x + 4 * unit, y - 1.5 * unit);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-box-overlay': BoxOverlay;
  }
}
