import type { Room } from '@flotilla/client';
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import type { Announcer } from '../shared/announcer.ts';
import '../shared/announcer.ts';
import type { AudioOutput } from './audio-output.ts';
import './audio-output.ts';
import { connectionStatus, personTile, recordingStatus, screenTile } from './call-tiles.ts';
import { callViewStyles } from './call-view-styles.ts';
import './chat.ts';
import { chatData } from './chat-message.ts';
import { connectionBadge } from './connection-badge.ts';
import type { DeviceChoice, DeviceMenu } from './device-menu.ts';
import './device-menu.ts';
import { FileDrop } from './files/file-drop.ts';
import { maxFileBytes, megabytes } from './files/file-messages.ts';
import type { Transfer } from './files/transfer.ts';
import './files/transfer-list.ts';
import { layOut } from './grid-layout.ts';
import { icons, logo } from '../shared/icons.ts';
import type { LocalView } from './media-controls.ts';
import type { NoticeText } from './notices.ts';
import { type ChatMessage, RoomWatcher } from './room-watcher.ts';
import { loadSetting, saveSetting } from './settings.ts';
import { BoxWatch } from './shapes/box-watch.ts';
import { base, buttons } from '../shared/styles.ts';
import { people, screens, sounds } from './tile-model.ts';
import type { Tile } from './tile.ts';
import './tile.ts';
import { canShareScreen, type Command, commandOf, type Toolbar } from './toolbar.ts';
import './toolbar.ts';

/** Chat messages that are kept; older ones are dropped. */
const maxMessages = 1000;

/**
 * The view of a joined call.
 *
 * @fires command - CustomEvent of a Command that the page handles: one about local media, or to leave
 * @fires choose - CustomEvent of a DeviceChoice
 * @fires shapes - CustomEvent of a boolean: publish moving shapes in place of the camera
 * @fires notice - CustomEvent of a NoticeText
 */
@customElement('flotilla-call-view')
export class CallView extends LitElement {
  static override styles = [base, buttons, connectionBadge, callViewStyles];

  @property({ attribute: false }) room!: Room;
  @property({ attribute: false }) local!: LocalView;
  @state() private size = { width: 0, height: 0 };
  @state() private messages: readonly ChatMessage[] = [];
  @state() private unread = 0;
  @state() private chatOpen = false;
  @state() private speaker = loadSetting('speaker');
  /** A file is being dragged over the page. */
  @state() private dropping = false;
  @state() private shortcuts = loadSetting('shortcuts') !== 'off';
  @query('.stage') private stage!: HTMLElement;
  @query('h1') private heading!: HTMLElement;
  @query('flotilla-announcer') private announcer!: Announcer;
  @query('flotilla-audio') private audio!: AudioOutput;
  @query('flotilla-toolbar') private toolbar!: Toolbar;
  @query('flotilla-device-menu') private deviceMenu!: DeviceMenu;
  @query('input[type=file]') private fileInput!: HTMLInputElement;
  #watcher!: RoomWatcher;
  #files!: FileDrop;
  #boxes!: BoxWatch;
  #soundBlocked = false;
  #framed = false;
  readonly #resized = new ResizeObserver(() => {
    this.size = { width: this.stage.clientWidth, height: this.stage.clientHeight };
    requestAnimationFrame(() => this.toggleAttribute('settled', true));
  });
  readonly #onKey = (event: KeyboardEvent): void => {
    const command = this.shortcuts && !this.deviceMenu.open ? commandOf(event) : undefined;
    if (!command) return;
    event.preventDefault();
    this.#run(command);
  };

  override connectedCallback(): void {
    super.connectedCallback();
    this.#watcher = new RoomWatcher(this.room, {
      changed: () => this.requestUpdate(),
      announce: (text) => this.announcer.announce(text),
      message: (message) => this.#onMessage(message),
      // Synchronously: the video elements lose their last frames with the tracks.
      mediaLost: () => this.renderRoot.querySelectorAll('flotilla-tile').forEach((tile) => tile.keepFrame()),
    });
    this.#files = new FileDrop(this.room, {
      changed: () => this.requestUpdate(),
      announce: (text) => this.announcer.announce(text),
    });
    this.#boxes = new BoxWatch(this.room, (boxes) => {
      const { participantId } = boxes;
      this.renderRoot.querySelector<Tile>(`[data-tile="${participantId}"]`)?.drawBoxes(boxes);
    });
    globalThis.addEventListener('keydown', this.#onKey);
    for (const type of dragEvents) this.addEventListener(type, this.#onDrag);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#watcher.stop();
    this.#resized.disconnect();
    globalThis.removeEventListener('keydown', this.#onKey);
    for (const type of dragEvents) this.removeEventListener(type, this.#onDrag);
    this.#files.close();
    this.#boxes.stop();
  }

  protected override firstUpdated(): void {
    this.#resized.observe(this.stage);
    // Screen readers read the room's name, and the next Tab leads to the call's controls.
    this.heading.focus({ preventScroll: true });
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    this.#boxes.update();
    const previous = changed.get('local');
    if (!previous || !this.hasUpdated) return;
    for (const [source, word] of [
      ['microphone', 'Microphone'],
      ['camera', 'Camera'],
      ['screen', 'Screen sharing'],
    ] as const) {
      if (previous[source].on !== this.local[source].on)
        this.announcer.announce(`${word} ${this.local[source].on ? 'on' : 'off'}`);
    }
  }

  protected override render(): TemplateResult {
    const { room, local } = this;
    const persons = people(room, this.#watcher, local);
    const shared = screens(room, local);
    const layout = layOut(persons.length, shared.length, this.size.width, this.size.height);
    const count = persons.length;
    return html`
      <header>
        ${logo}
        <h1 tabindex="-1">${room.name}</h1>
        <span class="count"
          >${icons.people}<span aria-hidden="true">${count}</span
          ><span class="unseen" data-testid="count"
            >${count === 1 ? '1 participant' : `${count} participants`}</span
          ></span
        >
        ${recordingStatus(room)} ${connectionStatus(room, this.#watcher.mediaLost)}
        <button
          class="small"
          data-testid="invite"
          aria-label="Copy the invitation link"
          title="Copy the invitation link"
          @click=${() => this.#copyInvite()}
        >
          ${icons.link}<span>Copy link</span>
        </button>
      </header>
      <main class="middle" aria-label="Call">
        <div class="stage" role="list" aria-label="Participants and shared screens">
          ${repeat(
            shared,
            ({ id }) => id,
            (tile, index) => screenTile(tile, layout.screens[index], this.#onFrame),
          )}
          ${repeat(
            persons,
            ({ id }) => id,
            (tile, index) => personTile(tile, layout.people[index], this.#onFrame),
          )}
          ${
            count === 1 && shared.length === 0 && !this.chatOpen
              ? html`<div class="alone" role="note">
                  <span>You are the only one here. Share the link to invite others.</span
                  ><button class="primary small" @click=${() => this.#copyInvite()}>Copy link</button>
                </div>`
              : nothing
          }
          ${
            this.#files.transfers.length > 0
              ? html`<flotilla-transfer-list
                  .transfers=${[...this.#files.transfers]}
                  @cancel=${({ detail }: CustomEvent<Transfer>) => this.#files.cancel(detail)}
                  @dismiss=${({ detail }: CustomEvent<Transfer>) => this.#files.dismiss(detail)}
                ></flotilla-transfer-list>`
              : nothing
          }
        </div>
        ${
          this.dropping
            ? html`<div class="drop">
                Drop to send to everyone in the call<small>Up to ${megabytes(maxFileBytes)}</small>
              </div>`
            : nothing
        }
        ${this.chatOpen ? this.#chat() : nothing}
      </main>
      <footer>
        <flotilla-toolbar
          .local=${local}
          .chatOpen=${this.chatOpen}
          .unread=${this.unread}
          .shortcuts=${this.shortcuts}
          @command=${({ detail }: CustomEvent<Command>) => this.#run(detail)}
        ></flotilla-toolbar>
      </footer>
      <flotilla-device-menu
        .local=${local}
        .speaker=${this.speaker}
        .shortcuts=${this.shortcuts}
        @choose=${({ detail }: CustomEvent<DeviceChoice>) => this.#choose(detail)}
        @shapes=${({ detail }: CustomEvent<boolean>) => this.dispatchEvent(new CustomEvent('shapes', { detail }))}
        @shortcuts=${({ detail }: CustomEvent<boolean>) => this.#setShortcuts(detail)}
      ></flotilla-device-menu>
      <input
        type="file"
        multiple
        hidden
        data-testid="file"
        aria-label="Files to send"
        @change=${() => this.#sendFiles()}
      />
      <flotilla-audio
        .sounds=${sounds(room)}
        .speaker=${this.speaker}
        @blocked=${() => this.#onSoundBlocked()}
      ></flotilla-audio>
      <flotilla-announcer></flotilla-announcer>
    `;
  }

  #chat(): TemplateResult {
    return html`<flotilla-chat
      role="complementary"
      aria-label="Chat"
      .messages=${this.messages}
      @send=${({ detail }: CustomEvent<string>) => this.#send(detail)}
      @attach=${() => this.fileInput.click()}
      @close=${() => this.#toggleChat()}
      @keydown=${({ key }: KeyboardEvent) => key === 'Escape' && this.#toggleChat()}
    ></flotilla-chat>`;
  }

  #run(command: Command): void {
    if (command === 'chat') this.#toggleChat();
    else if (command === 'devices') this.deviceMenu.show();
    else if (command !== 'screen' || canShareScreen)
      this.dispatchEvent(new CustomEvent<Command>('command', { detail: command }));
  }

  #toggleChat(): void {
    this.chatOpen = !this.chatOpen;
    this.unread = 0;
    // The chat takes the focus when it opens; closing it returns the focus to its button.
    if (!this.chatOpen) this.toolbar.focusOn('chat');
  }

  #sendFiles(): void {
    this.#files.send([...(this.fileInput.files ?? [])]);
    // Lets the user choose the same file again: without this, there is no change event.
    this.fileInput.value = '';
  }

  /** Handles dragged files; without this, the browser would navigate to a dropped file. */
  readonly #onDrag = (event: DragEvent): void => {
    const { dataTransfer, type } = event;
    if (!dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    // Moving between elements of the page fires dragleave too, with the next element as relatedTarget.
    if (type === 'dragleave') this.dropping = event.relatedTarget !== null;
    else this.dropping = type !== 'drop';
    if (type === 'drop') this.#files.send([...dataTransfer.files]);
  };

  #onMessage(message: ChatMessage): void {
    this.messages = [...this.messages, message].slice(-maxMessages);
    if (this.chatOpen) return;
    this.unread++;
    this.announcer.announce(`New message from ${message.from ?? 'you'}`);
  }

  async #send(text: string): Promise<void> {
    try {
      await this.room.send(chatData(text));
    } catch {
      this.#notify({
        kind: 'warning',
        text: `Your message was not sent: “${text.slice(0, 80)}”. Send it again when the connection is back.`,
      });
    }
  }

  async #copyInvite(): Promise<void> {
    const link = new URL(`?room=${encodeURIComponent(this.room.name)}`, location.origin + location.pathname).href;
    try {
      await navigator.clipboard.writeText(link);
      this.#notify({ kind: 'info', text: 'Invitation link copied. Everyone who opens it can join this call.' });
    } catch {
      // No permission, or not a secure context: the user copies it by hand.
      this.#notify({ kind: 'info', text: `Copy this invitation link: ${link}` });
    }
  }

  #choose(detail: DeviceChoice): void {
    if (detail.kind !== 'speaker') {
      this.dispatchEvent(new CustomEvent<DeviceChoice>('choose', { detail }));
      return;
    }
    this.speaker = detail.id;
    saveSetting('speaker', detail.id);
  }

  #setShortcuts(on: boolean): void {
    this.shortcuts = on;
    saveSetting('shortcuts', on ? undefined : 'off');
  }

  #onSoundBlocked(): void {
    if (this.#soundBlocked) return;
    this.#soundBlocked = true;
    const run = (): void => {
      this.#soundBlocked = false;
      void this.audio.play();
    };
    this.#notify({
      kind: 'warning',
      text: 'The browser blocks sound until you click.',
      action: { label: 'Enable sound', run },
    });
  }

  readonly #onFrame = (): void => {
    if (this.#framed) return;
    this.#framed = true;
    performance.mark('flotilla:first-frame');
  };

  #notify(detail: NoticeText): void {
    this.dispatchEvent(new CustomEvent<NoticeText>('notice', { detail }));
  }
}

const dragEvents = ['dragenter', 'dragover', 'dragleave', 'drop'] as const;

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-call-view': CallView;
  }
}
