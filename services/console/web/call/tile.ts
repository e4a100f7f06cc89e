import { html, LitElement, nothing, type PropertyValues, svg, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { keyed } from 'lit/directives/keyed.js';
import { styleMap } from 'lit/directives/style-map.js';
import { connectionBadge } from './connection-badge.ts';
import { icons } from '../shared/icons.ts';
import type { BoxOverlay } from './shapes/box-overlay.ts';
import './shapes/box-overlay.ts';
import type { FrameBoxes } from './shapes/box-watch.ts';
import { sourceObject } from './source-object.ts';
import { base, buttons } from '../shared/styles.ts';
import { tileStyles } from './tile-styles.ts';
import type { PersonTile, Playable } from './tile-model.ts';

const qualityWords = [
  'no connection',
  'poor connection',
  'fair connection',
  'good connection',
  'very good connection',
] as const;

/** Accessible name of a person's tile. */
export function describe({
  name,
  me,
  muted,
  reconnecting,
  quality,
  limited,
}: Pick<PersonTile, 'name' | 'me' | 'muted' | 'reconnecting' | 'quality' | 'limited'>): string {
  return [
    me ? `${name} (you)` : name,
    muted && 'microphone off',
    limited && 'video paused for bandwidth',
    reconnecting ? 'reconnecting' : quality !== undefined && quality <= 2 && qualityWords[quality],
  ]
    .filter(Boolean)
    .join(', ');
}

/**
 * One person or one shared screen. The call view sets its identity and position as attributes of the host.
 *
 * @fires frame - the first frame of a remote track was presented
 */
@customElement('flotilla-tile')
export class Tile extends LitElement {
  static override styles = [base, buttons, connectionBadge, tileStyles];

  @property() name = '';
  @property({ type: Boolean }) me = false;
  @property({
    attribute: false,
    hasChanged: (now?: Playable, before?: Playable) => now?.key !== before?.key || now?.trackId !== before?.trackId,
  })
  picture: Playable | undefined;
  @property({ type: Boolean, reflect: true }) mirrored = false;
  @property({ type: Boolean, reflect: true }) speaking = false;
  @property({ type: Boolean, reflect: true }) active = false;
  @property({ type: Boolean, reflect: true }) screen = false;
  @property({ type: Boolean }) boxed = false;
  @property({ type: Boolean }) muted = false;
  /** The participant's connection dropped and may resume. */
  @property({ type: Boolean }) reconnecting = false;
  @property({ type: Number }) quality: number | undefined;
  /** The server has paused the video because the downlink is too narrow. */
  @property({ type: Boolean, reflect: true }) limited = false;
  /** Key of the picture that has presented a frame. The avatar is shown for every other picture. */
  @state() private shown: string | undefined;
  /** The last frame of a stream whose track is being replaced. */
  @state() private held: HTMLCanvasElement | undefined;
  @query('video') private video!: HTMLVideoElement | null;
  @query('flotilla-box-overlay') private overlay!: BoxOverlay | null;
  /** The video element that its publication is adapted to. */
  #adapted: { readonly video: HTMLVideoElement; readonly stop: () => void } | undefined;

  /** Shows the current frame as a still until the next track has presented a frame, instead of a black tile. */
  keepFrame(): void {
    const { video } = this;
    if (!this.shown || !video?.videoWidth || this.picture?.publicationId === undefined) return;
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d')?.drawImage(video, 0, 0);
    this.held = canvas;
  }

  /** Draws boxes on the current frame. */
  drawBoxes({ boxes, alignmentMs }: FrameBoxes): void {
    this.overlay?.show(boxes, alignmentMs);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (this.picture?.key !== this.shown) {
      this.shown = undefined;
      this.held = undefined;
    } else if (changed.has('picture') && !this.held) this.keepFrame();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.#adapt();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#adapted?.stop();
    this.#adapted = undefined;
  }

  #adapt(): void {
    const { picture, video } = this;
    if (this.#adapted?.video === video) return;
    this.#adapted?.stop();
    this.#adapted = video && picture?.adaptTo ? { video, stop: picture.adaptTo(video) } : undefined;
  }

  protected override updated(changed: PropertyValues<this>): void {
    const { picture, video } = this;
    this.#adapt();
    if (!changed.has('picture') || !picture || !video) return;
    this.#awaitFrame(video, picture);
    // A media element pauses when its stream has had no track.
    if (changed.get('picture')?.key === picture.key && video.paused) void video.play().catch(() => undefined);
  }

  /** Removes the still at the second frame of the new track: the first may be the black one that ended the previous track. */
  #awaitFrame(video: HTMLVideoElement, { key, trackId, publicationId }: Playable, seen = 0): void {
    if (!('requestVideoFrameCallback' in video)) {
      this.held = undefined;
      return;
    }
    video.requestVideoFrameCallback(() => {
      const { picture } = this;
      if (picture?.key !== key || picture.trackId !== trackId) return;
      if (seen === 0 && publicationId !== undefined) this.dispatchEvent(new Event('frame'));
      if (this.held && seen === 0) this.#awaitFrame(video, picture, 1);
      else this.held = undefined;
    });
  }

  protected override render(): TemplateResult {
    const { picture, name, me, screen } = this;
    return html`
      ${picture && this.shown === picture.key ? nothing : this.#avatar()}
      ${
        picture
          ? keyed(
              picture.key,
              html`<video
                autoplay
                playsinline
                .muted=${true}
                .srcObject=${sourceObject(picture.stream)}
                data-publication=${picture.publicationId ?? nothing}
                ?data-shown=${this.shown === picture.key}
                aria-hidden="true"
                @loadeddata=${() => (this.shown = picture.key)}
              ></video>`,
            )
          : nothing
      }
      ${this.held ?? nothing}
      ${this.boxed && picture && this.shown === picture.key ? html`<flotilla-box-overlay .video=${this.video}></flotilla-box-overlay>` : nothing}
      <span class="ring"></span>
      ${this.reconnecting ? html`<span class="connection" data-testid="tile-connection">Reconnecting…</span>` : nothing}
      ${this.limited && !this.reconnecting ? html`<span class="limited" data-testid="tile-limited">Paused for bandwidth</span>` : nothing}
      ${screen && document.fullscreenEnabled ? this.#fullscreenButton() : nothing}
      <span class="label">
        ${screen ? icons.screen : this.muted ? html`<span class="muted">${icons.microphoneOff}</span>` : nothing}
        <span class="name">${screen ? (me ? 'Your screen' : `${name}’s screen`) : name}</span>
        ${me && !screen ? html`<span class="you">(you)</span>` : nothing}
        ${this.quality === undefined || this.reconnecting ? nothing : bars(this.quality)}
      </span>
    `;
  }

  #avatar(): TemplateResult | typeof nothing {
    if (this.screen) return nothing;
    return html`<span class="avatar" aria-hidden="true" style=${styleMap({ '--hue': String(hue(this.name)) })}
      >${initials(this.name)}</span
    >`;
  }

  #fullscreenButton(): TemplateResult {
    return html`<button
      class="fullscreen small icon"
      aria-label="Full screen"
      title="Full screen"
      @click=${() => this.#toggleFullscreen()}
    >
      ${icons.fullscreen}
    </button>`;
  }

  async #toggleFullscreen(): Promise<void> {
    await (document.fullscreenElement ? document.exitFullscreen() : this.requestFullscreen()).catch(() => undefined);
  }
}

function bars(level: number): TemplateResult {
  const bar = (index: number): unknown => {
    const height = 5 + index * 3;
    return svg`<rect class=${index < level ? 'lit' : 'unlit'} x=${index * 4 + 0.5} y=${16 - height} width="3" height=${height} rx="1" />`;
  };
  return html`<svg class="bars" viewBox="0 0 16 16" data-level=${level} aria-hidden="true">
    <title>${qualityWords[level] ?? ''}</title>
    ${[0, 1, 2, 3].map(bar)}
  </svg>`;
}

const letters = new Intl.Segmenter();

/** First letters of the first and last words. */
function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const chosen = words.length > 1 ? [words[0], words.at(-1)] : words;
  return chosen.map((word = '') => [...letters.segment(word)][0]?.segment.toLocaleUpperCase() ?? '').join('');
}

/** Hue of a name, in degrees; the same on every page. */
function hue(name: string): number {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  return sum;
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-tile': Tile;
  }
}
