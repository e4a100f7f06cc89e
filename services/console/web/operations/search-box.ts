import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { icons } from '../shared/icons.ts';
import { base, buttons, fields } from '../shared/styles.ts';
import { type Fleet, kindNames, nameOf, remarkOf } from './fleet.ts';

const maxResults = 8;

/**
 * Search for rooms, users, gateways and nodes by name. Enter chooses the first result.
 *
 * @fires choose - CustomEvent of the id of a vertex
 */
@customElement('flotilla-search-box')
export class SearchBox extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    css`
      :host {
        position: relative;
      }
      .field > svg {
        position: absolute;
        top: 0.8125rem;
        left: 0.75rem;
        color: var(--text-2);
      }
      .field > input[type='search'] {
        padding-left: 2.5rem;
      }
      ul,
      .none {
        position: absolute;
        z-index: 10;
        top: calc(100% + 0.25rem);
        right: 0;
        left: 0;
        padding: 0.375rem;
        border: 1px solid var(--line);
        border-radius: var(--radius-m);
        background: var(--surface);
        box-shadow: var(--shadow-2);
      }
      .none {
        padding: 0.75rem 1rem;
        color: var(--text-2);
        font-size: 0.875rem;
      }
      li button {
        justify-content: space-between;
        width: 100%;
        min-height: 2.25rem;
        padding: 0 0.625rem;
        border-radius: var(--radius-s);
        background: transparent;
        font-weight: 500;
      }
      li button:hover {
        background: var(--surface-2);
      }
      .kind {
        color: var(--text-2);
        font-size: 0.8125rem;
        font-weight: 400;
      }
    `,
  ];

  @property({ attribute: false }) fleet!: Fleet;
  @state() private text = '';
  @query('input') private input!: HTMLInputElement;

  override focus(): void {
    this.input.focus();
  }

  protected override render(): TemplateResult {
    const found = this.fleet.search(this.text, maxResults);
    return html`<form
      role="search"
      class="field"
      @submit=${(event: SubmitEvent) => {
        event.preventDefault();
        if (found[0]) this.#choose(found[0].id);
      }}
      @keydown=${(event: KeyboardEvent) => {
        if (event.key !== 'Escape' || this.text === '') return;
        event.stopPropagation();
        this.text = '';
        this.focus();
      }}
    >
      ${icons.search}
      <input
        type="search"
        data-testid="search"
        aria-label="Find a room, user or server"
        placeholder="Find a room, user or server"
        autocomplete="off"
        autocapitalize="none"
        spellcheck="false"
        .value=${this.text}
        @input=${() => (this.text = this.input.value)}
      />
      ${
        found.length > 0
          ? html`<ul aria-label="Results">
              ${found.map(
                (vertex) =>
                  html`<li>
                    <button type="button" @click=${() => this.#choose(vertex.id)}>
                      ${nameOf(vertex)}
                      <span class="kind">${[kindNames[vertex.kind], remarkOf(vertex)].filter(Boolean).join(', ')}</span>
                    </button>
                  </li>`,
              )}
            </ul>`
          : this.text.trim() === ''
            ? nothing
            : html`<p class="none" role="status">No results.</p>`
      }
    </form>`;
  }

  #choose(id: string): void {
    this.text = '';
    this.dispatchEvent(new CustomEvent('choose', { detail: id }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-search-box': SearchBox;
  }
}
