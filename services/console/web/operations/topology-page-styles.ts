import { css } from 'lit';

export const pageStyles = css`
  :host {
    display: grid;
    grid-template-rows: auto minmax(0, 1fr);
    height: 100dvh;
    padding: 0 env(safe-area-inset-right) env(safe-area-inset-bottom) env(safe-area-inset-left);
  }
  .top {
    display: grid;
    grid-template-columns: auto minmax(12rem, 24rem) auto;
    align-items: center;
    justify-content: space-between;
    gap: 0.75rem 1.25rem;
    padding: 0.75rem 1rem;
  }
  nav {
    display: flex;
    align-items: center;
    gap: 0.625rem;
    font-size: 0.875rem;
  }
  .views {
    display: flex;
    gap: 0.25rem;
    padding: 0.1875rem;
    border-radius: var(--radius-m);
    background: var(--surface-2);
  }
  .views button[aria-pressed='true'] {
    background: var(--surface);
    box-shadow: var(--shadow-1);
  }
  main {
    display: grid;
    grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr);
    gap: 0.625rem 0.75rem;
    min-height: 0;
    padding: 0 1rem 1rem;
  }
  main.with-details {
    grid-template-columns: minmax(0, 1fr) 20rem;
  }
  .facts {
    grid-column: 1 / -1;
    display: flex;
    flex-wrap: wrap;
    gap: 0.375rem 1.25rem;
    color: var(--text-2);
    font-size: 0.875rem;
    font-variant-numeric: tabular-nums;
  }
  .facts li {
    display: flex;
    align-items: center;
    gap: 0.4375rem;
  }
  .mark {
    width: 0.75rem;
    height: 0.75rem;
    background: var(--text-2);
  }
  .mark.gateway {
    background: var(--accent);
    clip-path: polygon(25% 0, 75% 0, 100% 50%, 75% 100%, 25% 100%, 0 50%);
  }
  .mark.node {
    border-radius: 0.1875rem;
    background: var(--speak);
  }
  .mark.room {
    border: 1.5px solid var(--accent);
    border-radius: 50%;
    background: var(--accent-soft);
  }
  .mark.session {
    clip-path: polygon(50% 0, 100% 50%, 50% 100%, 0 50%);
  }
  .mark.stable {
    background: var(--speak);
  }
  .mark.watch {
    background: var(--warn);
  }
  .mark.move {
    background: var(--danger);
  }
  .mark.negotiation {
    width: 1.125rem;
    height: 0;
    border-top: 2px dashed var(--warn-ink);
    background: none;
  }
  .facts b {
    color: var(--text);
  }
  flotilla-vertex-details {
    padding: 0.875rem 1rem 1rem;
    border: 1px solid var(--line);
    border-radius: var(--radius-l);
    background: var(--surface);
    overflow: auto;
  }
  flotilla-migration-list {
    grid-column: 1 / -1;
  }
  .nothing {
    display: grid;
    place-content: center;
    color: var(--text-2);
    text-align: center;
  }
  @media (max-width: 48rem) {
    :host {
      height: auto;
      min-height: 100dvh;
    }
    .top {
      grid-template-columns: minmax(0, 1fr);
    }
    .views button {
      flex: 1;
    }
    .brand .state {
      margin-left: auto;
    }
    main {
      align-content: start;
    }
    main,
    main.with-details {
      grid-template: auto minmax(60dvh, auto) auto auto / minmax(0, 1fr);
    }
  }
`;
