import { html, LitElement, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { base } from './styles.ts';

const collectMs = 250;
const forgetMs = 8000;

/** Says things to screen readers, politely. What happens at about the same time is said as one. */
@customElement('flotilla-announcer')
export class Announcer extends LitElement {
  static override styles = base;

  @state() private said = '';
  #pending: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(text: string): void {
    this.#pending.push(text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.said = this.#pending.join('. ');
      this.#pending = [];
      // Text that stays would be met again by somebody who reads through the page.
      this.#timer = setTimeout(() => (this.said = ''), forgetMs);
    }, collectMs);
  }

  protected override render(): TemplateResult {
    return html`<div class="unseen" role="status" aria-live="polite">${this.said}</div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-announcer': Announcer;
  }
}
