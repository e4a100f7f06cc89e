import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { classMap } from 'lit/directives/class-map.js';
import { icons } from '../shared/icons.ts';
import type { LocalView } from './media-controls.ts';
import { base, buttons } from '../shared/styles.ts';

export const commands = ['mic', 'camera', 'screen', 'chat', 'devices', 'leave'] as const;
export type Command = (typeof commands)[number];

/** Leaving takes two keys, so that text typed outside the chat field does not end the call. */
const shortcuts: Record<Command, string> = {
  mic: 'M',
  camera: 'V',
  screen: 'S',
  chat: 'C',
  devices: 'D',
  leave: 'Shift+L',
};

/** Command of a key press; undefined while the user is typing. */
export function commandOf(event: KeyboardEvent): Command | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return undefined;
  const target = event.composedPath()[0];
  if (
    target instanceof HTMLElement &&
    target.matches('input:not([type=checkbox]), textarea, select, [contenteditable]')
  )
    return undefined;
  const pressed = `${event.shiftKey ? 'Shift+' : ''}${event.key.toUpperCase()}`;
  return commands.find((command) => shortcuts[command] === pressed);
}

export const canShareScreen = typeof navigator.mediaDevices?.getDisplayMedia === 'function';

interface Button {
  readonly command: Command;
  readonly name: string;
  readonly icon: TemplateResult;
  /** Describes the effect of a press. */
  readonly tip: string;
  readonly look?: 'off' | 'active' | 'leave' | undefined;
  readonly pressed?: boolean;
  readonly busy?: boolean;
  readonly dialog?: boolean;
  /** Text in the corner of the button. */
  readonly badge?: string | undefined;
  /** Why the device does not work; shown in place of the tip. */
  readonly problem?: string | undefined;
}

/**
 * The call's buttons.
 *
 * @fires command - CustomEvent of the Command
 */
@customElement('flotilla-toolbar')
export class Toolbar extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      .bar {
        display: flex;
        justify-content: center;
        gap: clamp(0.375rem, 1.6vw, 0.75rem);
        width: fit-content;
        max-width: 100%;
        margin: 0 auto;
        padding: 0.5rem;
        border: 1px solid var(--line);
        border-radius: 2rem;
        background: var(--surface);
        box-shadow: var(--shadow-1);
      }
      .place {
        position: relative;
      }
      .place > button {
        width: 3rem;
        height: 3rem;
        padding: 0;
        border-radius: 50%;
      }
      .place svg {
        width: 1.375rem;
        height: 1.375rem;
      }
      .place > button.off {
        background: var(--danger-soft);
        color: var(--danger-ink);
      }
      .place > button.off:hover {
        background: color-mix(in srgb, var(--danger-ink) 14%, var(--danger-soft));
      }
      .place > button.active {
        background: var(--accent);
        color: var(--on-accent);
      }
      .place > button.active:hover {
        background: var(--accent-hover);
      }
      .place > button.leave {
        width: 4rem;
        border-radius: 1.5rem;
        background: var(--danger);
        color: var(--on-danger);
      }
      .place > button.leave:hover {
        background: var(--danger-hover);
      }
      .busy svg {
        animation: wait 1s ease-in-out infinite alternate;
      }
      @keyframes wait {
        from {
          opacity: 0.35;
        }
      }
      .badge {
        position: absolute;
        top: -0.2rem;
        right: -0.2rem;
        min-width: 1.25rem;
        padding: 0 0.3rem;
        border: 2px solid var(--surface);
        border-radius: 1rem;
        background: var(--danger);
        color: var(--on-danger);
        font-size: 0.6875rem;
        font-weight: 700;
        line-height: 1.1rem;
        text-align: center;
        pointer-events: none;
      }
      .badge.problem {
        background: var(--warn);
        color: var(--on-warn);
      }
      .tip {
        position: absolute;
        z-index: 5;
        bottom: calc(100% + 0.75rem);
        left: 50%;
        display: none;
        padding: 0.375rem 0.625rem;
        border-radius: var(--radius-s);
        background: var(--text);
        color: var(--bg);
        font-size: 0.8125rem;
        font-weight: 500;
        line-height: 1.3;
        width: max-content;
        max-width: min(18rem, 80vw);
        translate: -50% 0;
      }
      /* Bridges the gap, so that the pointer can move onto the tip. */
      .tip::after {
        content: '';
        position: absolute;
        inset: 100% 0 auto;
        height: 0.75rem;
      }
      kbd {
        margin-left: 0.375rem;
        padding: 0 0.3rem;
        border: 1px solid color-mix(in srgb, currentcolor 45%, transparent);
        border-radius: 0.25rem;
        font: inherit;
        font-size: 0.75rem;
      }
      .place:last-child .tip {
        left: auto;
        right: 0;
        translate: 0 0;
      }
      .place:first-child .tip {
        left: 0;
        translate: 0 0;
      }
      button:focus-visible ~ .tip {
        display: block;
      }
      @media (hover: hover) {
        .place:hover .tip {
          display: block;
        }
      }
      /* Escape hides the tips until the pointer or the focus moves. */
      :host([quiet]) .place .tip {
        display: none;
      }
      @media (max-width: 26rem) {
        .bar {
          justify-content: space-between;
          width: 100%;
        }
        .place > button {
          width: 2.75rem;
          height: 2.75rem;
        }
        .place > button.leave {
          width: 3.25rem;
        }
      }
    `,
  ];

  @property({ attribute: false }) local!: LocalView;
  @property({ type: Boolean }) chatOpen = false;
  @property({ type: Number }) unread = 0;
  /** Keyboard shortcuts are enabled; the tips show them. */
  @property({ type: Boolean }) shortcuts = true;
  @property({ type: Boolean, reflect: true }) quiet = false;

  override focus(): void {
    this.focusOn('mic');
  }

  focusOn(command: Command): void {
    this.renderRoot.querySelector<HTMLButtonElement>(`[data-testid=${command}]`)?.focus();
  }

  protected override render(): TemplateResult {
    const allowTips = (): void => {
      this.quiet = false;
    };
    const hideTips = ({ key }: KeyboardEvent): void => {
      if (key === 'Escape') this.quiet = true;
    };
    return html`<div
      class="bar"
      role="group"
      aria-label="Call controls"
      @pointerover=${allowTips}
      @focusin=${allowTips}
      @keydown=${hideTips}
    >
      ${this.#buttons().map((button) => this.#button(button))}
    </div>`;
  }

  #buttons(): Button[] {
    const { microphone, camera, screen } = this.local;
    const { unread, chatOpen } = this;
    const all: Button[] = [
      {
        command: 'mic',
        name: 'Microphone',
        icon: microphone.on ? icons.microphone : icons.microphoneOff,
        tip: microphone.on ? 'Mute' : 'Unmute',
        look: microphone.on ? undefined : 'off',
        pressed: microphone.on,
        busy: microphone.busy,
        problem: microphone.problem,
      },
      {
        command: 'camera',
        name: 'Camera',
        icon: camera.on ? icons.camera : icons.cameraOff,
        tip: camera.on ? 'Turn the camera off' : 'Turn the camera on',
        look: camera.on ? undefined : 'off',
        pressed: camera.on,
        busy: camera.busy,
        problem: camera.problem,
      },
      {
        command: 'screen',
        name: 'Share screen',
        icon: screen.on ? icons.screenOff : icons.screen,
        tip: screen.on ? 'Stop sharing' : 'Share your screen',
        look: screen.on ? 'active' : undefined,
        pressed: screen.on,
        busy: screen.busy,
      },
      {
        command: 'chat',
        name: unread > 0 ? `Chat, ${unread} unread` : 'Chat',
        icon: icons.chat,
        tip: chatOpen ? 'Close the chat' : 'Open the chat',
        look: chatOpen ? 'active' : undefined,
        pressed: chatOpen,
        badge: unread > 99 ? '99+' : unread > 0 ? String(unread) : undefined,
      },
      {
        command: 'devices',
        name: 'Devices and settings',
        icon: icons.devices,
        tip: 'Devices and settings',
        dialog: true,
      },
      { command: 'leave', name: 'Leave the call', icon: icons.leave, tip: 'Leave the call', look: 'leave' },
    ];
    return canShareScreen ? all : all.filter(({ command }) => command !== 'screen');
  }

  #button({ command, name, icon, tip, look, pressed, busy = false, dialog, badge, problem }: Button): TemplateResult {
    const mark = problem === undefined ? badge : '!';
    return html`<span class="place">
      <button
        class=${classMap({ [look ?? 'on']: true, busy })}
        data-testid=${command}
        aria-label=${name}
        aria-pressed=${pressed ?? nothing}
        aria-busy=${busy}
        aria-haspopup=${dialog ? 'dialog' : nothing}
        aria-describedby="tip-${command}"
        aria-keyshortcuts=${this.shortcuts ? shortcuts[command] : nothing}
        @click=${() => this.dispatchEvent(new CustomEvent<Command>('command', { detail: command }))}
      >
        ${icon}
      </button>
      ${
        mark === undefined
          ? nothing
          : html`<span class=${classMap({ badge: true, problem: problem !== undefined })} aria-hidden="true"
              >${mark}</span
            >`
      }
      <span class="tip" role="tooltip" id="tip-${command}"
        >${problem ?? tip}${this.shortcuts ? html`<kbd>${shortcuts[command]}</kbd>` : nothing}</span
      >
    </span>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-toolbar': Toolbar;
  }
}
