import { FlotillaError, type Room } from '@flotilla/client';
import { html, LitElement, type TemplateResult } from 'lit';
import { customElement, query, state } from 'lit/decorators.js';
import type { NoticeText } from './call-view.ts';
import './call-view.ts';
import type { DeviceChoice } from './device-menu.ts';
import { enterRoom, type Wish } from './join.ts';
import type { JoinWith, Lobby } from './lobby.ts';
import './lobby.ts';
import { MediaControls } from './media-controls.ts';
import type { Notice } from './notices.ts';
import './notices.ts';
import { displayNameProblem, roomNameProblem, tidyRoomName } from './room-name.ts';
import { recall, remember } from './settings.ts';
import { base } from '../shared/styles.ts';
import type { Command } from './toolbar.ts';

/** Long enough to read twice. What a warning says can be read again on the button it is about. */
const noticeStaysMs = { info: 6000, warning: 15_000 } as const;

/** The page: a lobby, then a call, then the lobby again. Owns the room and the user's devices. */
@customElement('flotilla-call-page')
export class CallPage extends LitElement {
  static override styles = base;

  readonly #media = new MediaControls({
    changed: () => (this.local = this.#media.view),
    problem: (text) => this.#onProblem(text),
  });
  @state() private local = this.#media.view;
  /** The call that is under way. */
  @state() room: Room | undefined;
  @state() private joining = false;
  @state() private problem: FlotillaError | undefined;
  @state() private needsToken = false;
  @state() private left: string | undefined;
  @state() private joinWith: JoinWith = { microphone: true, camera: true };
  @state() private notices: readonly Notice[] = [];
  @query('flotilla-lobby') private lobby!: Lobby;
  #wish: Wish = { room: '', name: '' };
  #lastNotice = 0;
  // A tab that is closed would stay in the room for as long as a lost one may come back.
  readonly #onPageHide = (): void => void this.room?.leave();

  override connectedCallback(): void {
    super.connectedCallback();
    globalThis.addEventListener('pagehide', this.#onPageHide);
    const asked = new URLSearchParams(location.search);
    const room = tidyRoomName(asked.get('room') ?? '');
    const name = asked.get('name')?.trim();
    const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? undefined;
    // A token is a secret: it should not stay where a shared screen or a copied address shows it.
    if (token !== undefined) history.replaceState(null, '', location.pathname + location.search);
    this.#wish = { room, name: name ?? recall('name') ?? '', token };
    this.needsToken = token !== undefined;
    if (room !== '' && name !== undefined) void this.#joinFromAddress();
    else void this.#previewIfAllowed();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    globalThis.removeEventListener('pagehide', this.#onPageHide);
    this.#leave();
  }

  protected override updated(): void {
    document.title = this.room ? `${this.room.name} · Flotilla` : 'Flotilla';
  }

  protected override render(): TemplateResult {
    const { room, local } = this;
    return html`
      ${
        room
          ? html`<flotilla-call-view
              .room=${room}
              .local=${local}
              @command=${({ detail }: CustomEvent<Command>) => this.#obey(detail)}
              @choose=${({ detail }: CustomEvent<DeviceChoice>) => this.#choose(detail)}
              @shapes=${({ detail }: CustomEvent<boolean>) => this.#media.showShapes(detail)}
              @notice=${({ detail }: CustomEvent<NoticeText>) => this.#notify(detail)}
            ></flotilla-call-view>`
          : html`<flotilla-lobby
              .name=${this.#wish.name}
              .room=${this.#wish.room}
              .token=${this.#wish.token ?? ''}
              .needsToken=${this.needsToken}
              .joining=${this.joining}
              .left=${this.left}
              .problem=${this.problem}
              .joinWith=${this.joinWith}
              .local=${local}
              @join=${({ detail }: CustomEvent<Wish>) => this.#joinFromLobby(detail)}
              @joinwith=${({ detail }: CustomEvent<JoinWith>) => this.#setJoinWith(detail)}
              @preview=${() => this.#media.camera.set(true)}
            ></flotilla-lobby>`
      }
      <flotilla-notices
        .notices=${this.notices}
        @dismiss=${({ detail }: CustomEvent<number>) => this.#dismiss(detail)}
      ></flotilla-notices>
    `;
  }

  // Joining and leaving.

  async #joinFromAddress(): Promise<void> {
    const { room, name } = this.#wish;
    if (roomNameProblem(room) === undefined && displayNameProblem(name) === undefined) return this.#join(this.#wish);
    void this.#previewIfAllowed();
    await this.updateComplete;
    await this.lobby.check();
    return undefined;
  }

  #joinFromLobby(wish: Wish): void {
    history.replaceState(null, '', `?room=${wish.room}`);
    void this.#join(wish);
  }

  /** Devices are opened while the room is entered, and published when both are there. */
  async #join(wish: Wish): Promise<void> {
    if (this.joining) return;
    performance.mark('flotilla:join');
    this.#wish = wish;
    this.joining = true;
    this.problem = undefined;
    this.left = undefined;
    const entering = enterRoom(wish);
    this.#media.microphone.set(this.joinWith.microphone);
    this.#media.camera.set(this.joinWith.camera);
    remember('name', wish.name);
    try {
      const room = await entering;
      performance.mark('flotilla:connected');
      room.on('closed', (error) => this.#ended(room, error));
      this.#media.attach(room);
      this.room = room;
      // It is used up.
      this.#wish = { ...wish, token: undefined };
      for (const { problem } of [this.local.microphone, this.local.camera]) if (problem) this.#onProblem(problem);
    } catch (error) {
      this.problem = this.#explain(error);
      if (this.problem.code === 'FORBIDDEN') this.needsToken = true;
      this.#media.microphone.set(false);
    } finally {
      this.joining = false;
    }
  }

  #explain(error: unknown): FlotillaError {
    if (!(error instanceof FlotillaError)) reportError(error);
    return FlotillaError.from(error);
  }

  #leave(): void {
    const { room } = this;
    if (!room) return;
    // The person is gone at once, whatever the server says to it.
    this.#ended(room, undefined);
    void room.leave();
  }

  #ended(room: Room, error: FlotillaError | undefined): void {
    if (this.room !== room) return;
    const { microphone, camera } = this.local;
    // What did not work may work the next time.
    this.joinWith = {
      microphone: microphone.on || microphone.problem !== undefined,
      camera: camera.on || camera.problem !== undefined,
    };
    this.room = undefined;
    this.left = room.name;
    this.problem = error;
    this.notices = [];
    this.#media.detach();
    // Without the name that would join again when the page is loaded again.
    history.replaceState(null, '', `?room=${room.name}`);
  }

  // Local media.

  #obey(command: Command): void {
    const { microphone, camera, screen } = this.#media;
    if (command === 'mic') microphone.set(!this.local.microphone.on);
    else if (command === 'camera') camera.set(!this.local.camera.on);
    else if (command === 'screen') void (this.local.screen.on ? screen.stop() : screen.start());
    else if (command === 'leave') this.#leave();
  }

  #onProblem(text: string): void {
    // Before the call there is the preview to show it, and a form that should not be covered.
    if (this.room) this.#notify({ kind: 'warning', text });
  }

  #choose({ kind, id }: DeviceChoice): void {
    if (kind !== 'speaker') this.#media[kind].use(id);
  }

  #setJoinWith(wanted: JoinWith): void {
    if (wanted.camera !== this.joinWith.camera) this.#media.camera.set(wanted.camera);
    this.joinWith = wanted;
  }

  /** Nobody is asked for permission just for opening the page. */
  async #previewIfAllowed(): Promise<void> {
    try {
      const { state: permission } = await navigator.permissions.query({ name: 'camera' });
      if (permission === 'granted' && !this.joining && !this.room && this.joinWith.camera) this.#media.camera.set(true);
    } catch {
      // A browser that can't tell: then the preview is a click away.
    }
  }

  // Notices.

  #notify(notice: NoticeText): void {
    const id = ++this.#lastNotice;
    this.notices = [...this.notices.filter(({ text }) => text !== notice.text), { ...notice, id }];
    // One with a button waits for it.
    if (!notice.action) setTimeout(() => this.#dismiss(id), noticeStaysMs[notice.kind]);
  }

  #dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-call-page': CallPage;
  }
}
