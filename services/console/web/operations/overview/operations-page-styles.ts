import { css } from 'lit';

export const pageStyles = css`
  :host {
    min-height: 100dvh;
    padding: 0 env(safe-area-inset-right) env(safe-area-inset-bottom) env(safe-area-inset-left);
  }
  .top {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: space-between;
    gap: 0.5rem 1.25rem;
    padding: 0.75rem 1rem;
  }
  nav,
  .key {
    display: flex;
    align-items: center;
    gap: 0.625rem;
  }
  nav {
    flex-wrap: wrap;
    font-size: 0.875rem;
  }
  .key .quiet {
    margin: 0;
  }
  main {
    display: grid;
    gap: 0.75rem;
    padding: 0 1rem 1rem;
  }
  .columns {
    display: grid;
    grid-template-columns: minmax(0, 1.75fr) minmax(18rem, 1fr);
    align-items: start;
    gap: 0.75rem;
  }
  .column {
    display: grid;
    gap: 0.75rem;
  }
  /* The figures may be old. */
  main.lost .columns {
    opacity: 0.7;
  }
  section {
    min-width: 0;
    padding: 0.75rem 1rem 0.875rem;
    border: 1px solid var(--line);
    border-radius: var(--radius-l);
    background: var(--surface);
  }
  h2 {
    font-size: 0.9375rem;
  }
  .none,
  .quiet {
    color: var(--text-2);
    font-size: 0.8125rem;
    line-height: 1.45;
    overflow-wrap: anywhere;
  }
  .none,
  section > .quiet {
    margin-top: 0.375rem;
  }
  code {
    font: 0.8125rem var(--font-mono);
    overflow-wrap: anywhere;
  }
  table {
    margin-top: 0.375rem;
    font-size: 0.8125rem;
  }
  th,
  td {
    padding: 0.25rem 0.75rem 0.25rem 0;
    vertical-align: baseline;
  }
  th:last-child,
  td:last-child {
    padding-right: 0;
  }
  tbody tr:last-child :is(th, td) {
    border-bottom: 0;
  }
  .number {
    text-align: right;
    white-space: nowrap;
  }
  .over {
    color: var(--danger-ink);
    font-weight: 600;
  }
  .id {
    overflow-wrap: anywhere;
  }
  :is(th, td).id {
    min-width: 4.5rem;
  }
  .nowrap,
  td .mark {
    white-space: nowrap;
  }
  th.short {
    max-width: 10.5rem;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .mark::before {
    content: '';
    display: inline-block;
    width: 0.5rem;
    height: 0.5rem;
    margin-right: 0.4375rem;
    border-radius: 50%;
    background: var(--text-2);
  }
  .mark.good::before {
    background: var(--speak);
  }
  .mark.busy::before {
    background: var(--accent);
  }
  .mark.warn::before {
    background: var(--warn);
  }
  .mark.bad::before {
    background: var(--danger);
  }
  .mark.bad {
    color: var(--danger-ink);
    font-weight: 600;
  }
  .tag {
    padding: 0.0625rem 0.4375rem;
    border-radius: 1rem;
    background: var(--surface-2);
    font-size: 0.75rem;
    white-space: nowrap;
  }
  .tag.candidate {
    background: var(--accent-soft);
    color: var(--accent-ink);
  }
  .tag.excluded {
    background: var(--danger-soft);
    color: var(--danger-ink);
  }
  .orders {
    display: inline-flex;
    flex-wrap: wrap;
    gap: 0.25rem;
  }
  p.orders:not(:empty) {
    margin-top: 0.5rem;
  }
  .orders button {
    min-height: 1.75rem;
    padding: 0 0.625rem;
    font-size: 0.8125rem;
  }
  .verdict {
    display: flex;
    flex-wrap: wrap;
    gap: 0.125rem 0.75rem;
    margin-top: 0.375rem;
    font-size: 0.875rem;
  }
  .reasons,
  .list {
    margin-top: 0.25rem;
    font-size: 0.8125rem;
    line-height: 1.45;
  }
  .reasons li {
    padding-left: 0.75rem;
    border-left: 2px solid var(--line);
    overflow-wrap: anywhere;
  }
  .list li {
    padding: 0.3125rem 0;
    border-bottom: 1px solid var(--line);
    overflow-wrap: anywhere;
  }
  .list li:last-child {
    padding-bottom: 0;
    border-bottom: 0;
  }
  .when {
    float: right;
    margin-left: 0.75rem;
    color: var(--text-2);
  }
  .list {
    max-height: 22rem;
    overflow: auto;
  }
  details {
    margin-top: 0.5rem;
  }
  summary {
    cursor: pointer;
    color: var(--accent-ink);
    font-size: 0.8125rem;
    font-weight: 600;
  }
  .warning,
  .chaos li {
    display: flex;
    align-items: flex-start;
    gap: 0.5rem;
    padding: 0.5rem 0.75rem;
    border-radius: var(--radius-m);
    background: var(--warn-soft);
    color: var(--warn-ink);
    font-size: 0.875rem;
    line-height: 1.4;
    overflow-wrap: anywhere;
  }
  section > .warning {
    margin-top: 0.375rem;
    font-size: 0.8125rem;
  }
  .chaos {
    display: grid;
    gap: 0.375rem;
  }
  .chaos .quiet {
    display: block;
    color: inherit;
  }
  .nothing {
    display: grid;
    place-content: center;
    min-height: 50dvh;
    color: var(--text-2);
    text-align: center;
  }
  @media (max-width: 60rem) {
    .columns {
      grid-template-columns: minmax(0, 1fr);
    }
  }
  @media (max-width: 40rem) {
    tbody :is(th, td) {
      padding: 0.125rem 0;
    }
    tbody th {
      font-weight: 600;
      text-align: left;
    }
    td::before {
      font-weight: 400;
    }
    tbody tr:last-child {
      padding-bottom: 0;
      border-bottom: 0;
    }
    th.short {
      max-width: none;
      white-space: normal;
    }
    td.number {
      white-space: normal;
    }
    .orders {
      justify-content: flex-end;
    }
    p.orders {
      justify-content: flex-start;
    }
    .orders button {
      min-height: 2.25rem;
    }
  }
`;
