import { css, html, LitElement, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import { icons } from '../shared/icons.ts';
import { maxChatLength } from './chat-message.ts';
import type { ChatMessage } from './room-watcher.ts';
import { base, buttons, fields } from '../shared/styles.ts';

const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

/**
 * Messages written during the call. They are not stored: a participant sees messages sent after joining.
 *
 * @fires send - CustomEvent of the text
 * @fires attach - the user wants to send a file
 * @fires close
 */
@customElement('flotilla-chat')
export class Chat extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    css`
      :host {
        display: flex;
        flex-direction: column;
        min-height: 0;
        border: 1px solid var(--line);
        border-radius: var(--radius-l);
        background: var(--surface);
        box-shadow: var(--shadow-1);
        overflow: hidden;
      }
      header {
        display: flex;
        align-items: center;
        justify-content: space-between;
        padding: 0.5rem 0.5rem 0.5rem 1.125rem;
        border-bottom: 1px solid var(--line);
      }
      h2 {
        font-size: 1rem;
        font-weight: 650;
      }
      ol {
        flex: 1;
        min-height: 0;
        padding: 1rem 1.125rem;
        overflow-y: auto;
        overscroll-behavior: contain;
      }
      ol:focus-visible {
        outline-offset: -3px;
      }
      .empty {
        margin: 1.5rem 0;
        color: var(--text-2);
        font-size: 0.875rem;
        text-align: center;
        text-wrap: balance;
      }
      li + li {
        margin-top: 0.875rem;
      }
      li.own {
        text-align: right;
      }
      .sender {
        color: var(--text-2);
        font-size: 0.8125rem;
      }
      .sender b {
        color: var(--text);
        font-weight: 600;
      }
      .text {
        display: inline-block;
        max-width: 92%;
        margin-top: 0.125rem;
        padding: 0.4rem 0.75rem;
        border-radius: 0.25rem var(--radius-m) var(--radius-m);
        background: var(--surface-2);
        font-size: 0.9375rem;
        line-height: 1.4;
        text-align: left;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      .own .text {
        border-radius: var(--radius-m) 0.25rem var(--radius-m) var(--radius-m);
        background: var(--accent-soft);
        color: var(--accent-ink);
      }
      form {
        display: flex;
        gap: 0.5rem;
        padding: 0.75rem;
        border-top: 1px solid var(--line);
      }
      form button {
        flex: none;
      }
    `,
  ];

  @property({ attribute: false }) messages: readonly ChatMessage[] = [];
  @query('ol') private list!: HTMLOListElement;
  @query('input') private input!: HTMLInputElement;

  override focus(): void {
    this.input.focus();
  }

  protected override firstUpdated(): void {
    this.focus();
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has('messages')) this.list.scrollTop = this.list.scrollHeight;
  }

  protected override render(): TemplateResult {
    return html`
      <header>
        <h2 id="title">Chat</h2>
        <button class="plain small icon" aria-label="Close chat" @click=${() => this.dispatchEvent(new Event('close'))}>
          ${icons.close}
        </button>
      </header>
      <ol role="log" aria-labelledby="title" tabindex="0">
        ${
          this.messages.length > 0
            ? this.messages.map(message)
            : html`<li class="empty">No messages yet. Everyone in the call can read them; they are not stored.</li>`
        }
      </ol>
      <form @submit=${(event: SubmitEvent) => this.#send(event)}>
        <input
          aria-label="Message"
          placeholder="Message to everyone"
          maxlength=${maxChatLength}
          autocomplete="off"
          enterkeyhint="send"
        />
        <button
          type="button"
          class="plain icon"
          aria-label="Send a file"
          title="Send a file"
          @click=${() => this.dispatchEvent(new Event('attach'))}
        >
          ${icons.attach}
        </button>
        <button class="primary icon" aria-label="Send">${icons.send}</button>
      </form>
    `;
  }

  #send(event: SubmitEvent): void {
    event.preventDefault();
    const text = this.input.value.trim();
    if (text === '') return;
    this.input.value = '';
    this.dispatchEvent(new CustomEvent('send', { detail: text }));
  }
}

const message = ({ from, text, at }: ChatMessage): TemplateResult =>
  html`<li class=${from === undefined ? 'own' : ''}>
    <div class="sender"><b>${from ?? 'You'}</b> <time datetime=${at.toISOString()}>${time.format(at)}</time></div>
    <div class="text">${text}</div>
  </li>`;

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-chat': Chat;
  }
}
