import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { base, buttons, tables } from '../shared/styles.ts';
import {
  breakerText,
  type Fleet,
  type Kind,
  kindNames,
  nameOf,
  remarkOf,
  peerScoreOf,
  peerScoreText,
  type Vertex,
} from './fleet.ts';

/** Rows shown at first. */
const firstRows = 100;

const percent = (share: number): string => `${Math.round(share * 100)} %`;

type Cell = string | number;
const columns: { [K in Kind]: readonly string[] } = {
  gateway: ['Sessions', 'State'],
  node: ['Capacity used', 'CPU', 'Worst score', 'State'],
  room: ['Participants', 'SFU nodes', 'Media'],
  session: ['Rooms', 'SFU nodes', 'Quality', 'Gateway', 'State'],
  negotiation: ['Room', 'State'],
};

/**
 * The fleet as one table per kind.
 *
 * @fires choose - CustomEvent of the id of a vertex
 */
@customElement('flotilla-vertex-table')
export class VertexTable extends LitElement {
  static override styles = [
    base,
    buttons,
    tables,
    css`
      :host {
        border: 1px solid var(--line);
        border-radius: var(--radius-l);
        background: var(--surface);
        overflow: auto;
      }
      section {
        padding: 1rem 1.25rem 0.25rem;
      }
      h2 {
        font-size: 1rem;
      }
      table {
        margin: 0.375rem 0 0.75rem;
        font-size: 0.875rem;
      }
      th,
      td {
        padding: 0.125rem 0.75rem 0.125rem 0;
        overflow-wrap: anywhere;
      }
      thead th {
        overflow-wrap: normal;
      }
      th button {
        min-height: 2rem;
        margin-left: -0.5rem;
        padding: 0 0.5rem;
        line-height: 1.3;
        text-align: left;
      }
      @media (max-width: 40rem) {
        tbody :is(th, td) {
          padding: 0.125rem 0;
        }
      }
      tr[aria-current] {
        background: var(--accent-soft);
      }
    `,
  ];

  @property({ attribute: false }) fleet!: Fleet;
  @property({ attribute: false }) selected: string | undefined;
  @state() private shown: Partial<Record<Kind, number>> = {};

  protected override render(): TemplateResult {
    const { gateways, nodes, rooms, sessions, negotiations } = this.fleet;
    return html`${this.#table('gateway', gateways)} ${this.#table('node', nodes)} ${this.#table('room', rooms)}
    ${this.#table('session', sessions)} ${this.#table('negotiation', negotiations)}`;
  }

  #table(kind: Kind, all: readonly Vertex[]): TemplateResult | typeof nothing {
    if (all.length === 0) return nothing;
    const limit = this.shown[kind] ?? firstRows;
    const title = `${kindNames[kind]}s (${all.length.toLocaleString('en')})`;
    return html`<section>
      <h2 id=${kind}>${title}</h2>
      <table aria-labelledby=${kind}>
        <thead>
          <tr>
            <th scope="col">Name</th>
            ${columns[kind].map((name) => html`<th scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${all.slice(0, limit).map((vertex) => this.#row(vertex))}
        </tbody>
      </table>
      ${
        all.length > limit
          ? html`<button class="small" @click=${() => (this.shown = { ...this.shown, [kind]: limit * 4 })}>
              Show more ${kindNames[kind].toLowerCase()}s
            </button>`
          : nothing
      }
    </section>`;
  }

  #row(vertex: Vertex): TemplateResult {
    const choose = (): boolean => this.dispatchEvent(new CustomEvent('choose', { detail: vertex.id }));
    return html`<tr aria-current=${vertex.id === this.selected ? 'true' : nothing}>
      <th scope="row"><button @click=${choose}>${nameOf(vertex)}</button></th>
      ${this.#cells(vertex).map((cell, index) => html`<td data-label=${columns[vertex.kind][index]!}>${cell === '' ? nothing : cell}</td>`)}
    </tr>`;
  }

  #cells(vertex: Vertex): readonly Cell[] {
    const roomName = (id: string): string => {
      const room = this.fleet.get(id);
      return room ? nameOf(room) : id;
    };
    const remark = remarkOf(vertex);
    const peerScore = vertex.kind === 'session' ? peerScoreOf(vertex.media) : undefined;
    switch (vertex.kind) {
      case 'gateway':
        return [vertex.sessions, remark ?? 'alive'];
      case 'node':
        return [
          `${vertex.reserved} of ${vertex.capacity}`,
          percent(vertex.cpu),
          vertex.quality?.worst.toFixed(2) ?? '',
          [remark ?? 'active', ...this.fleet.breakersTo(vertex.id).slice(0, 1).map(breakerText)].join(', '),
        ];
      case 'room':
        return [vertex.participants, Object.keys(vertex.assignments).join(', '), remark ?? 'SFU'];
      case 'session':
        return [
          vertex.rooms.map(roomName).join(', '),
          vertex.media.map(({ nodeId }) => nodeId).join(', '),
          peerScore ? peerScoreText(peerScore) : '',
          vertex.gatewayId,
          vertex.connected ? 'connected' : 'reconnecting',
        ];
      case 'negotiation':
        return [roomName(vertex.roomId), vertex.state];
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-vertex-table': VertexTable;
  }
}
