import { css } from 'lit';

/** A badge that says that a connection is being restored, with a pulsing dot. */
export const connectionBadge = css`
  .connection {
    display: flex;
    align-items: center;
    gap: 0.375rem;
    background: var(--warn-soft);
    color: var(--warn-ink);
    font-size: 0.875rem;
    font-weight: 600;
    white-space: nowrap;
  }
  .connection::before {
    content: '';
    flex: none;
    width: 0.625rem;
    height: 0.625rem;
    border-radius: 50%;
    background: currentcolor;
    animation: pulse 0.9s ease-in-out infinite alternate;
  }
  @keyframes pulse {
    from {
      opacity: 0.25;
    }
  }
`;
