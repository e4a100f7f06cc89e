import { css } from 'lit';

export const lobbyStyles = css`
  :host {
    min-height: 100dvh;
    padding: env(safe-area-inset-top) env(safe-area-inset-right) env(safe-area-inset-bottom) env(safe-area-inset-left);
    background: radial-gradient(60rem 30rem at 50% -10rem, var(--accent-soft), transparent);
  }
  .page {
    display: flex;
    flex-direction: column;
    min-height: inherit;
    max-width: 66rem;
    margin: 0 auto;
    padding: 1.25rem clamp(1rem, 4vw, 2rem) 2rem;
  }
  .brand {
    display: flex;
    align-items: center;
    gap: 0.625rem;
    font-size: 1.125rem;
    font-weight: 700;
    letter-spacing: -0.01em;
  }
  .brand svg {
    width: 2rem;
    height: 2rem;
  }
  main {
    display: grid;
    grid-template-columns: minmax(0, 1.25fr) minmax(20rem, 1fr);
    align-items: center;
    gap: clamp(1.5rem, 5vw, 4rem);
    margin: auto 0;
    padding: 1.5rem 0;
  }
  .preview {
    position: relative;
    display: grid;
    place-items: center;
    aspect-ratio: 16 / 10;
    border-radius: var(--radius-l);
    background: var(--stage);
    box-shadow: var(--shadow-2);
    color: #e9ecf5;
    overflow: hidden;
  }
  .preview video {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    object-fit: cover;
  }
  .preview video.mirrored {
    transform: scaleX(-1);
  }
  .absent {
    display: grid;
    justify-items: center;
    gap: 0.875rem;
    padding: 1rem 1rem 4.5rem;
    color: #c3c9d9;
    font-size: 0.9375rem;
    text-align: center;
  }
  .absent span {
    max-width: 28rem;
    text-wrap: balance;
  }
  .absent > svg {
    width: 2.5rem;
    height: 2.5rem;
    stroke-width: 1.25;
  }
  .switches {
    position: absolute;
    bottom: 1rem;
    display: flex;
    gap: 0.75rem;
  }
  .preview button {
    background: rgb(52 58 76 / 0.9);
    color: #fff;
  }
  .preview button:hover {
    background: rgb(74 82 104 / 0.95);
  }
  .preview button.off {
    background: #cf2a3c;
  }
  .preview button.off:hover {
    background: #b32031;
  }
  .preview button.icon {
    width: 3rem;
    height: 3rem;
  }
  .preview button:focus-visible {
    outline-color: #fff;
  }
  h1 {
    margin-bottom: 0.375rem;
    font-size: clamp(1.75rem, 4vw, 2.375rem);
    font-weight: 700;
    letter-spacing: -0.025em;
    line-height: 1.15;
    text-wrap: balance;
  }
  .lead {
    margin-bottom: 1.5rem;
    color: var(--text-2);
    text-wrap: pretty;
  }
  .field {
    margin-bottom: 1.125rem;
  }
  form > button {
    width: 100%;
    min-height: 3rem;
    font-size: 1rem;
  }
  .problem {
    display: flex;
    gap: 0.75rem;
    margin-bottom: 1.25rem;
    padding: 0.875rem 1rem;
    border-radius: var(--radius-m);
    background: var(--danger-soft);
    color: var(--danger-ink);
    font-size: 0.9375rem;
    line-height: 1.45;
  }
  .problem b {
    display: block;
  }
  .problem code {
    display: inline-block;
    margin-top: 0.25rem;
    font: 500 0.8125rem var(--font-mono);
    overflow-wrap: anywhere;
  }
  .spinner {
    width: 1.125rem;
    height: 1.125rem;
    border: 2px solid color-mix(in srgb, currentcolor 35%, transparent);
    border-top-color: currentcolor;
    border-radius: 50%;
    animation: turn 0.8s linear infinite;
  }
  @keyframes turn {
    to {
      rotate: 1turn;
    }
  }
  @media (max-width: 52rem) {
    main {
      grid-template-columns: minmax(0, 28rem);
      justify-content: center;
      margin: 0;
      padding: 1.25rem 0 0;
    }
    .preview {
      aspect-ratio: 16 / 9;
    }
    .absent {
      gap: 0.5rem;
      font-size: 0.875rem;
    }
    .absent > svg {
      display: none;
    }
  }
`;
