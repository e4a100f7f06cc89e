import { FlotillaError, type Room } from '@flotilla/client';
import { html, LitElement, type TemplateResult } from 'lit';
import { customElement, query, state } from 'lit/decorators.js';
import './call-view.ts';
import type { DeviceChoice } from './device-menu.ts';
import { joinRoom, type JoinRequest } from './join.ts';
import type { JoinWith, Lobby } from './lobby.ts';
import './lobby.ts';
import { MediaControls } from './media-controls.ts';
import type { Notice, NoticeText } from './notices.ts';
import './notices.ts';
import { displayNameProblem, roomNameProblem, tidyRoomName } from './room-name.ts';
import { loadSetting, saveSetting } from './settings.ts';
import { base } from '../shared/styles.ts';
import type { Command } from './toolbar.ts';

/** How long other notices than those that last are shown, ms. */
const noticeDurationMs = { info: 6000, warning: 15_000 } as const;

/** The call page: shows the lobby or the call. Owns the room and the user's devices. */
@customElement('flotilla-call-page')
export class CallPage extends LitElement {
  static override styles = base;

  readonly #media = new MediaControls({
    changed: () => (this.local = this.#media.view),
    problem: (text) => this.#onProblem(text),
  });
  @state() private local = this.#media.view;
  /** The current call. */
  @state() room: Room | undefined;
  @state() private joining = false;
  @state() private problem: FlotillaError | undefined;
  @state() private needsToken = false;
  @state() private left: string | undefined;
  @state() private joinWith: JoinWith = { microphone: true, camera: true };
  @state() private notices: readonly Notice[] = [];
  @query('flotilla-lobby') private lobby!: Lobby;
  #request: JoinRequest = { room: '', name: '' };
  #lastNotice = 0;
  /** Id of the notice about `room.mediaError`. */
  #mediaErrorNotice: number | undefined;
  /** Aborts the join that is running. */
  #abortJoin = new AbortController();
  // Without leaving, a closed tab would stay in the room until its resume window ends.
  readonly #onPageHide = (): void => {
    this.#abortJoin.abort();
    void this.room?.leave();
  };

  override connectedCallback(): void {
    super.connectedCallback();
    globalThis.addEventListener('pagehide', this.#onPageHide);
    const query = new URLSearchParams(location.search);
    const room = tidyRoomName(query.get('room') ?? '');
    const name = query.get('name')?.trim();
    const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? undefined;
    // A token is a secret: remove it from the address bar, where a shared screen or a copied address would show it.
    if (token !== undefined) history.replaceState(null, '', location.pathname + location.search);
    this.#request = { room, name: name ?? loadSetting('name') ?? '', token };
    this.needsToken = token !== undefined;
    if (room !== '' && name !== undefined) void this.#joinFromAddress();
    else void this.#previewIfAllowed();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    globalThis.removeEventListener('pagehide', this.#onPageHide);
    this.#abortJoin.abort();
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
              @command=${({ detail }: CustomEvent<Command>) => this.#run(detail)}
              @choose=${({ detail }: CustomEvent<DeviceChoice>) => this.#choose(detail)}
              @shapes=${({ detail }: CustomEvent<boolean>) => this.#media.showShapes(detail)}
              @notice=${({ detail }: CustomEvent<NoticeText>) => this.#notify(detail)}
            ></flotilla-call-view>`
          : html`<flotilla-lobby
              .name=${this.#request.name}
              .room=${this.#request.room}
              .token=${this.#request.token ?? ''}
              .needsToken=${this.needsToken}
              .joining=${this.joining}
              .left=${this.left}
              .problem=${this.problem}
              .joinWith=${this.joinWith}
              .local=${local}
              @join=${({ detail }: CustomEvent<JoinRequest>) => this.#joinFromLobby(detail)}
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

  async #joinFromAddress(): Promise<void> {
    const { room, name } = this.#request;
    if (roomNameProblem(room) === undefined && displayNameProblem(name) === undefined) return this.#join(this.#request);
    void this.#previewIfAllowed();
    await this.updateComplete;
    await this.lobby.validate();
    return undefined;
  }

  #joinFromLobby(request: JoinRequest): void {
    history.replaceState(null, '', `?room=${request.room}`);
    void this.#join(request);
  }

  /** Opens the devices while it joins the room; each is published when it is open and the room is joined. */
  async #join(request: JoinRequest): Promise<void> {
    if (this.joining) return;
    performance.mark('flotilla:join');
    this.#request = request;
    this.joining = true;
    this.problem = undefined;
    this.left = undefined;
    this.#abortJoin = new AbortController();
    const { signal } = this.#abortJoin;
    const joined = joinRoom(request, signal);
    this.#media.microphone.set(this.joinWith.microphone);
    this.#media.camera.set(this.joinWith.camera);
    saveSetting('name', request.name);
    try {
      const room = await joined;
      performance.mark('flotilla:connected');
      room.on('closed', (error) => this.#ended(room, error));
      room.on('mediaErrorChanged', (error) => this.#onMediaError(error));
      this.#media.attach(room);
      this.room = room;
      this.#onMediaError(room.mediaError);
      // A token works once.
      this.#request = { ...request, token: undefined };
      for (const { problem } of [this.local.microphone, this.local.camera]) if (problem) this.#onProblem(problem);
    } catch (error) {
      if (signal.aborted) return;
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
    // The page shows the lobby at once; it does not wait for the server's reply.
    this.#ended(room, undefined);
    void room.leave();
  }

  #ended(room: Room, error: FlotillaError | undefined): void {
    if (this.room !== room) return;
    const { microphone, camera } = this.local;
    // A device that failed is tried again in the next call.
    this.joinWith = {
      microphone: microphone.on || microphone.problem !== undefined,
      camera: camera.on || camera.problem !== undefined,
    };
    this.room = undefined;
    this.left = room.name;
    this.problem = error;
    this.notices = [];
    this.#media.detach();
    // With the name in the address, reloading the page would join again.
    history.replaceState(null, '', `?room=${room.name}`);
  }

  #run(command: Command): void {
    const { microphone, camera, screen } = this.#media;
    if (command === 'mic') microphone.set(!this.local.microphone.on);
    else if (command === 'camera') camera.set(!this.local.camera.on);
    else if (command === 'screen') void (this.local.screen.on ? screen.stop() : screen.start());
    else if (command === 'leave') this.#leave();
  }

  #onProblem(text: string): void {
    // Before the call the preview shows it; a notice would cover the form.
    if (this.room) this.#notify({ kind: 'warning', text });
  }

  /** Shows why audio and video have no connection, until they have one. */
  #onMediaError(error: FlotillaError | undefined): void {
    if (this.#mediaErrorNotice !== undefined) this.#dismiss(this.#mediaErrorNotice);
    this.#mediaErrorNotice =
      error && this.#notify({ kind: 'warning', text: `${error.message} (${error.code})`, lasts: true });
  }

  #choose({ kind, id }: DeviceChoice): void {
    if (kind !== 'speaker') this.#media[kind].use(id);
  }

  #setJoinWith(joinWith: JoinWith): void {
    if (joinWith.camera !== this.joinWith.camera) this.#media.camera.set(joinWith.camera);
    this.joinWith = joinWith;
  }

  /** Starts the preview only where permission is granted already, so that opening the page does not ask for it. */
  async #previewIfAllowed(): Promise<void> {
    try {
      const { state: permission } = await navigator.permissions.query({ name: 'camera' });
      if (permission === 'granted' && !this.joining && !this.room && this.joinWith.camera) this.#media.camera.set(true);
    } catch {
      // The browser does not implement this query: the user can start the preview with a click.
    }
  }

  /** Returns the notice's id. */
  #notify(notice: NoticeText): number {
    const id = ++this.#lastNotice;
    this.notices = [...this.notices.filter(({ text }) => text !== notice.text), { ...notice, id }];
    // A notice with a button stays until the user acts.
    if (!notice.action && !notice.lasts) setTimeout(() => this.#dismiss(id), noticeDurationMs[notice.kind]);
    return id;
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
