import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, query, state } from 'lit/decorators.js';
import type { Order } from '../../../src/operations/orders.ts';
import '../../shared/announcer.ts';
import type { Announcer } from '../../shared/announcer.ts';
import { icons, logo } from '../../shared/icons.ts';
import { base, buttons, tables } from '../../shared/styles.ts';
import '../key-form.ts';
import './order-dialog.ts';
import { pageHeader } from '../page-header-styles.ts';
import { pageStyles } from './operations-page-styles.ts';
import { OperationsWatch, type WatchState } from './operations-watch.ts';
import type { OrderDialog } from './order-dialog.ts';
import {
  type Ask,
  breakersSection,
  canarySection,
  chaosBanner,
  migrationsSection,
  nodesSection,
  objectivesSection,
  scalingsSection,
} from './sections.ts';

const stateNames: Record<WatchState, string> = {
  connecting: 'Connecting…',
  live: 'Live',
  lost: 'Stale',
  key: 'API key required',
};

/** Interval at which the ages on the page are counted on, ms. */
const tickMs = 1000;

/** The operations page: objectives, nodes with versions, canary, scale decisions, migrations, breakers and chaos, kept up to date. */
@customElement('flotilla-operations-page')
export class OperationsPage extends LitElement {
  static override styles = [base, buttons, tables, pageHeader, pageStyles];

  readonly #watch = new OperationsWatch(() => this.#onChange());
  @state() private watchState: WatchState = 'connecting';
  @query('flotilla-order-dialog') private dialog!: OrderDialog;
  @query('flotilla-announcer') private announcer!: Announcer | null;
  #ticking: ReturnType<typeof setInterval> | undefined;
  /** Local time at which the shown state was received, ms. */
  #receivedAt = 0;
  #shownAt: number | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#watch.start();
    this.#ticking = setInterval(() => this.requestUpdate(), tickMs);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#watch.stop();
    clearInterval(this.#ticking);
  }

  #onChange(): void {
    const { state: now, view } = this.#watch;
    if (now !== this.watchState) this.announcer?.announce(stateNames[now]);
    this.watchState = now;
    if (view && view.fleet.at !== this.#shownAt) {
      this.#shownAt = view.fleet.at;
      this.#receivedAt = performance.now();
    }
    this.requestUpdate();
  }

  readonly #give = async (order: Order): Promise<void> => {
    await this.#watch.order(order);
    this.announcer?.announce('The order was given.');
  };

  protected override render(): TemplateResult {
    const { view, problem } = this.#watch;
    if (this.watchState === 'key')
      return html`<flotilla-key-form
          heading="Operations"
          scopes="the scope read; operate adds orders"
          .problem=${problem}
          @key=${({ detail }: CustomEvent<string>) => this.#watch.useKey(detail)}
        ></flotilla-key-form>
        <flotilla-announcer></flotilla-announcer>`;
    return html`
      <header class="top">
        <div class="brand">
          ${logo}
          <h1>Operations</h1>
          <span class="state ${this.watchState}">${stateNames[this.watchState]}</span>
        </div>
        <nav>
          ${this.#keyName()}
          <a href="topology">Topology</a>
        </nav>
      </header>
      <main class=${this.watchState}>${view ? this.#content() : this.#nothingYet()}</main>
      <flotilla-order-dialog .give=${this.#give}></flotilla-order-dialog>
      <flotilla-announcer></flotilla-announcer>
    `;
  }

  /** The key, and what it allows. */
  #keyName(): TemplateResult | typeof nothing {
    const { view } = this.#watch;
    if (view?.key.name === undefined) return nothing;
    const { name, scopes } = view.key;
    return html`<span class="key" data-testid="key-name">
        ${name}<span class="quiet">${scopes.includes('operate') ? 'may give orders' : 'reads only'}</span>
      </span>
      ${
        this.#watch.isKeyEntered
          ? html`<button class="plain small" data-testid="forget" @click=${() => this.#watch.forgetKey()}>
              Forget the key
            </button>`
          : nothing
      }`;
  }

  #nothingYet(): TemplateResult {
    const { problem } = this.#watch;
    return html`<p class="nothing">${problem ? `${problem.message} (${problem.code})` : 'Loading the fleet…'}</p>`;
  }

  #content(): TemplateResult {
    const { key, fleet, objectives } = this.#watch.view!;
    const { nodes, canary, migrations, breakers, scalings, experiments } = fleet;
    // The clock of the registry, which wrote the times.
    const now = fleet.at + performance.now() - this.#receivedAt;
    const ask: Ask = key.scopes.includes('operate') ? (question) => void this.dialog.ask(question) : undefined;
    return html`
      ${this.#stale()} ${chaosBanner(experiments, now)}
      <div class="columns">
        <div class="column">
          ${nodesSection(nodes, canary, now, ask)} ${migrationsSection(migrations, now)}
          ${objectivesSection(objectives)}
        </div>
        <div class="column">
          ${canarySection(nodes, canary, now, ask)} ${breakersSection(breakers, now)} ${scalingsSection(scalings, now)}
        </div>
      </div>
    `;
  }

  #stale(): TemplateResult | typeof nothing {
    if (this.watchState !== 'lost') return nothing;
    const { problem, staleSeconds = 0 } = this.#watch;
    const why = problem ? `${problem.message} (${problem.code})` : 'the registry reads nothing newer from its store';
    return html`<p class="warning" role="status" data-testid="stale">
      ${icons.warning}
      <span>Stale${staleSeconds > 0 ? ` for ${staleSeconds} s` : ''}: ${why}. It is tried again.</span>
    </p>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-operations-page': OperationsPage;
  }
}
