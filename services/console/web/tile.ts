import { css, html, LitElement, nothing, type PropertyValues, svg, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { keyed } from 'lit/directives/keyed.js';
import { styleMap } from 'lit/directives/style-map.js';
import { icons } from './icons.ts';
import { base, buttons } from './styles.ts';
import type { Playable } from './tile-model.ts';

const qualityWords = [
  'no connection',
  'poor connection',
  'fair connection',
  'good connection',
  'very good connection',
] as const;

/** What a screen reader is told of a person's tile. */
export function describe(name: string, me: boolean, muted: boolean, quality: number | undefined): string {
  return [
    me ? `${name} (you)` : name,
    muted && 'microphone off',
    quality !== undefined && quality <= 2 && qualityWords[quality],
  ]
    .filter(Boolean)
    .join(', ');
}

/** One person, or one shared screen. Who it stands for and where it is are attributes of the host, set by the call view. */
@customElement('flotilla-tile')
export class Tile extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        position: relative;
        overflow: hidden;
        border-radius: clamp(0.5rem, 1.6vmin, 1rem);
        background: var(--tile);
        container-type: size;
        isolation: isolate;
      }
      :host([screen]) {
        background: var(--stage);
      }
      video {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        object-fit: cover;
        opacity: 0;
        transition: opacity 0.2s;
      }
      video[data-shown] {
        opacity: 1;
      }
      :host([mirrored]) video {
        transform: scaleX(-1);
      }
      :host([screen]) video {
        object-fit: contain;
      }
      .avatar {
        position: absolute;
        inset: 0;
        margin: auto;
        display: grid;
        place-items: center;
        width: clamp(2rem, 34cqmin, 8rem);
        height: clamp(2rem, 34cqmin, 8rem);
        border-radius: 50%;
        /* White on a lightness of 0.5 has 4.5:1 or better whatever the hue. */
        background: oklch(0.5 0.13 var(--hue));
        color: #fff;
        font-size: clamp(0.8rem, 13cqmin, 3rem);
        font-weight: 600;
        letter-spacing: 0.02em;
      }
      /* Above the picture, so that a ring shows on both. */
      .ring {
        position: absolute;
        inset: 0;
        border: 3px solid var(--speak);
        border-radius: inherit;
        opacity: 0;
        transition: opacity 0.15s;
        pointer-events: none;
      }
      :host([speaking]) .ring {
        opacity: 1;
      }
      :host([active]) .ring {
        border-width: 5px;
      }
      .label {
        position: absolute;
        left: clamp(0.25rem, 2cqmin, 0.75rem);
        bottom: clamp(0.25rem, 2cqmin, 0.75rem);
        display: flex;
        align-items: center;
        gap: 0.375rem;
        max-width: calc(100% - 2 * clamp(0.25rem, 2cqmin, 0.75rem));
        min-height: 1.625rem;
        padding: 0.125rem 0.5rem;
        border-radius: var(--radius-s);
        background: var(--chip);
        color: var(--on-chip);
        font-size: 0.8125rem;
        font-weight: 500;
        line-height: 1.25;
      }
      .label svg {
        width: 1rem;
        height: 1rem;
      }
      .label .muted {
        color: #ff9aa5;
      }
      .name {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .you {
        flex: none;
        opacity: 0.8;
      }
      .bars {
        width: 0.9rem;
        height: 0.9rem;
      }
      .bars .lit {
        fill: #6ee7b0;
      }
      .bars[data-level='2'] .lit {
        fill: #ffc861;
      }
      .bars[data-level='1'] .lit {
        fill: #ff8b96;
      }
      .bars .unlit {
        fill: rgb(255 255 255 / 0.32);
      }
      .fullscreen {
        position: absolute;
        top: 0.5rem;
        right: 0.5rem;
        background: var(--chip);
        color: var(--on-chip);
      }
      .fullscreen:hover {
        background: rgb(10 12 20 / 0.92);
      }
      .fullscreen:focus-visible {
        outline-color: #fff;
      }
      @container (max-width: 7.5rem) {
        .label {
          gap: 0.25rem;
          padding: 0.125rem 0.375rem;
          font-size: 0.75rem;
        }
        .you,
        .bars {
          display: none;
        }
      }
    `,
  ];

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
  @property({ type: Boolean }) muted = false;
  @property({ type: Number }) quality: number | undefined;
  /** The key of the picture of which something was seen: until then, and when it is gone, there is the avatar. */
  @state() private shown: string | undefined;
  @query('video') private video: HTMLVideoElement | null = null;

  protected override willUpdate(): void {
    if (this.picture?.key !== this.shown) this.shown = undefined;
  }

  protected override updated(changed: PropertyValues<this>): void {
    const former = changed.get('picture');
    if (!changed.has('picture') || !this.video || !this.picture) return;
    if (former?.key !== this.picture.key) this.#awaitFirstFrame(this.video);
    // A stream that had no track for a while has stopped playing.
    else if (former.trackId !== this.picture.trackId && this.video.paused)
      void this.video.play().catch(() => undefined);
  }

  #awaitFirstFrame(video: HTMLVideoElement): void {
    if (this.picture?.publicationId === undefined || !('requestVideoFrameCallback' in video)) return;
    video.requestVideoFrameCallback(() => this.dispatchEvent(new Event('first-frame')));
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
                .srcObject=${picture.stream}
                data-publication=${picture.publicationId ?? nothing}
                ?data-shown=${this.shown === picture.key}
                aria-hidden="true"
                @loadeddata=${() => (this.shown = picture.key)}
              ></video>`,
            )
          : nothing
      }
      <span class="ring"></span>
      ${screen && document.fullscreenEnabled ? html`<button class="fullscreen small icon" aria-label="Full screen" title="Full screen" @click=${this.#toggleFullscreen}>${icons.fullscreen}</button>` : nothing}
      <span class="label">
        ${screen ? icons.screen : this.muted ? html`<span class="muted">${icons.microphoneOff}</span>` : nothing}
        <span class="name">${screen ? (me ? 'Your screen' : `${name}’s screen`) : name}</span>
        ${me && !screen ? html`<span class="you">(you)</span>` : nothing}
        ${this.quality === undefined ? nothing : bars(this.quality)}
      </span>
    `;
  }

  #avatar(): TemplateResult | typeof nothing {
    if (this.screen) return nothing;
    return html`<span class="avatar" aria-hidden="true" style=${styleMap({ '--hue': String(hue(this.name)) })}
      >${initials(this.name)}</span
    >`;
  }

  async #toggleFullscreen(): Promise<void> {
    await (document.fullscreenElement ? document.exitFullscreen() : this.requestFullscreen()).catch(() => undefined);
  }
}

function bars(level: number): TemplateResult {
  const bar = (index: number): unknown =>
    svg`<rect class=${index < level ? 'lit' : 'unlit'} x=${index * 4 + 0.5} y=${11 - index * 3} width="3" height=${5 + index * 3} rx="1" />`;
  return html`<svg class="bars" viewBox="0 0 16 16" data-level=${level} aria-hidden="true">
    <title>${qualityWords[level] ?? ''}</title>
    ${[0, 1, 2, 3].map(bar)}
  </svg>`;
}

/** First letters of the first and the last word. */
function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...(word ?? '')][0]?.toLocaleUpperCase() ?? '').join('');
}

/** The same name has the same colour for everybody. */
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
