import { listDevices, type MediaDevice, type MediaDevices } from '@flotilla/client';
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { canChooseSpeaker } from './audio-output.ts';
import { icons } from '../shared/icons.ts';
import type { LocalView } from './media-controls.ts';
import { base, buttons, fields } from '../shared/styles.ts';

export type DeviceKind = 'microphone' | 'camera' | 'speaker';

export interface DeviceChoice {
  readonly kind: DeviceKind;
  readonly id: string;
}

const words: Record<DeviceKind, string> = { microphone: 'Microphone', camera: 'Camera', speaker: 'Speaker' };
const none: MediaDevices = { microphones: [], cameras: [], speakers: [] };

/**
 * Modal dialog for devices and settings.
 *
 * @fires choose - CustomEvent of a DeviceChoice
 * @fires shapes - CustomEvent of a boolean: publish moving shapes in place of the camera
 * @fires shortcuts - CustomEvent of a boolean: keyboard shortcuts are enabled
 */
@customElement('flotilla-device-menu')
export class DeviceMenu extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    css`
      dialog {
        width: min(26rem, calc(100vw - 1.5rem));
        max-height: calc(100dvh - 1.5rem);
        padding: 1.25rem;
        border: 1px solid var(--line);
        border-radius: var(--radius-l);
        background: var(--surface);
        color: var(--text);
        box-shadow: var(--shadow-2);
        overflow-y: auto;
      }
      dialog::backdrop {
        background: rgb(8 10 18 / 0.55);
      }
      header {
        display: flex;
        align-items: center;
        justify-content: space-between;
        margin: -0.375rem -0.375rem 0.75rem 0;
      }
      h2 {
        font-size: 1.125rem;
        font-weight: 650;
      }
      .field {
        margin-bottom: 1rem;
      }
      .switch {
        display: flex;
        align-items: flex-start;
        gap: 0.75rem;
        margin: 0;
        padding-top: 1rem;
        border-top: 1px solid var(--line);
        cursor: pointer;
      }
      .switch + .switch {
        margin-top: 1rem;
      }
      .switch input {
        flex: none;
        width: 1.25rem;
        height: 1.25rem;
        margin: 0.05rem 0 0;
        accent-color: var(--accent);
      }
      .switch small {
        display: block;
        margin-top: 0.125rem;
        color: var(--text-2);
        font-size: 0.8125rem;
        font-weight: 400;
      }
    `,
  ];

  @property({ attribute: false }) local!: LocalView;
  @property() speaker: string | undefined;
  @property({ type: Boolean }) shortcuts = true;
  @state() private devices = none;
  @query('dialog') private dialog!: HTMLDialogElement;
  readonly #refresh = (): void => void this.#list();

  get open(): boolean {
    return this.dialog.open;
  }

  /** Opens the dialog. When it closes, the focus returns to the element that had it. */
  show(): void {
    this.#refresh();
    if (!this.dialog.open) this.dialog.showModal();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    navigator.mediaDevices?.addEventListener('devicechange', this.#refresh);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    navigator.mediaDevices?.removeEventListener('devicechange', this.#refresh);
  }

  async #list(): Promise<void> {
    this.devices = await listDevices().catch(() => none);
  }

  protected override render(): TemplateResult {
    const { microphones, cameras, speakers } = this.devices;
    return html`<dialog aria-labelledby="title" @click=${(event: MouseEvent) => this.#clickOutside(event)}>
      <header>
        <h2 id="title">Devices and settings</h2>
        <button class="plain small icon" aria-label="Close" @click=${() => this.dialog.close()}>${icons.close}</button>
      </header>
      ${this.#choice('microphone', microphones, this.local.microphone.deviceId)}
      ${this.#choice('camera', cameras, this.local.camera.deviceId)}
      ${canChooseSpeaker && speakers.length > 0 ? this.#choice('speaker', speakers, this.speaker) : nothing}
      <label class="switch">
        <input
          type="checkbox"
          data-testid="shapes"
          .checked=${this.local.shapes}
          @change=${({ target }: Event) => this.#fire('shapes', (target as HTMLInputElement).checked)}
        />
        <span
          >Moving shapes instead of my camera<small
            >Demonstrates metadata: others see a box around each shape, drawn on the frame it belongs to</small
          ></span
        >
      </label>
      <label class="switch">
        <input
          type="checkbox"
          .checked=${this.shortcuts}
          @change=${({ target }: Event) => this.#fire('shortcuts', (target as HTMLInputElement).checked)}
        />
        <span
          >Keyboard shortcuts<small
            >M microphone · V camera · S screen · C chat · D this dialog · Shift+L leave</small
          ></span
        >
      </label>
    </dialog>`;
  }

  #choice(kind: DeviceKind, devices: readonly MediaDevice[], current: string | undefined): TemplateResult {
    // Before permission is granted, browsers list no devices, or one without a label per kind.
    const chosen = devices.some(({ id }) => id === current) ? current : devices[0]?.id;
    const option = ({ id, label }: MediaDevice, index: number): TemplateResult =>
      html`<option value=${id} .selected=${id === chosen}>${label || `${words[kind]} ${index + 1}`}</option>`;
    return html`<div class="field">
      <label for=${kind}>${words[kind]}</label>
      <select
        id=${kind}
        ?disabled=${devices.length === 0}
        @change=${({ target }: Event) => this.#fire('choose', { kind, id: (target as HTMLSelectElement).value })}
      >
        ${devices.length === 0 ? html`<option>None available</option>` : devices.map(option)}
      </select>
    </div>`;
  }

  #fire(name: 'choose' | 'shapes' | 'shortcuts', detail: DeviceChoice | boolean): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** Closes the dialog on a click on its backdrop. Clicks on the backdrop and on the dialog's padding target the dialog. */
  #clickOutside(event: MouseEvent): void {
    if (event.target !== this.dialog) return;
    const { left, right, top, bottom } = this.dialog.getBoundingClientRect();
    const { clientX: x, clientY: y } = event;
    if (x < left || x > right || y < top || y > bottom) this.dialog.close();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-device-menu': DeviceMenu;
  }
}
