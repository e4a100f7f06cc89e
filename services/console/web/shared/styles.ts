import { css } from 'lit';

/** Styles that every component includes; colours come from theme.css. */
export const base = css`
  :host {
    display: block;
    box-sizing: border-box;
  }
  :host([hidden]) {
    display: none;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h1,
  h2,
  p,
  ol,
  ul,
  dl,
  dd {
    margin: 0;
    padding: 0;
  }
  ol,
  ul {
    list-style: none;
  }
  svg {
    display: block;
    width: 1.25rem;
    height: 1.25rem;
    flex: none;
  }
  :focus-visible {
    outline: 2px solid var(--focus);
    outline-offset: 2px;
  }
  /* A heading gets the focus only so that screen readers read it. */
  h1:focus {
    outline: none;
  }
  .unseen {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      transition: none !important;
      animation: none !important;
    }
  }
`;

export const buttons = css`
  button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 0.5rem;
    min-height: 2.75rem;
    padding: 0 1.1rem;
    border: 1px solid transparent;
    border-radius: var(--radius-m);
    background: var(--surface-2);
    color: var(--text);
    font: 600 0.9375rem/1 var(--font);
    cursor: pointer;
    touch-action: manipulation;
    transition:
      background-color 0.15s,
      color 0.15s;
  }
  button:hover {
    background: var(--surface-3);
  }
  button:disabled {
    cursor: default;
    opacity: 0.6;
  }
  button.primary:disabled {
    opacity: 0.85;
  }
  button.primary {
    background: var(--accent);
    color: var(--on-accent);
  }
  button.primary:hover:not(:disabled) {
    background: var(--accent-hover);
  }
  button.plain {
    background: transparent;
  }
  button.plain:hover {
    background: var(--surface-2);
  }
  button.icon {
    width: 2.75rem;
    padding: 0;
    border-radius: 50%;
  }
  button.small {
    min-height: 2.25rem;
    padding: 0 0.85rem;
    font-size: 0.875rem;
  }
  button.small.icon {
    width: 2.25rem;
    padding: 0;
  }
  /* Contrast themes of Windows remove backgrounds. */
  @media (forced-colors: active) {
    button {
      border-color: ButtonText;
    }
    button[aria-pressed='true'] {
      outline: 2px solid Highlight;
    }
  }
`;

/**
 * Tables whose first column has a button that selects the row. On narrow screens each row is a card: `data-label` of a cell is
 * the name of its column.
 */
export const tables = css`
  table {
    width: 100%;
    border-collapse: collapse;
    font-variant-numeric: tabular-nums;
  }
  th,
  td {
    border-bottom: 1px solid var(--line);
    text-align: left;
  }
  th {
    font-weight: 500;
  }
  thead th {
    color: var(--text-2);
  }
  th button {
    border-radius: var(--radius-s);
    background: transparent;
    color: var(--accent-ink);
    font-size: inherit;
  }
  @media (max-width: 40rem) {
    thead {
      display: none;
    }
    tr {
      display: block;
      padding: 0.25rem 0 0.5rem;
      border-bottom: 1px solid var(--line);
    }
    th,
    td {
      border: 0;
    }
    tbody :is(th, td) {
      display: flex;
      justify-content: space-between;
      gap: 1rem;
      padding: 0.125rem 0;
      text-align: right;
    }
    td::before {
      content: attr(data-label);
      flex: none;
      color: var(--text-2);
    }
    td:empty {
      display: none;
    }
  }
`;

export const fields = css`
  label,
  .label {
    display: block;
    margin-bottom: 0.375rem;
    font-size: 0.875rem;
    font-weight: 600;
  }
  input:not([type='checkbox']),
  select {
    width: 100%;
    min-height: 2.875rem;
    padding: 0 0.875rem;
    border: 1px solid var(--field-line);
    border-radius: var(--radius-m);
    background: var(--surface);
    color: var(--text);
    /* Below 16 px, phones zoom in on focus. */
    font: 400 1rem/1.4 var(--font);
    text-overflow: ellipsis;
  }
  input::placeholder {
    color: var(--text-2);
    opacity: 0.85;
  }
  input[aria-invalid='true'] {
    border-color: var(--danger-ink);
    box-shadow: 0 0 0 1px var(--danger-ink);
  }
  .hint,
  .wrong {
    margin-top: 0.375rem;
    font-size: 0.8125rem;
    line-height: 1.4;
  }
  .hint {
    color: var(--text-2);
  }
  .wrong {
    color: var(--danger-ink);
    font-weight: 500;
  }
`;
