import { css } from 'lit';

/** The name of a page of operations, whether what it shows is live, and the way to the other page. */
export const pageHeader = css`
  .brand {
    display: flex;
    align-items: center;
    gap: 0.625rem;
  }
  .brand svg {
    width: 2rem;
    height: 2rem;
  }
  nav a {
    color: var(--accent-ink);
    font-weight: 600;
  }
  h1 {
    font-size: 1.125rem;
    letter-spacing: -0.01em;
  }
  .state {
    display: inline-flex;
    align-items: center;
    gap: 0.4375rem;
    padding: 0.125rem 0.625rem;
    border-radius: 1rem;
    background: var(--surface-2);
    font-size: 0.8125rem;
    font-weight: 600;
  }
  .state::before {
    content: '';
    width: 0.5rem;
    height: 0.5rem;
    border: 2px solid currentcolor;
    border-radius: 50%;
  }
  .state.live::before {
    border-color: var(--speak);
    background: var(--speak);
  }
  .state.lost {
    background: var(--warn-soft);
    color: var(--warn-ink);
  }
`;
