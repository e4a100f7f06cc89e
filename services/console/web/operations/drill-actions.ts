import { FlotillaError } from '@flotilla/client';
import { participantIdOf, type Drill, type DrillStarted } from '@flotilla/contracts';
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { base, buttons, fields } from '../shared/styles.ts';
import { amount, type Fleet, nameOf, type Vertex, type VertexOf } from './fleet.ts';

interface Action {
  readonly id: string;
  readonly label: string;
  readonly drill: Drill;
  /** What is asked before it is done. */
  readonly sure?: string;
  /** What is said once it is begun. */
  readonly done: string;
}

/** What can be done to a node or a session, with a question before what somebody may notice. */
@customElement('flotilla-drill-actions')
export class DrillActions extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    css`
      .row {
        display: flex;
        flex-wrap: wrap;
        gap: 0.375rem;
      }
      .row + .row {
        margin-top: 0.375rem;
      }
      .move select {
        flex: 1;
        width: auto;
        min-width: 8rem;
        min-height: 2.25rem;
        padding: 0 0.5rem;
        font-size: 0.875rem;
      }
      .danger {
        background: var(--danger-soft);
        color: var(--danger-ink);
      }
      .danger:hover:not(:disabled) {
        background: var(--danger);
        color: var(--on-danger);
      }
      .ask {
        padding: 0.75rem;
        border-radius: var(--radius-m);
        background: var(--surface-2);
        font-size: 0.875rem;
        line-height: 1.4;
      }
      .ask .row {
        margin-top: 0.625rem;
      }
      .ask .plain:hover {
        background: var(--surface-3);
      }
      .said {
        margin-top: 0.5rem;
        color: var(--text-2);
        font-size: 0.8125rem;
        line-height: 1.4;
      }
      .said.wrong {
        color: var(--danger-ink);
      }
    `,
  ];

  @property({ attribute: false }) vertex!: Vertex;
  @property({ attribute: false }) fleet!: Fleet;
  /** Asks the fleet. Rejects with why it is not begun. */
  @property({ attribute: false }) drill!: (drill: Drill) => Promise<DrillStarted>;
  @state() private asked: Action | undefined;
  @state() private busy = false;
  @state() private said: { readonly text: string; readonly wrong: boolean } | undefined;
  /** By room: the node to move to, empty for the best. */
  @state() private targets: Readonly<Record<string, string>> = {};

  protected override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get('vertex');
    if (!before || before.id === this.vertex.id) return;
    this.asked = this.said = undefined;
    this.targets = {};
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has('asked') && this.asked) this.renderRoot.querySelector<HTMLElement>('.ask button')?.focus();
  }

  protected override render(): TemplateResult {
    const { vertex } = this;
    const said = this.said
      ? html`<p class="said ${this.said.wrong ? 'wrong' : ''}" role="status" data-testid="said">${this.said.text}</p>`
      : nothing;
    if (this.asked) return html`${this.#question(this.asked)}${said}`;
    if (vertex.kind === 'node')
      return html`<div class="row">${this.#ofNode(vertex).map(this.#button)}</div>
        ${said}`;
    if (vertex.kind === 'session') return html`${this.#ofSession(vertex)}${said}`;
    return html``;
  }

  #ofNode({ id, state: now, quality, drain }: VertexOf<'node'>): Action[] {
    const people = amount(drain?.left ?? (quality ? quality.stable + quality.watch + quality.move : 0), 'session');
    return [
      now === 'active'
        ? {
            id: 'drain',
            label: 'Drain',
            drill: { kind: 'drain', node: id },
            sure: `Drain ${id}? Nobody is placed on it any more, its ${people} move to other nodes, and when it is empty it ends.`,
            done: `${id} drains.`,
          }
        : {
            id: 'uncordon',
            label: 'Take back',
            drill: { kind: 'uncordon', node: id },
            done: `${id} takes people again.`,
          },
      {
        id: 'kill-worker',
        label: 'Kill a worker',
        drill: { kind: 'kill_worker', node: id },
        sure: `Kill the media worker of ${id} that has the most to do? The media of its people stops until they open it again.`,
        done: 'The worker is killed. Its people open their media again.',
      },
      {
        id: 'kill-node',
        label: 'Kill the node',
        drill: { kind: 'kill_node', node: id },
        sure: `Kill ${id} with its ${people}? It dies at once, as its machine would, and nothing starts it again here.`,
        done: `${id} is killed. Its people are placed on other nodes.`,
      },
    ];
  }

  #ofSession(session: VertexOf<'session'>): TemplateResult {
    const { id, rooms, media, connected } = session;
    const name = nameOf(session);
    const others = (from: string | undefined): VertexOf<'node'>[] =>
      this.fleet.nodes.filter((node) => node.alive && node.state === 'active' && node.id !== from);
    const withMedia = rooms.filter((room) => media.some(({ roomId }) => roomId === room));
    return html`
      ${withMedia.map((room) => {
        const nodes = others(media.find(({ roomId }) => roomId === room)?.nodeId);
        const wanted = this.targets[room] ?? '';
        const target = nodes.some((node) => node.id === wanted) ? wanted : '';
        const roomName = nameOf(this.fleet.get(room) ?? ({ kind: 'room', id: room, name: room } as VertexOf<'room'>));
        return html`<div class="row move">
          <select
            aria-label="Where to move ${name} in ${roomName}"
            @change=${({ target: { value } }: { target: HTMLSelectElement }) =>
              (this.targets = { ...this.targets, [room]: value })}
          >
            <option value="" .selected=${target === ''}>to the best node</option>
            ${nodes.map((node) => html`<option value=${node.id} .selected=${target === node.id}>to ${node.id}</option>`)}
          </select>
          ${this.#button({
            id: 'move',
            label: withMedia.length > 1 ? `Move in ${roomName}` : 'Move',
            drill: {
              kind: 'migrate',
              room,
              participant: participantIdOf(id),
              ...(target !== '' && { toNode: target }),
            },
            done: `${name} is being moved.`,
          })}
        </div>`;
      })}
      ${
        connected
          ? html`<div class="row">
              ${this.#button({
                id: 'cut-socket',
                label: 'Cut the socket',
                drill: { kind: 'cut_socket', session: id },
                sure: `Cut the signaling connection of ${name}? It breaks without a word, as when a network goes; the client comes back by itself, and media goes on.`,
                done: 'The socket is cut.',
              })}
            </div>`
          : nothing
      }
    `;
  }

  readonly #button = (action: Action): TemplateResult => {
    const danger = action.drill.kind.startsWith('kill') || action.drill.kind === 'cut_socket';
    return html`<button
      class="small ${danger ? 'danger' : ''}"
      data-testid=${action.id}
      ?disabled=${this.busy}
      @click=${() => (action.sure === undefined ? void this.#do(action) : this.#ask(action))}
    >
      ${action.label}
    </button>`;
  };

  #ask(action: Action): void {
    this.said = undefined;
    this.asked = action;
  }

  #question(action: Action): TemplateResult {
    return html`<div class="ask" role="group" aria-label=${action.label}>
      <p>${action.sure}</p>
      <div class="row">
        <button class="small danger" data-testid="sure" @click=${() => void this.#do(action)}>${action.label}</button>
        <button class="plain small" data-testid="not-sure" @click=${() => (this.asked = undefined)}>Cancel</button>
      </div>
    </div>`;
  }

  async #do(action: Action): Promise<void> {
    this.asked = undefined;
    this.busy = true;
    this.said = undefined;
    try {
      await this.drill(action.drill);
      this.said = { text: action.done, wrong: false };
    } catch (error) {
      const { code, message } = FlotillaError.from(error);
      this.said = { text: `${message} (${code})`, wrong: true };
    } finally {
      this.busy = false;
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-drill-actions': DrillActions;
  }
}
