import type { FlotillaError } from '@flotilla/client';
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import { logo } from '../shared/icons.ts';
import { base, buttons, fields } from '../shared/styles.ts';

/**
 * Form for an API key, which its page keeps in memory only.
 *
 * @fires key - CustomEvent of the key
 */
@customElement('flotilla-key-form')
export class KeyForm extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    css`
      :host {
        display: grid;
        place-items: center;
        min-height: 100dvh;
        padding: 1rem;
        background: radial-gradient(60rem 30rem at 50% -10rem, var(--accent-soft), transparent);
      }
      form {
        display: grid;
        gap: 1.125rem;
        width: min(26rem, 100%);
        padding: 1.75rem;
        border: 1px solid var(--line);
        border-radius: var(--radius-l);
        background: var(--surface);
        box-shadow: var(--shadow-2);
      }
      .brand {
        display: flex;
        align-items: center;
        gap: 0.625rem;
      }
      .brand svg {
        width: 2rem;
        height: 2rem;
      }
      h1 {
        font-size: 1.25rem;
      }
    `,
  ];

  @property({ attribute: false }) problem: FlotillaError | undefined;
  /** Name of the page. */
  @property() heading = 'Topology';
  /** The scopes that the page needs. */
  @property() scopes = 'the scopes tokens, operate and faults';
  @query('input') private input!: HTMLInputElement;

  protected override firstUpdated(): void {
    this.input.focus();
  }

  protected override render(): TemplateResult {
    // Without a key the server answers UNAUTHENTICATED, which is not an error of the user.
    const wrong = this.problem?.code === 'FORBIDDEN' ? this.problem.message : undefined;
    return html`<form
      @submit=${(event: SubmitEvent) => {
        event.preventDefault();
        const key = this.input.value.trim();
        if (key !== '') this.dispatchEvent(new CustomEvent('key', { detail: key }));
      }}
    >
      <div class="brand">
        ${logo}
        <h1>${this.heading}</h1>
      </div>
      <div>
        <label for="key">API key</label>
        <input
          id="key"
          type="password"
          data-testid="key"
          autocomplete="off"
          aria-required="true"
          aria-invalid=${wrong !== undefined}
          aria-describedby="key-note"
        />
        <p
          id="key-note"
          class=${wrong === undefined ? 'hint' : 'wrong'}
          role=${wrong === undefined ? nothing : 'alert'}
        >
          ${
            wrong ??
            `An API key of the room registry with ${this.scopes}. The page forgets it when it is closed or loaded again.`
          }
        </p>
      </div>
      <button class="primary" data-testid="watch">Show the fleet</button>
    </form>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-key-form': KeyForm;
  }
}
