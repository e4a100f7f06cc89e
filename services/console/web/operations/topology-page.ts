import type { QualityGroup, Drill, DrillStarted } from '@flotilla/contracts';
import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, query, state } from 'lit/decorators.js';
import '../shared/announcer.ts';
import type { Announcer } from '../shared/announcer.ts';
import { icons, logo } from '../shared/icons.ts';
import { base, buttons } from '../shared/styles.ts';
import { draw, type Drawing, maxRooms, restId } from './drawing.ts';
import { amount, Fleet, groupNames, peerScoreOf } from './fleet.ts';
import { FleetWatch, type WatchState } from './fleet-watch.ts';
import './graph.ts';
import type { TopologyGraph } from './graph.ts';
import './key-form.ts';
import './migration-list.ts';
import './search-box.ts';
import { pageHeader } from './page-header-styles.ts';
import { pageStyles } from './topology-page-styles.ts';
import './vertex-details.ts';
import './vertex-table.ts';

/** Updates within this time, in milliseconds, are drawn together. */
const collectMs = 50;

const stateNames: Record<WatchState, string> = {
  connecting: 'Connecting…',
  live: 'Live',
  lost: 'Connection lost. Reconnecting…',
  key: 'API key required',
};

type View = 'graph' | 'table';

/** The topology page: the fleet as a graph and as tables, kept up to date, with details of the selected item. */
@customElement('flotilla-topology-page')
export class TopologyPage extends LitElement {
  static override styles = [base, buttons, pageHeader, pageStyles];

  readonly #watch = new FleetWatch(() => this.#onChange());
  @state() private fleet = new Fleet(new Map());
  @state() private drawing: Drawing | undefined;
  @state() private watchState: WatchState = 'connecting';
  @state() private selected: string | undefined;
  /** Result of the last drain. */
  @state() private notice: string | undefined;
  @state() private view: View = 'graph';
  @query('flotilla-topology-graph') private graph!: TopologyGraph | null;
  @query('flotilla-announcer') private announcer!: Announcer;
  #collecting: ReturnType<typeof setTimeout> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    globalThis.addEventListener('keydown', this.#onKey);
    this.#watch.start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    globalThis.removeEventListener('keydown', this.#onKey);
    this.#watch.stop();
  }

  #onChange(): void {
    const { state: now } = this.#watch;
    if (now !== this.watchState) this.announcer?.announce(stateNames[now]);
    this.watchState = now;
    this.#collecting ??= setTimeout(() => {
      this.#collecting = undefined;
      const before = this.fleet;
      this.fleet = new Fleet(this.#watch.vertices);
      this.#noticeDrained(before);
      if (this.selected !== undefined && !this.fleet.get(this.selected)) {
        this.selected = undefined;
        // The graph may be zoomed to the item that was removed.
        void this.updateComplete.then(() => this.graph?.fit());
      }
      this.drawing = draw(this.fleet, this.selected);
    }, collectMs);
  }

  /** Reports nodes that have drained and stopped. */
  #noticeDrained(before: Fleet): void {
    for (const { id, drain } of before.nodes) {
      if (!drain || this.fleet.get(id)) continue;
      this.notice = `${id} was drained and has stopped.`;
      this.announcer?.announce(this.notice);
    }
  }

  /** Selects an item; undefined selects none. */
  #select(id: string | undefined): void {
    if (id === restId) return this.#show('table');
    if (id !== undefined && !this.fleet.get(id)) return;
    this.selected = id;
    this.drawing = draw(this.fleet, id);
  }

  /** Selects an item, and moves the graph to it. */
  #selectAndFocus(id: string | undefined): void {
    this.#select(id);
    if (id !== undefined && this.selected === id) void this.updateComplete.then(() => this.graph?.focusOn(id));
  }

  #chooseInDetails(id: string | undefined): void {
    this.#selectAndFocus(id);
    // The button that had the focus was removed.
    if (id === undefined) this.#pressedView?.focus();
  }

  get #pressedView(): HTMLElement | null {
    return this.renderRoot.querySelector('.views [aria-pressed=true]');
  }

  #show(view: View): void {
    this.view = view;
  }

  readonly #drill = (drill: Drill): Promise<DrillStarted> => this.#watch.drill(drill);

  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') this.#select(undefined);
  };

  protected override render(): TemplateResult {
    if (this.watchState === 'key')
      return html`<flotilla-key-form
          .problem=${this.#watch.problem}
          @key=${({ detail }: CustomEvent<string>) => this.#watch.useKey(detail)}
        ></flotilla-key-form>
        <flotilla-announcer></flotilla-announcer>`;
    const selected = this.fleet.get(this.selected);
    return html`
      <header class="top">
        <div class="brand">
          ${logo}
          <h1>Topology</h1>
          <span class="state ${this.watchState}">${stateNames[this.watchState]}</span>
        </div>
        <flotilla-search-box
          .fleet=${this.fleet}
          @choose=${({ detail }: CustomEvent<string>) => this.#selectAndFocus(detail)}
        ></flotilla-search-box>
        <nav>
          <div class="views" role="group" aria-label="View">
            ${this.#viewButton('graph', 'Graph')}${this.#viewButton('table', 'Table')}
          </div>
          <a href="operations">Operations</a>
        </nav>
      </header>
      <main class=${selected ? 'with-details' : ''}>
        ${this.#facts()} ${this.#content()}
        ${
          selected
            ? html`<flotilla-vertex-details
                role="region"
                aria-label="Details"
                data-testid="details"
                .vertex=${selected}
                .fleet=${this.fleet}
                .drill=${this.#drill}
                @choose=${({ detail }: CustomEvent<string | undefined>) => this.#chooseInDetails(detail)}
              ></flotilla-vertex-details>`
            : nothing
        }
        ${
          this.fleet.migrations.length > 0
            ? html`<flotilla-migration-list
                data-testid="migrations"
                .fleet=${this.fleet}
                .at=${this.#watch.at ?? 0}
                @choose=${({ detail }: CustomEvent<string>) => this.#selectAndFocus(detail)}
              ></flotilla-migration-list>`
            : nothing
        }
      </main>
      <flotilla-announcer></flotilla-announcer>
    `;
  }

  #viewButton(view: View, name: string): TemplateResult {
    return html`<button
      class="plain small"
      data-testid=${view}
      aria-pressed=${this.view === view}
      @click=${() => this.#show(view)}
    >
      ${name}
    </button>`;
  }

  #counts(): [string, string, number][] {
    const { gateways, nodes, rooms, sessions, negotiations } = this.fleet;
    return [
      ['gateway', 'gateway', gateways.length],
      ['room', 'room', rooms.length],
      ['session', 'session', sessions.length],
      ['node', 'SFU node', nodes.length],
      ['negotiation', 'direct call', negotiations.length],
    ];
  }

  #facts(): TemplateResult {
    const hidden = this.fleet.rooms.length - maxRooms;
    return html`<ul class="facts" aria-label="Numbers of the fleet">
      ${this.#counts().map(
        ([kind, one, count]) =>
          html`<li>
            <span class="mark ${kind}"></span
            ><span><b>${count.toLocaleString('en')}</b> ${count === 1 ? one : `${one}s`}</span>
          </li>`,
      )}
      ${this.#groups()} ${this.#breakers()}
      ${this.notice === undefined ? nothing : html`<li data-testid="notice">${icons.info} ${this.notice}</li>`}
      ${this.#watch.truncated ? html`<li>${icons.warning} The fleet is larger than the list.</li>` : nothing}
      ${hidden > 0 ? html`<li>Only the ${maxRooms} largest rooms are drawn.</li>` : nothing}
    </ul>`;
  }

  /** Number of sessions in each quality group, with its colour. */
  #groups(): TemplateResult[] {
    const groups = Map.groupBy(this.fleet.sessions, ({ media }) => peerScoreOf(media)?.group);
    const shown: QualityGroup[] = ['stable', 'watch', 'move'];
    return shown.flatMap((group) => {
      const count = groups.get(group)?.length ?? 0;
      return count === 0
        ? []
        : [
            html`<li title="Quality of the media connections">
              <span class="mark session ${group}"></span
              ><span><b>${count.toLocaleString('en')}</b> ${groupNames[group]}</span>
            </li>`,
          ];
    });
  }

  /** The targets to which services refuse calls. */
  #breakers(): TemplateResult | typeof nothing {
    const { breakers } = this.fleet;
    if (breakers.length === 0) return nothing;
    const targets = [...new Set(breakers.map(({ target }) => target))].join(', ');
    const callers = breakers.map(({ caller, target }) => `${caller} to ${target}`).join(', ');
    return html`<li data-testid="breakers" title=${callers}>
      ${icons.warning} ${amount(breakers.length, 'open breaker')}: ${targets}
    </li>`;
  }

  #content(): TemplateResult {
    if (this.#watch.at === undefined) {
      const problem = this.#watch.problem;
      return html`<p class="nothing">${problem ? `${problem.message} (${problem.code})` : 'Loading the fleet…'}</p>`;
    }
    const summary = this.#counts()
      .map(([, one, count]) => amount(count, one))
      .join(', ');
    return this.view === 'graph'
      ? html`<flotilla-topology-graph
          data-testid="topology-graph"
          .drawing=${this.drawing}
          .selected=${this.selected}
          .summary=${summary}
          @choose=${({ detail }: CustomEvent<string | undefined>) => this.#select(detail)}
        ></flotilla-topology-graph>`
      : html`<flotilla-vertex-table
          .fleet=${this.fleet}
          .selected=${this.selected}
          @choose=${({ detail }: CustomEvent<string>) => this.#selectAndFocus(detail)}
        ></flotilla-vertex-table>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-topology-page': TopologyPage;
  }
}
