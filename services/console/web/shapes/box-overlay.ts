import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, query, state } from 'lit/decorators.js';
import { base } from '../styles.ts';
import { type AlignmentFigures, AlignmentLog } from './alignment.ts';
import { cover, type ShapeBox } from './boxes.ts';

const figuresEveryMs = 500;
/** Boxes without a newer frame say nothing of what is seen now. */
const staleAfterMs = 1000;

/** Draws boxes over a video that covers the same space, and says how far they are from its frames. */
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

  @state() private figures: AlignmentFigures | undefined;
  @query('canvas') private canvas!: HTMLCanvasElement | null;
  readonly #log = new AlignmentLog();
  #figuresAt = -Infinity;
  #clear: ReturnType<typeof setTimeout> | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#clear);
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

  /** Draws at once: the frame is on the screen now. */
  show(boxes: readonly ShapeBox[], alignmentMs: number | undefined, video: HTMLVideoElement): void {
    const { canvas } = this;
    if (!canvas || video.videoWidth === 0) return;
    const element = { width: this.clientWidth, height: this.clientHeight };
    const [width, height] = [
      Math.round(element.width * devicePixelRatio),
      Math.round(element.height * devicePixelRatio),
    ];
    // Setting them clears, too, but costs more.
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext('2d')!;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, element.width, element.height);
    drawBoxes(context, boxes, cover({ width: video.videoWidth, height: video.videoHeight }, element));
    clearTimeout(this.#clear);
    this.#clear = setTimeout(() => context.clearRect(0, 0, element.width, element.height), staleAfterMs);
    if (alignmentMs !== undefined) this.#log.add(alignmentMs);
    const now = performance.now();
    if (now - this.#figuresAt < figuresEveryMs) return;
    this.#figuresAt = now;
    this.figures = this.#log.figures;
  }
}

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
