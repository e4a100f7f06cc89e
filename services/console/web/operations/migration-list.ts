import type { MigrationRecord } from '@flotilla/contracts';
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { base, buttons, tables } from '../shared/styles.ts';
import { type Fleet, nameOf } from './fleet.ts';
import { gapOf, reasons, stepOf } from './migration-text.ts';

/**
 * Running and recent migrations, the newest first.
 *
 * @fires choose - CustomEvent of the id of a vertex
 */
@customElement('flotilla-migration-list')
export class MigrationList extends LitElement {
  static override styles = [
    base,
    buttons,
    tables,
    css`
      :host {
        max-height: 12.5rem;
        padding: 0.625rem 1rem 0.75rem;
        border: 1px solid var(--line);
        border-radius: var(--radius-l);
        background: var(--surface);
        overflow: auto;
      }
      h2 {
        font-size: 0.9375rem;
      }
      table {
        margin-top: 0.25rem;
        font-size: 0.8125rem;
      }
      th,
      td {
        padding: 0.1875rem 0.75rem 0.1875rem 0;
        white-space: nowrap;
      }
      .number {
        text-align: right;
      }
      th button {
        min-height: 1.5rem;
        margin-left: -0.375rem;
        padding: 0 0.375rem;
      }
      .step::before {
        content: '';
        display: inline-block;
        width: 0.5rem;
        height: 0.5rem;
        margin-right: 0.4375rem;
        border-radius: 50%;
        background: var(--accent);
      }
      .step.committed::before {
        background: var(--speak);
      }
      .step.rolled_back::before {
        background: var(--warn);
      }
      .step.timed_out::before {
        background: var(--danger);
      }
      @media (max-width: 40rem) {
        :host {
          max-height: 20rem;
        }
        tbody :is(th, td) {
          padding: 0.125rem 0;
          white-space: normal;
        }
      }
    `,
  ];

  @property({ attribute: false }) fleet!: Fleet;
  /** Time of the last update, in milliseconds since the Unix epoch. */
  @property({ attribute: false }) at = 0;

  protected override render(): TemplateResult {
    const { migrations } = this.fleet;
    return html`<h2 id="migrations">Migrations (${migrations.length})</h2>
      <table aria-labelledby="migrations">
        <thead>
          <tr>
            <th scope="col">Participant</th>
            <th scope="col">Room</th>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col">Reason</th>
            <th scope="col">State</th>
            <th scope="col" class="number">Duration</th>
            <th scope="col" class="number">Longest video gap</th>
          </tr>
        </thead>
        <tbody>
          ${migrations.map((migration) => this.#row(migration))}
        </tbody>
      </table>`;
  }

  #row(migration: MigrationRecord): TemplateResult {
    const { sessionId, roomId, fromNode, toNode, reason, end, ms, startedAt, endedAt } = migration;
    const name = (id: string): string => {
      const vertex = this.fleet.get(id);
      return vertex ? nameOf(vertex) : id;
    };
    // Media of a lost node is opened again rather than moved.
    const took = ms ?? (endedAt === undefined || reason === 'node_lost' ? undefined : endedAt - startedAt);
    const choose = (): boolean => this.dispatchEvent(new CustomEvent('choose', { detail: sessionId }));
    return html`<tr>
      <th scope="row"><button @click=${choose}>${name(sessionId)}</button></th>
      <td data-label="Room">${name(roomId)}</td>
      <td data-label="From">${fromNode}</td>
      <td data-label="To">${toNode}</td>
      <td data-label="Reason">${reasons[reason]}</td>
      <td data-label="State"><span class="step ${end ?? ''}">${stepOf(migration)}</span></td>
      <td class="number" data-label="Duration">${took === undefined ? nothing : `${Math.round(took)} ms`}</td>
      <td class="number" data-label="Longest video gap">${gapOf(migration, this.at) || nothing}</td>
    </tr>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-migration-list': MigrationList;
  }
}
