import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { base } from '../../shared/styles.ts';
import { type AlignmentFigures, AlignmentLog } from './alignment.ts';
import { cover, type ShapeBox } from './boxes.ts';

const figuresEveryMs = 500;
/** Boxes without a newer frame say nothing of what is seen now. */
const staleAfterMs = 1000;
/** A frame waits for boxes as close as this, but not for long. */
const closeMs = 50;
const holdMs = 250;

/** Draws the frames of a video that covers the same space with boxes on them, and says how far the two are apart. */
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
  /** Of the newest boxes, while they are not drawn. */
  #alignmentMs: number | undefined;
  #figuresAt = -Infinity;
  #drawnAt = -Infinity;
  #drawing = 0;
  /** The frame that callbacks were told of last, by its RTP timestamp. */
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
          ? html`<p data-testid="alignment" title="Between a frame and the boxes drawn on it: median, 95 of 100">
              metadata ±${Math.round(figures.p50)} ms, p95 ${Math.round(figures.p95)} ms, ${figures.frames} frames
            </p>`
          : nothing
      }`;
  }

  /** Boxes of the frame that is on the screen now. Where several come with a frame, the last ones are of it. */
  show(boxes: readonly ShapeBox[], alignmentMs: number | undefined): void {
    this.#boxes = { of: boxes, at: performance.now() };
    this.#alignmentMs = alignmentMs;
    this.#drawSoon();
    if (this.video && this.#watched?.video !== this.video) this.#watch(this.video);
  }

  #watch(video: HTMLVideoElement): void {
    this.#watched?.video.cancelVideoFrameCallback(this.#watched.callback);
    const callback = video.requestVideoFrameCallback((_now, { rtpTimestamp }) => {
      this.#watch(video);
      this.#frame = rtpTimestamp;
      this.#drawSoon();
    });
    this.#watched = { video, callback };
  }

  /** After all that is told of a frame, and before it is painted. */
  #drawSoon(): void {
    if (this.#drawing === 0) this.#drawing = requestAnimationFrame(() => this.#draw());
  }

  /**
   * Draws the frame, too: a browser puts the next one of a video on the screen when it likes, but what is in one canvas comes
   * at once. A frame whose boxes are late waits for them.
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
    // The video may be ahead of its callbacks: then what is drawn stays until its callback comes.
    if (this.#frame !== undefined && rtpTimestamp !== undefined && rtpTimestamp !== this.#frame) return;
    const element = { width: this.clientWidth, height: this.clientHeight };
    const [width, height] = [element.width, element.height].map((side) => Math.round(side * devicePixelRatio));
    // Setting them costs more than drawing over all of it.
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

/** WebCodecs VideoFrame Metadata Registry; TypeScript does not know it yet, nor does every browser. */
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
