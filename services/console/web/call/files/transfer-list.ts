import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import { icons } from '../../shared/icons.ts';
import { base, buttons } from '../../shared/styles.ts';
import { megabytes } from './file-messages.ts';
import type { Transfer } from './transfer.ts';

/**
 * Active and ended file transfers.
 *
 * @fires cancel - CustomEvent of the Transfer
 * @fires dismiss - CustomEvent of the Transfer
 */
@customElement('flotilla-transfer-list')
export class TransferList extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      ul {
        display: flex;
        flex-direction: column;
        gap: 0.5rem;
        max-height: 100%;
        /* A scrolling box clips shadows. */
        padding: 0.75rem;
        overflow-y: auto;
      }
      li {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr) auto;
        align-items: center;
        column-gap: 0.75rem;
        padding: 0.625rem 0.625rem 0.625rem 0.875rem;
        border: 1px solid var(--line);
        border-radius: var(--radius-m);
        background: var(--surface);
        box-shadow: var(--shadow-1);
        font-size: 0.875rem;
        line-height: 1.4;
      }
      li > svg {
        color: var(--accent-ink);
      }
      li.stopped > svg {
        color: var(--warn-ink);
      }
      .name {
        overflow: hidden;
        font-weight: 600;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .what {
        color: var(--text-2);
        font-size: 0.8125rem;
        font-variant-numeric: tabular-nums;
      }
      .do {
        display: flex;
        align-items: center;
        gap: 0.25rem;
      }
      a {
        display: inline-flex;
        align-items: center;
        min-height: 2.25rem;
        padding: 0 0.85rem;
        border-radius: var(--radius-m);
        background: var(--accent);
        color: var(--on-accent);
        font-weight: 600;
        text-decoration: none;
      }
      a:hover {
        background: var(--accent-hover);
      }
      progress {
        grid-column: 2;
        width: 100%;
        height: 0.375rem;
        margin: 0.375rem 0 0.25rem;
        border: 0;
        border-radius: 1rem;
        background: var(--surface-3);
        accent-color: var(--accent);
        overflow: hidden;
        appearance: none;
      }
      progress::-webkit-progress-bar {
        background: var(--surface-3);
      }
      progress::-webkit-progress-value {
        border-radius: 1rem;
        background: var(--accent);
      }
      progress::-moz-progress-bar {
        border-radius: 1rem;
        background: var(--accent);
      }
    `,
  ];

  /** In the order in which they were added. */
  @property({ attribute: false }) transfers: readonly Transfer[] = [];

  protected override render(): TemplateResult {
    return html`<ul aria-label="Files">
      ${repeat(
        this.transfers,
        (transfer) => transfer,
        (transfer) => this.#row(transfer),
      )}
    </ul>`;
  }

  #row(transfer: Transfer): TemplateResult {
    const { name, size, from, bytes, state, over, url } = transfer;
    const fire = (type: 'cancel' | 'dismiss'): boolean =>
      this.dispatchEvent(new CustomEvent(type, { detail: transfer }));
    return html`<li class=${state} data-testid="transfer" data-state=${state} data-name=${name}>
      ${state === 'stopped' ? icons.warning : icons.file}
      <div>
        <div class="name" title=${name}>${name}</div>
        ${over ? nothing : html`<progress aria-label=${name} max=${size} value=${bytes}></progress>`}
        <div class="what">${from === undefined ? '' : `From ${from} · `}${status(transfer)}</div>
      </div>
      <div class="do">
        ${url === undefined ? nothing : html`<a href=${url} download=${name} data-testid="download">Download</a>`}
        <button
          class="plain small icon"
          aria-label=${over ? `Dismiss ${name}` : `Cancel ${name}`}
          title=${over ? 'Dismiss' : 'Cancel'}
          @click=${() => fire(over ? 'dismiss' : 'cancel')}
        >
          ${icons.close}
        </button>
      </div>
    </li>`;
  }
}

function status({ state, size, bytes, note, bytesPerSecond }: Transfer): string {
  const speed = `${(bytesPerSecond / 1_000_000).toFixed(1)}\u00A0MB/s`;
  if (state === 'waiting') return `${megabytes(size)} · waiting`;
  if (state === 'moving') return `${megabytes(bytes)} of ${megabytes(size)} · ${speed}`;
  if (state === 'done') return [note, megabytes(size), speed].filter(Boolean).join(' · ');
  return `${note}.`;
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-transfer-list': TransferList;
  }
}
