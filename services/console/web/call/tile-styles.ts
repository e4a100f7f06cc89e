import { css } from 'lit';

export const tileStyles = css`
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
  video,
  canvas {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    object-fit: cover;
  }
  video {
    opacity: 0;
    transition: opacity 0.2s;
  }
  video[data-shown] {
    opacity: 1;
  }
  :host([mirrored]) video {
    transform: scaleX(-1);
  }
  :host([screen]) :is(video, canvas) {
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
  /* Above the video, so that the ring is visible on it. */
  .ring {
    position: absolute;
    inset: 0;
    border: 3px solid var(--speak);
    /* Separates the ring from a video of the same colour. */
    box-shadow: inset 0 0 0 1.5px rgb(255 255 255 / 0.85);
    border-radius: inherit;
    opacity: 0;
    transition: opacity 0.15s;
    pointer-events: none;
  }
  :host([speaking]) .ring {
    opacity: 1;
  }
  :host([active]) .ring {
    border-width: 4px;
  }
  .label {
    position: absolute;
    left: clamp(0.375rem, 2cqmin, 0.75rem);
    bottom: clamp(0.375rem, 2cqmin, 0.75rem);
    display: flex;
    align-items: center;
    gap: 0.375rem;
    max-width: calc(100% - 2 * clamp(0.375rem, 2cqmin, 0.75rem));
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
  .connection {
    position: absolute;
    top: clamp(0.375rem, 2cqmin, 0.75rem);
    left: 50%;
    max-width: calc(100% - 0.75rem);
    padding: 0.125rem 0.5rem;
    border-radius: var(--radius-s);
    font-size: 0.8125rem;
    translate: -50% 0;
  }
  .limited {
    position: absolute;
    top: clamp(0.375rem, 2cqmin, 0.75rem);
    left: 50%;
    max-width: calc(100% - 0.75rem);
    overflow: hidden;
    padding: 0.125rem 0.5rem;
    border-radius: var(--radius-s);
    background: var(--warn-soft);
    color: var(--warn-ink);
    font-size: 0.8125rem;
    font-weight: 600;
    text-overflow: ellipsis;
    white-space: nowrap;
    translate: -50% 0;
  }
  :host([limited]) :is(video, canvas) {
    filter: brightness(0.6);
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
  .bars[data-level='0'] .unlit {
    fill: rgb(255 139 150 / 0.75);
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
  /* In a small tile the label must not cover the avatar. */
  @container (max-height: 8rem) {
    .avatar {
      bottom: 1.75rem;
    }
  }
  @container (max-height: 4.5rem) {
    .avatar {
      bottom: 1.5rem;
      width: 1.75rem;
      height: 1.75rem;
      font-size: 0.6875rem;
    }
    .label {
      inset: auto 0 0;
      min-height: 1.375rem;
      max-width: none;
      border-radius: 0;
    }
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
`;
