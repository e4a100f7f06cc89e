import { FlotillaError } from '@flotilla/client';
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import type { Order } from '../../../src/operations/orders.ts';
import { base, buttons } from '../../shared/styles.ts';

/** An order with what is asked before it is given. */
export interface OrderQuestion {
  readonly label: string;
  readonly question: string;
  readonly order: Order;
}

/** Asks whether to give an order, gives it, and shows why it was refused. */
@customElement('flotilla-order-dialog')
export class OrderDialog extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      dialog {
        width: min(28rem, calc(100vw - 2rem));
        padding: 1.25rem;
        border: 1px solid var(--line);
        border-radius: var(--radius-l);
        background: var(--surface);
        color: var(--text);
        box-shadow: var(--shadow-2);
      }
      dialog::backdrop {
        background: rgb(10 12 20 / 0.5);
      }
      h2 {
        font-size: 1.0625rem;
        overflow-wrap: anywhere;
      }
      p {
        margin-top: 0.5rem;
        line-height: 1.45;
        overflow-wrap: anywhere;
      }
      .row {
        display: flex;
        flex-wrap: wrap;
        justify-content: flex-end;
        gap: 0.5rem;
        margin-top: 1.125rem;
      }
      .failed {
        color: var(--danger-ink);
        font-weight: 500;
      }
      .danger {
        background: var(--danger);
        color: var(--on-danger);
      }
      .danger:hover:not(:disabled) {
        background: var(--danger-hover);
      }
    `,
  ];

  /** Gives an order. Rejects with the reason when it is refused. */
  @property({ attribute: false }) give!: (order: Order) => Promise<void>;
  @state() private asked: OrderQuestion | undefined;
  @state() private busy = false;
  @state() private problem: string | undefined;
  @query('dialog') private dialog!: HTMLDialogElement;

  async ask(question: OrderQuestion): Promise<void> {
    this.asked = question;
    this.problem = undefined;
    await this.updateComplete;
    if (!this.dialog.open) this.dialog.showModal();
  }

  protected override render(): TemplateResult {
    return html`<dialog aria-labelledby="label" @close=${() => (this.asked = undefined)}>
      ${
        this.asked
          ? html`<h2 id="label">${this.asked.label}</h2>
              <p>${this.asked.question}</p>
              ${this.problem === undefined ? nothing : html`<p class="failed" role="alert" data-testid="order-problem">${this.problem}</p>`}
              <div class="row">
                <button class="plain" data-testid="cancel" @click=${() => this.dialog.close()}>Cancel</button>
                <button
                  class="danger"
                  data-testid="confirm"
                  ?disabled=${this.busy}
                  @click=${() => void this.#give(this.asked!)}
                >
                  ${this.asked.label}
                </button>
              </div>`
          : nothing
      }
    </dialog>`;
  }

  async #give({ order }: OrderQuestion): Promise<void> {
    this.busy = true;
    this.problem = undefined;
    try {
      await this.give(order);
      this.dialog.close();
    } catch (error) {
      const { code, message } = FlotillaError.from(error);
      this.problem = `${message} (${code})`;
    } finally {
      this.busy = false;
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-order-dialog': OrderDialog;
  }
}
