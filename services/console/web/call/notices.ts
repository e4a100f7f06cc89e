import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import { icons } from '../shared/icons.ts';
import { base, buttons } from '../shared/styles.ts';

export interface Notice {
  readonly id: number;
  readonly kind: 'info' | 'warning';
  readonly text: string;
  /** Shown until it is dismissed. Default: for some seconds. */
  readonly lasts?: boolean;
  /** A button, such as one to enable sound. */
  readonly action?: { readonly label: string; readonly run: () => void } | undefined;
}

/** A notice without its id, which the page assigns. */
export type NoticeText = Omit<Notice, 'id'>;

/**
 * Non-modal messages above the page.
 *
 * @fires dismiss - CustomEvent of the notice's id
 */
@customElement('flotilla-notices')
export class Notices extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        position: fixed;
        z-index: 20;
        top: calc(4rem + env(safe-area-inset-top));
        left: 50%;
        width: min(30rem, calc(100vw - 1.5rem));
        translate: -50% 0;
        pointer-events: none;
      }
      ul {
        display: flex;
        flex-direction: column;
      }
      /* Notices with a button come first. */
      li:has(button.primary) {
        order: -1;
      }
      li {
        display: flex;
        align-items: center;
        gap: 0.75rem;
        margin-bottom: 0.5rem;
        padding: 0.5rem 0.5rem 0.5rem 0.875rem;
        border: 1px solid var(--line);
        border-radius: var(--radius-m);
        background: var(--surface);
        box-shadow: var(--shadow-2);
        font-size: 0.875rem;
        line-height: 1.4;
        pointer-events: auto;
        animation: arrive 0.2s ease-out;
      }
      li > svg {
        color: var(--accent-ink);
      }
      li.warning {
        border-color: transparent;
        background: var(--warn-soft);
        color: var(--warn-ink);
      }
      li.warning > svg {
        color: inherit;
      }
      p {
        flex: 1;
        min-width: 0;
        padding: 0.25rem 0;
        overflow-wrap: anywhere;
      }
      button {
        flex: none;
      }
      .warning button.plain {
        color: inherit;
      }
      .warning button.plain:hover {
        background: color-mix(in srgb, currentcolor 14%, transparent);
      }
      @keyframes arrive {
        from {
          opacity: 0;
          transform: translateY(-0.5rem);
        }
      }
    `,
  ];

  @property({ attribute: false }) notices: readonly Notice[] = [];

  protected override render(): TemplateResult {
    return html`<ul role="status" aria-live="polite" aria-label="Notices">
      ${repeat(
        this.notices,
        ({ id }) => id,
        ({ id, kind, text, action }) =>
          html`<li class=${kind}>
            ${kind === 'warning' ? icons.warning : icons.info}
            <p>${text}</p>
            ${
              action
                ? html`<button
                    class="primary small"
                    @click=${() => {
                      action.run();
                      this.#dismiss(id);
                    }}
                  >
                    ${action.label}
                  </button>`
                : nothing
            }
            <button class="plain small icon" aria-label="Dismiss" @click=${() => this.#dismiss(id)}>
              ${icons.close}
            </button>
          </li>`,
      )}
    </ul>`;
  }

  #dismiss(id: number): void {
    this.dispatchEvent(new CustomEvent('dismiss', { detail: id }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-notices': Notices;
  }
}
