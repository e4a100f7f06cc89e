import type { FlotillaError } from '@flotilla/client';
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { classMap } from 'lit/directives/class-map.js';
import { icons, logo } from '../shared/icons.ts';
import type { JoinRequest } from './join.ts';
import { lobbyStyles } from './lobby-styles.ts';
import type { LocalView } from './media-controls.ts';
import { advice } from './problems.ts';
import { displayNameProblem, roomNameProblem, tidyRoomName } from './room-name.ts';
import { sourceObject } from './source-object.ts';
import { base, buttons, fields } from '../shared/styles.ts';

/** Which devices are on when the call starts. */
export interface JoinWith {
  readonly microphone: boolean;
  readonly camera: boolean;
}

type FieldId = 'name' | 'room' | 'token';

interface Field {
  readonly label: string;
  readonly placeholder: string;
  readonly autocomplete: 'name' | 'off';
  readonly maxlength?: number;
  readonly hint?: string;
}

const formFields: Record<FieldId, Field> = {
  name: { label: 'Your name', placeholder: 'Ada Lovelace', autocomplete: 'name', maxlength: 64 },
  room: {
    label: 'Room',
    placeholder: 'team-standup',
    autocomplete: 'off',
    hint: 'Lower-case letters, digits, “-” and “_”. A new name creates a new room.',
  },
  token: {
    label: 'Join token',
    placeholder: 'eyJ…',
    autocomplete: 'off',
    hint: 'This server requires a join token. The person who invited you can issue one. A token works once.',
  },
};

/**
 * The form that a call starts from: name, room and devices.
 *
 * @fires join - CustomEvent of a JoinRequest
 * @fires joinwith - CustomEvent of a JoinWith
 * @fires preview - the user wants to see the camera
 */
@customElement('flotilla-lobby')
export class Lobby extends LitElement {
  static override styles = [base, buttons, fields, lobbyStyles];

  @property() name = '';
  @property() room = '';
  @property() token = '';
  /** The console issues no tokens: the user has to enter one. */
  @property({ type: Boolean }) needsToken = false;
  @property({ type: Boolean }) joining = false;
  /** Name of the room that the user has just left. */
  @property() left: string | undefined;
  @property({ attribute: false }) problem: FlotillaError | undefined;
  @property({ attribute: false }) joinWith!: JoinWith;
  @property({ attribute: false }) local!: LocalView;
  /** Fields that show their problem: those that the user has edited or submitted. */
  @state() private checked = { name: false, room: false, token: false };
  /** The room name ends in a dash that was typed as a space; phone keyboards append one after a word. */
  #trailingDash = false;
  @query('form button') private joinButton!: HTMLButtonElement;

  override focus(): void {
    const first = this.name === '' ? '#name' : this.room === '' ? '#room' : this.needsToken ? '#token' : undefined;
    (first === undefined ? this.joinButton : this.renderRoot.querySelector<HTMLElement>(first))?.focus();
  }

  /** Validates all fields, focuses the first invalid one, and returns whether all are valid. */
  async validate(): Promise<boolean> {
    this.checked = { name: true, room: true, token: true };
    await this.updateComplete;
    const invalid = this.renderRoot.querySelector<HTMLElement>('[aria-invalid=true]');
    invalid?.focus();
    return invalid === null;
  }

  protected override firstUpdated(): void {
    if (!this.joining) this.focus();
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.get('joining') === true || (changed.has('needsToken') && this.needsToken)) this.focus();
  }

  #problems(): { id: FieldId; problem: string | undefined }[] {
    return [
      { id: 'name', problem: displayNameProblem(this.name) },
      { id: 'room', problem: roomNameProblem(this.room) },
      {
        id: 'token',
        problem: this.needsToken && this.token === '' ? 'Paste your join token.' : undefined,
      },
    ];
  }

  protected override render(): TemplateResult {
    return html`<div class="page">
      <header class="brand">${logo} Flotilla</header>
      <main>
        <section class="preview" aria-label="Your camera and microphone">${this.#preview()}</section>
        <section aria-labelledby="title">
          <h1 id="title" tabindex="-1">
            ${this.left === undefined ? 'Join a call' : this.problem ? 'The call ended' : 'You left the call'}
          </h1>
          <p class="lead">${this.#lead()}</p>
          ${this.problem ? explain(this.problem) : nothing}
          <form novalidate @submit=${(event: SubmitEvent) => this.#submit(event)}>
            ${this.#field('name')} ${this.#field('room')} ${this.needsToken ? this.#field('token') : nothing}
            <button class="primary" data-testid="join" ?disabled=${this.joining}>
              ${this.joining ? html`<span class="spinner"></span> Joining…` : this.#action()}
            </button>
          </form>
          <div class="unseen" role="status">${this.joining ? `Joining ${this.room}` : ''}</div>
        </section>
      </main>
    </div>`;
  }

  #lead(): TemplateResult {
    if (this.left !== undefined) return html`Join <b>${this.left}</b> again, or enter another room.`;
    return html`Choose a room name. Everyone who joins the room with that name is in the same call.`;
  }

  #action(): string {
    if (this.left !== undefined) return 'Join again';
    // A request for a token is not a failed attempt.
    return this.problem && this.problem.code !== 'FORBIDDEN' ? 'Try again' : 'Join';
  }

  #preview(): TemplateResult {
    const { microphone, camera } = this.joinWith;
    const { stream, facesAway } = this.local.camera;
    return html`
      ${
        camera && stream
          ? html`<video
              class=${classMap({ mirrored: !facesAway })}
              autoplay
              playsinline
              .muted=${true}
              .srcObject=${sourceObject(stream)}
              aria-label="Preview of your camera"
            ></video>`
          : this.#noPreview()
      }
      <div class="switches">
        <button
          class="icon ${microphone ? '' : 'off'}"
          aria-label="Join with microphone"
          aria-pressed=${microphone}
          title=${microphone ? 'Join muted' : 'Join with the microphone on'}
          ?disabled=${this.joining}
          @click=${() => this.#joinWith({ microphone: !microphone, camera })}
        >
          ${microphone ? icons.microphone : icons.microphoneOff}
        </button>
        <button
          class="icon ${camera ? '' : 'off'}"
          aria-label="Join with camera"
          aria-pressed=${camera}
          title=${camera ? 'Join with the camera off' : 'Join with the camera on'}
          ?disabled=${this.joining}
          @click=${() => this.#joinWith({ microphone, camera: !camera })}
        >
          ${camera ? icons.camera : icons.cameraOff}
        </button>
      </div>
    `;
  }

  #noPreview(): TemplateResult {
    const { busy, problem } = this.local.camera;
    const { camera } = this.joinWith;
    const text = !camera
      ? 'Your camera is off'
      : (problem ?? (busy ? 'Starting the camera…' : 'Your camera starts when you join'));
    const preview = (): boolean => this.dispatchEvent(new Event('preview'));
    return html`<div class="absent">
      ${camera ? icons.camera : icons.cameraOff}
      <span>${text}</span>
      ${
        camera && !busy && !this.joining
          ? html`<button class="small" @click=${preview}>${problem ? 'Try again' : 'Show preview'}</button>`
          : nothing
      }
    </div>`;
  }

  #field(id: FieldId): TemplateResult {
    const { label, autocomplete, placeholder, maxlength, hint } = formFields[id];
    const problem = this.checked[id] ? this.#problems().find((field) => field.id === id)?.problem : undefined;
    return html`<div class="field">
      <label for=${id}>${label}</label>
      <input
        id=${id}
        data-testid=${id}
        .value=${this[id]}
        placeholder=${placeholder}
        autocomplete=${autocomplete}
        autocapitalize=${id === 'name' ? 'words' : 'none'}
        spellcheck="false"
        maxlength=${maxlength ?? nothing}
        ?disabled=${this.joining}
        aria-required="true"
        aria-invalid=${problem !== undefined}
        aria-describedby="${id}-note"
        @input=${(event: Event) => this.#onInput(id, event.target as HTMLInputElement)}
        @change=${() => (this.checked = { ...this.checked, [id]: true })}
      />
      <p id="${id}-note" class=${problem === undefined ? 'hint' : 'wrong'}>${problem ?? hint ?? ''}</p>
    </div>`;
  }

  #onInput(id: FieldId, input: HTMLInputElement): void {
    if (id === 'room') {
      this.#trailingDash = /\s$/.test(input.value);
      const tidy = tidyRoomName(input.value);
      if (tidy !== input.value) {
        // Assigning a value moves the cursor to its end.
        const fromEnd = input.value.length - (input.selectionEnd ?? input.value.length);
        input.value = tidy;
        input.setSelectionRange(tidy.length - fromEnd, tidy.length - fromEnd);
      }
      // Invalid characters are reported while typing.
      if (/[^a-z0-9_-]/.test(tidy)) this.checked = { ...this.checked, room: true };
    }
    this[id] = id === 'token' ? input.value.trim() : input.value;
  }

  #joinWith(detail: JoinWith): void {
    this.dispatchEvent(new CustomEvent('joinwith', { detail }));
  }

  async #submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    if (this.#trailingDash) this.room = this.room.replace(/-$/, '');
    this.#trailingDash = false;
    if (!(await this.validate())) return;
    const detail: JoinRequest = { room: this.room, name: this.name.trim(), token: this.token || undefined };
    this.dispatchEvent(new CustomEvent('join', { detail }));
  }
}

function explain({ code, message }: FlotillaError): TemplateResult {
  return html`<div class="problem" role="alert">
    ${icons.warning}
    <div>
      <b>${sentence(message)}</b>
      ${advice(code)}<br />
      <code>${code}</code>
    </div>
  </div>`;
}

/** Turns an error message, which has no capital and no full stop, into a sentence. */
function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-lobby': Lobby;
  }
}
