import type { Drill, DrillStarted } from '@flotilla/contracts';
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import { icons } from '../shared/icons.ts';
import { base, buttons } from '../shared/styles.ts';
import {
  amount,
  breakerText,
  type Fleet,
  groupNames,
  kindNames,
  nameOf,
  remarkOf,
  peerScoreOf,
  peerScoreText,
  type Vertex,
  type VertexOf,
} from './fleet.ts';
import './drill-actions.ts';

/** Items listed under a heading at most; the tables list all. */
const maxListed = 100;

/**
 * Details of a vertex, and the vertices that it is connected to.
 *
 * @fires choose - CustomEvent of the id of another vertex, undefined when the panel is closed
 */
@customElement('flotilla-vertex-details')
export class VertexDetails extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      header {
        display: flex;
        align-items: start;
        gap: 0.5rem;
      }
      header div {
        flex: 1;
        min-width: 0;
      }
      h2:focus {
        outline: none;
      }
      h2 {
        font-size: 1.125rem;
        line-height: 1.3;
        overflow-wrap: anywhere;
      }
      .kind {
        color: var(--text-2);
        font-size: 0.8125rem;
      }
      .remark {
        display: inline-block;
        margin-top: 0.375rem;
        padding: 0.0625rem 0.5rem;
        border-radius: 1rem;
        background: var(--warn-soft);
        color: var(--warn-ink);
        font-size: 0.8125rem;
        font-weight: 600;
      }
      dl {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 0.25rem 1rem;
        margin: 0.875rem 0;
        font-size: 0.875rem;
      }
      dt {
        color: var(--text-2);
      }
      dd {
        text-align: right;
        overflow-wrap: anywhere;
        font-variant-numeric: tabular-nums;
      }
      .drain {
        display: grid;
        gap: 0.25rem;
        margin-bottom: 0.875rem;
        font-size: 0.8125rem;
      }
      progress,
      progress::-webkit-progress-bar {
        width: 100%;
        height: 0.625rem;
        border: 0;
        border-radius: 0.3125rem;
        background: var(--surface-3);
        appearance: none;
        overflow: hidden;
      }
      progress::-webkit-progress-value {
        background: var(--speak);
      }
      progress::-moz-progress-bar {
        background: var(--speak);
      }
      h3 {
        margin: 1rem 0 0.375rem;
        font-size: 0.8125rem;
        color: var(--text-2);
      }
      li button {
        display: flex;
        justify-content: space-between;
        width: 100%;
        min-height: 2rem;
        padding: 0 0.625rem;
        border-radius: var(--radius-s);
        background: transparent;
        font-weight: 500;
        text-align: left;
      }
      li button:hover {
        background: var(--surface-2);
      }
      li span:first-child {
        min-width: 0;
        overflow: hidden;
        line-height: 1.4;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      li .more {
        flex: none;
        color: var(--text-2);
        font-weight: 400;
      }
      .hidden {
        padding: 0.25rem 0.625rem;
        color: var(--text-2);
        font-size: 0.8125rem;
      }
    `,
  ];

  @property({ attribute: false }) vertex!: Vertex;
  @property({ attribute: false }) fleet!: Fleet;
  @property({ attribute: false }) drill!: (drill: Drill) => Promise<DrillStarted>;
  @query('h2') private heading!: HTMLElement;
  #isChosenHere = false;

  protected override updated(): void {
    // The button that had the focus was removed or reused.
    if (this.#isChosenHere) this.heading.focus();
    this.#isChosenHere = false;
  }

  protected override render(): TemplateResult {
    const { vertex } = this;
    const remark = remarkOf(vertex);
    return html`
      <header>
        <div>
          <p class="kind">${kindNames[vertex.kind]}</p>
          <h2 tabindex="-1">${vertex.kind === 'negotiation' ? 'Direct call' : nameOf(vertex)}</h2>
          ${remark === undefined ? nothing : html`<span class="remark">${remark}</span>`}
        </div>
        <button class="plain small icon" aria-label="Close details" @click=${() => this.#choose(undefined)}>
          ${icons.close}
        </button>
      </header>
      <dl>
        ${this.#facts().map(
          ([name, value]) =>
            html`<dt>${name}</dt>
              <dd>${value}</dd>`,
        )}
      </dl>
      ${vertex.kind === 'node' ? this.#drain(vertex) : nothing}
      <flotilla-drill-actions .vertex=${vertex} .fleet=${this.fleet} .drill=${this.drill}></flotilla-drill-actions>
      ${this.#lists().map(({ title, of }) => this.#list(title, of))}
    `;
  }

  #facts(): [string, string][] {
    const { vertex, fleet } = this;
    switch (vertex.kind) {
      case 'gateway':
        return [['Sessions', String(vertex.sessions)]];
      case 'node':
        return [
          ['Capacity used', `${vertex.reserved} of ${vertex.capacity}`],
          ['CPU', `${Math.round(vertex.cpu * 100)} %`],
          ['CPU of the hottest worker', `${Math.round((vertex.hottestCpu ?? vertex.cpu) * 100)} %`],
          ['State', vertex.state],
          ...this.#quality(vertex),
          ...fleet
            .breakersTo(vertex.id)
            .map((each): [string, string] => [`Calls of ${each.caller}`, breakerText(each)]),
        ];
      case 'room':
        return [
          ['Participants', String(vertex.participants)],
          ['Media', vertex.mediaMode === 'peer' ? 'direct' : 'through SFU nodes'],
          ['ID', vertex.id],
        ];
      case 'session':
        return [
          ['Connection', vertex.connected ? 'connected' : 'reconnecting'],
          ...vertex.media.map((each): [string, string] => [
            vertex.media.length > 1 ? `Quality in ${this.#nameOf(fleet.get(each.roomId), each.roomId)}` : 'Quality',
            peerScoreText(each),
          ]),
          ['User', vertex.userId],
          ['ID', vertex.id],
        ];
      case 'negotiation':
        return [
          ['State', vertex.state],
          ['Room', this.#nameOf(fleet.get(vertex.roomId), vertex.roomId)],
        ];
    }
  }

  #quality({ quality }: VertexOf<'node'>): [string, string][] {
    if (!quality) return [];
    const { stable, watch, move, mean, worst } = quality;
    const peers: [string, string] = ['Peers', `${stable} stable, ${watch} degraded, ${move} to move`];
    return stable + watch + move === 0
      ? [peers]
      : [peers, ['Score', `mean ${mean.toFixed(2)}, worst ${worst.toFixed(2)}`]];
  }

  #drain({ drain }: VertexOf<'node'>): TemplateResult | typeof nothing {
    if (!drain) return nothing;
    const { sessions, left } = drain;
    const all = Math.max(sessions, left);
    const text = left === 0 ? 'Empty' : `${all - left} of ${amount(all, 'session')} moved`;
    return html`<div class="drain" data-testid="drain-progress">
      <progress aria-label="Drain" max=${Math.max(1, all)} value=${all === 0 ? 1 : all - left}></progress>
      <span>${text}</span>
    </div>`;
  }

  #nameOf(vertex: Vertex | undefined, id: string): string {
    return vertex ? nameOf(vertex) : id;
  }

  #lists(): { title: string; of: { id: string; more?: string }[] }[] {
    const { vertex, fleet } = this;
    const ids = (all: readonly Vertex[]): { id: string; more?: string }[] =>
      all.map((each) => ({ id: each.id, more: remarkOf(each) ?? '' }));
    switch (vertex.kind) {
      case 'gateway':
        return [{ title: 'Sessions', of: ids(fleet.sessionsAt(vertex.id)) }];
      case 'node':
        return [
          {
            title: 'Rooms',
            of: fleet
              .roomsOn(vertex.id)
              .map(({ id, assignments }) => ({ id, more: amount(assignments[vertex.id]!, 'participant') })),
          },
          {
            title: 'Sessions',
            of: fleet.sessionsOn(vertex.id).map(({ id, media }) => ({
              id,
              more: peerScoreText(peerScoreOf(media, vertex.id)!),
            })),
          },
        ];
      case 'room':
        return [
          {
            title: 'SFU nodes',
            of: Object.entries(vertex.assignments)
              .sort(([, a], [, b]) => b - a)
              .map(([id, count]) => ({ id, more: amount(count, 'participant') })),
          },
          { title: 'Negotiations', of: ids(fleet.negotiationsIn(vertex.id)) },
          {
            title: 'Sessions',
            of: fleet.sessionsOf(vertex.id).map((session) => {
              const media = session.media.find(({ roomId }) => roomId === vertex.id);
              return {
                id: session.id,
                more: media ? `${media.nodeId}, ${groupNames[media.group]}` : (remarkOf(session) ?? ''),
              };
            }),
          },
        ];
      case 'session':
        return [
          { title: 'Gateway', of: [{ id: vertex.gatewayId }] },
          { title: 'Rooms', of: vertex.rooms.map((id) => ({ id })) },
          {
            title: 'SFU nodes',
            of: [...new Set(vertex.media.map(({ nodeId }) => nodeId))].map((id) => ({ id })),
          },
        ];
      case 'negotiation':
        return [{ title: 'Room', of: [{ id: vertex.roomId }] }];
    }
  }

  #list(title: string, all: readonly { id: string; more?: string }[]): TemplateResult | typeof nothing {
    if (all.length === 0) return nothing;
    const hidden = all.length - maxListed;
    return html`<h3>${title}${all.length > 1 ? ` (${all.length.toLocaleString('en')})` : ''}</h3>
      <ul>
        ${all.slice(0, maxListed).map(({ id, more = '' }) => {
          const name = this.#nameOf(this.fleet.get(id), id);
          return html`<li>
            <button title=${name} @click=${() => this.#choose(id)}>
              <span>${name}</span><span class="more">${more}</span>
            </button>
          </li>`;
        })}
      </ul>
      ${hidden > 0 ? html`<p class="hidden">and ${hidden.toLocaleString('en')} more</p>` : nothing}`;
  }

  #choose(id: string | undefined): void {
    this.#isChosenHere = id !== undefined;
    this.dispatchEvent(new CustomEvent('choose', { detail: id }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-vertex-details': VertexDetails;
  }
}
