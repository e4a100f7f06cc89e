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
  /** Question to confirm. Undefined: the action needs no confirmation. */
  readonly question?: string;
  /** Shown when the action has started. */
  readonly started: string;
}

/** Actions on a node or a session, with a confirmation for those that participants may notice. */
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
      .question {
        padding: 0.75rem;
        border-radius: var(--radius-m);
        background: var(--surface-2);
        font-size: 0.875rem;
        line-height: 1.4;
      }
      .question .row {
        margin-top: 0.625rem;
      }
      .question .plain:hover {
        background: var(--surface-3);
      }
      .result {
        margin-top: 0.5rem;
        color: var(--text-2);
        font-size: 0.8125rem;
        line-height: 1.4;
      }
      .result.failed {
        color: var(--danger-ink);
      }
    `,
  ];

  @property({ attribute: false }) vertex!: Vertex;
  @property({ attribute: false }) fleet!: Fleet;
  /** Requests an action. Rejects with the reason when it is refused. */
  @property({ attribute: false }) drill!: (drill: Drill) => Promise<DrillStarted>;
  /** The action to confirm. */
  @state() private confirming: Action | undefined;
  @state() private busy = false;
  @state() private result: { readonly text: string; readonly failed: boolean } | undefined;
  /** Node to move to, by room; empty: the best one. */
  @state() private targets: Readonly<Record<string, string>> = {};

  protected override willUpdate(changed: PropertyValues<this>): void {
    const previous = changed.get('vertex');
    if (!previous || previous.id === this.vertex.id) return;
    this.confirming = this.result = undefined;
    this.targets = {};
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has('confirming') && this.confirming)
      this.renderRoot.querySelector<HTMLElement>('.question button')?.focus();
  }

  protected override render(): TemplateResult {
    const { vertex } = this;
    const result = this.result
      ? html`<p class="result ${this.result.failed ? 'failed' : ''}" role="status" data-testid="result">
          ${this.result.text}
        </p>`
      : nothing;
    if (this.confirming) return html`${this.#question(this.confirming)}${result}`;
    if (vertex.kind === 'node')
      return html`<div class="row">${this.#ofNode(vertex).map(this.#button)}</div>
        ${result}`;
    if (vertex.kind === 'session') return html`${this.#ofSession(vertex)}${result}`;
    return html``;
  }

  #ofNode({ id, state: now, quality, drain }: VertexOf<'node'>): Action[] {
    const sessions = amount(drain?.left ?? (quality ? quality.stable + quality.watch + quality.move : 0), 'session');
    return [
      now === 'active'
        ? {
            id: 'drain',
            label: 'Drain',
            drill: { kind: 'drain', node: id },
            question: `Drain ${id}? It gets no new participants, its participants (${sessions}) move to other nodes, and it stops when it is empty.`,
            started: `${id} is draining.`,
          }
        : {
            id: 'uncordon',
            label: 'Uncordon',
            drill: { kind: 'uncordon', node: id },
            started: `${id} accepts participants again.`,
          },
      {
        id: 'kill-worker',
        label: 'Kill media worker',
        drill: { kind: 'kill_worker', node: id },
        question: `Kill the busiest media worker of ${id}? Media of its participants stops until their clients open it again.`,
        started: 'The media worker was killed. Its participants open their media again.',
      },
      {
        id: 'kill-node',
        label: 'Kill node',
        drill: { kind: 'kill_node', node: id },
        question: `Kill ${id} with ${sessions}? The process ends at once, as in a crash, and is not started again from here.`,
        started: `${id} was killed. Its participants are assigned to other nodes.`,
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
            aria-label="Node to move ${name} to in ${roomName}"
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
            started: `${name} is being moved.`,
          })}
        </div>`;
      })}
      ${
        connected
          ? html`<div class="row">
              ${this.#button({
                id: 'cut-socket',
                label: 'Cut connection',
                drill: { kind: 'cut_socket', session: id },
                question: `Cut the signaling connection of ${name}? It is dropped without a close frame, as when a network fails. The client reconnects by itself, and media continues.`,
                started: 'The signaling connection was cut.',
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
      @click=${() => (action.question === undefined ? void this.#do(action) : this.#confirm(action))}
    >
      ${action.label}
    </button>`;
  };

  #confirm(action: Action): void {
    this.result = undefined;
    this.confirming = action;
  }

  #question(action: Action): TemplateResult {
    return html`<div class="question" role="group" aria-label=${action.label}>
      <p>${action.question}</p>
      <div class="row">
        <button class="small danger" data-testid="confirm" @click=${() => void this.#do(action)}>
          ${action.label}
        </button>
        <button class="plain small" data-testid="cancel" @click=${() => (this.confirming = undefined)}>Cancel</button>
      </div>
    </div>`;
  }

  async #do(action: Action): Promise<void> {
    this.confirming = undefined;
    this.busy = true;
    this.result = undefined;
    try {
      await this.drill(action.drill);
      this.result = { text: action.started, failed: false };
    } catch (error) {
      const { code, message } = FlotillaError.from(error);
      this.result = { text: `${message} (${code})`, failed: true };
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
