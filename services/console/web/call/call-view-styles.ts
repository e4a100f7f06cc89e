import { css } from 'lit';

export const callViewStyles = css`
  :host {
    display: grid;
    grid-template-rows: auto minmax(0, 1fr) auto;
    height: 100dvh;
    padding: env(safe-area-inset-top) env(safe-area-inset-right) env(safe-area-inset-bottom) env(safe-area-inset-left);
    --edge: clamp(0.5rem, 1.5vw, 1rem);
  }
  header {
    display: flex;
    align-items: center;
    gap: 0.625rem;
    min-width: 0;
    padding: 0.625rem var(--edge);
  }
  header > svg {
    width: 1.75rem;
    height: 1.75rem;
  }
  h1 {
    min-width: 0;
    overflow: hidden;
    font-size: 1.0625rem;
    font-weight: 650;
    letter-spacing: -0.01em;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .count,
  .recording,
  .connection {
    flex: none;
    padding: 0.25rem 0.625rem;
    border-radius: 1rem;
  }
  .count {
    display: flex;
    align-items: center;
    gap: 0.375rem;
    background: var(--surface-2);
    color: var(--text-2);
    font-size: 0.875rem;
    font-weight: 600;
    font-variant-numeric: tabular-nums;
  }
  .recording {
    display: flex;
    align-items: center;
    gap: 0.375rem;
    background: var(--danger-soft);
    color: var(--danger-ink);
    font-size: 0.875rem;
    font-weight: 600;
  }
  .recording::before {
    content: '';
    flex: none;
    width: 0.625rem;
    height: 0.625rem;
    border-radius: 50%;
    background: currentcolor;
  }
  .count svg {
    width: 1.125rem;
    height: 1.125rem;
  }
  header button {
    margin-left: auto;
    flex: none;
  }
  .middle {
    position: relative;
    display: flex;
    gap: var(--edge);
    min-width: 0;
    padding: 0 var(--edge);
  }
  .stage {
    position: relative;
    flex: 1;
    min-width: 0;
  }
  flotilla-tile {
    position: absolute;
  }
  /* Tiles are animated when the layout changes, but not at the first layout. */
  :host([settled]) flotilla-tile {
    transition:
      left 0.25s ease,
      top 0.25s ease,
      width 0.25s ease,
      height 0.25s ease;
  }
  flotilla-chat {
    flex: none;
    width: clamp(17rem, 26vw, 22rem);
  }
  flotilla-transfer-list {
    position: absolute;
    z-index: 2;
    right: 0;
    bottom: 0;
    width: min(27rem, 100%);
    max-height: 100%;
  }
  .drop {
    position: absolute;
    z-index: 4;
    inset: 0 var(--edge);
    display: grid;
    place-content: center;
    gap: 0.25rem;
    border: 3px dashed var(--accent);
    border-radius: var(--radius-l);
    background: color-mix(in srgb, var(--bg) 88%, transparent);
    font-size: 1.125rem;
    font-weight: 650;
    text-align: center;
    pointer-events: none;
  }
  .drop small {
    color: var(--text-2);
    font-size: 0.875rem;
    font-weight: 400;
  }
  .alone {
    position: absolute;
    z-index: 2;
    bottom: 1.25rem;
    left: 50%;
    display: flex;
    align-items: center;
    gap: 0.875rem;
    width: max-content;
    max-width: calc(100% - 2rem);
    padding: 0.625rem 0.75rem 0.625rem 1.125rem;
    border-radius: var(--radius-m);
    background: var(--surface);
    box-shadow: var(--shadow-2);
    font-size: 0.9375rem;
    line-height: 1.35;
    translate: -50% 0;
  }
  .alone button {
    flex: none;
  }
  footer {
    padding: 0.75rem var(--edge);
  }
  @media (max-width: 48rem) {
    .alone {
      bottom: 0.75rem;
    }
    /* The chat covers the tiles: there is no space beside them. */
    flotilla-chat {
      position: absolute;
      z-index: 3;
      inset: 0 var(--edge);
      width: auto;
      /* Hides the tiles behind its rounded corners. */
      outline: var(--edge) solid var(--bg);
    }
  }
  @media (max-height: 30rem) {
    .alone {
      top: 0.75rem;
      bottom: auto;
    }
  }
  @media (max-width: 34rem) {
    header button span {
      display: none;
    }
    header button.small {
      width: 2.5rem;
      padding: 0;
    }
    .recording,
    .connection {
      padding: 0.25rem 0.5rem;
      font-size: 0.8125rem;
    }
    header:has(.recording, .connection) > svg {
      display: none;
    }
    footer {
      padding-block: 0.5rem;
    }
  }
`;
