import { html, LitElement, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { base } from './styles.ts';

/** Announcements within this period are read as one. */
const collectMs = 250;
/** Removes the text after it was read, so that reading through the page does not meet it again. */
const clearAfterMs = 8000;

/** Announces messages to screen readers through a polite live region. */
@customElement('flotilla-announcer')
export class Announcer extends LitElement {
  static override styles = base;

  @state() private text = '';
  #pending: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  announce(message: string): void {
    this.#pending.push(message);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.text = this.#pending.join('. ');
      this.#pending = [];
      this.#timer = setTimeout(() => (this.text = ''), clearAfterMs);
    }, collectMs);
  }

  protected override render(): TemplateResult {
    return html`<div class="unseen" role="status" aria-live="polite">${this.text}</div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-announcer': Announcer;
  }
}
