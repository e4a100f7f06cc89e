import cytoscape, { type Core } from 'cytoscape';
import { css, html, LitElement, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import { icons } from '../shared/icons.ts';
import { base, buttons } from '../shared/styles.ts';
import type { Drawing } from './drawing.ts';
import { graphStyle } from './graph-style.ts';
import { Placement, type Point } from './placement.ts';

const panStep = 60;
const zoomStep = 1.25;
const focusZoom = 1.1;
/** Below this zoom, a vertex is shown without all that it is connected to. */
const minFocusZoom = 0.4;
/** Free space around the graph, in pixels. */
const margin = 36;

/**
 * The fleet as a graph. Keys: arrows pan, + and - zoom, 0 fits everything. The tables have the same content.
 *
 * @fires choose - CustomEvent of the id of the clicked vertex, undefined for the background
 */
@customElement('flotilla-topology-graph')
export class TopologyGraph extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        position: relative;
        min-height: 20rem;
        border: 1px solid var(--line);
        border-radius: var(--radius-l);
        background: var(--surface);
        overflow: hidden;
      }
      .canvas {
        position: absolute;
        inset: 0;
        outline-offset: -3px;
        border-radius: inherit;
        cursor: grab;
      }
      .canvas:active {
        cursor: grabbing;
      }
      .tools {
        position: absolute;
        right: 0.75rem;
        bottom: 0.75rem;
        display: flex;
        flex-direction: column;
        gap: 0.375rem;
      }
      .tools button {
        border-color: var(--line);
        background: var(--surface);
        box-shadow: var(--shadow-1);
      }
    `,
  ];

  @property({ attribute: false }) drawing: Drawing | undefined;
  @property({ attribute: false }) selected: string | undefined;
  @property() summary = '';
  @query('.canvas') private canvas!: HTMLElement;
  readonly #placement = new Placement();
  readonly #scheme = matchMedia('(prefers-color-scheme: dark)');
  readonly #restyle = (): unknown => this.#graph?.style(graphStyle(this));
  readonly #resized = new ResizeObserver(() => this.#onResize());
  #graph: Core | undefined;
  /** The user has panned or zoomed: updates do not change the view any more. */
  #moved = false;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#scheme.addEventListener('change', this.#restyle);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#scheme.removeEventListener('change', this.#restyle);
    this.#resized.disconnect();
    this.#graph?.destroy();
    this.#graph = undefined;
  }

  protected override firstUpdated(): void {
    const graph = cytoscape({
      container: this.canvas,
      style: graphStyle(this),
      minZoom: 0.05,
      maxZoom: 3,
      autoungrabify: true,
      boxSelectionEnabled: false,
      autounselectify: true,
    });
    graph.on('tap', ({ target }: { target: unknown }) => {
      const id = target === graph ? undefined : (target as { id(): string }).id();
      this.dispatchEvent(new CustomEvent('choose', { detail: id }));
    });
    graph.on('dragpan scrollzoom pinchzoom', () => (this.#moved = true));
    this.#graph = graph;
    this.#resized.observe(this.canvas);
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has('drawing') && this.drawing) this.#show(this.drawing);
    if (changed.has('drawing') || changed.has('selected')) this.#highlight();
  }

  #show({ vertices, edges, isComplete }: Drawing): void {
    const graph = this.#graph!;
    const { clientWidth, clientHeight } = this.canvas;
    const points = this.#placement.place(vertices, isComplete, clientWidth > clientHeight ? 1.5 : 0.6);
    const kept = new Set([...vertices, ...edges].map(({ id }) => id));
    const before = graph.nodes().length;
    graph.batch(() => {
      graph
        .elements()
        .filter((element) => !kept.has(element.id()))
        .remove();
      for (const { id, kind, label, size, remark = '', group = '', nodes = [], beside = '' } of vertices) {
        const known = graph.getElementById(id);
        const position = { ...(points.get(id) ?? { x: 0, y: 0 }) };
        const data = { id, kind, label, size, remark, group, nodes, side: sideOf(points.get(id), points.get(beside)) };
        if (known.empty()) graph.add({ group: 'nodes', data, position });
        else known.data(data).position(position);
        // With all sessions drawn, the graph is larger and is zoomed out further.
        graph.getElementById(id).toggleClass('spacious', isComplete);
      }
      for (const { id, source, target, kind, weight, label = weight > 1 ? String(weight) : '' } of edges) {
        const known = graph.getElementById(id);
        const data = { id, source, target, kind, weight, label };
        if (known.empty()) graph.add({ group: 'edges', data });
        else known.data(data);
        graph.getElementById(id).toggleClass('spacious', isComplete);
      }
    });
    if (before === 0) this.#moved = false;
    if (!this.#moved && this.selected === undefined) this.fit();
  }

  /** Highlights the selected vertex and what it is connected to. */
  #highlight(): void {
    const graph = this.#graph!;
    graph.batch(() => {
      graph.elements().removeClass('selected near dim');
      const selected = this.selected === undefined ? graph.collection() : graph.getElementById(this.selected);
      if (selected.empty()) return;
      const assignments = selected.data('nodes') as string[];
      // There are no edges between sessions and nodes.
      const media = graph
        .nodes()
        .filter((each) => assignments.includes(each.id()) || (each.data('nodes') as string[]).includes(selected.id()));
      const near = selected.closedNeighborhood().union(media);
      // Of a room also what its sessions are connected to.
      const around =
        selected.data('kind') === 'node'
          ? near.union(media.edgesWith(near))
          : near.union(near.nodes('[kind = "session"]').closedNeighborhood());
      graph.elements().not(around).addClass('dim');
      around.addClass('near');
      selected.addClass('selected');
    });
  }

  #isInView(id: string): boolean {
    const graph = this.#graph!;
    const element = graph.getElementById(id);
    if (element.empty()) return true;
    const { x, y } = element.renderedPosition();
    return x > 0 && y > 0 && x < graph.width() && y < graph.height();
  }

  /** Moves the view to a vertex, with what it is connected to where the zoom allows. */
  focusOn(id: string): void {
    const graph = this.#graph;
    const element = graph?.getElementById(id);
    if (!graph || !element || element.empty()) return;
    this.#moved = true;
    // The details panel may have reduced the width.
    graph.resize();
    const connected = graph.nodes('.near').union(element);
    const { w, h } = connected.boundingBox();
    const fitZoom = Math.min((graph.width() - 2 * margin) / w, (graph.height() - 2 * margin) / h);
    const fits = fitZoom >= minFocusZoom;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    graph.animate({
      center: { eles: fits ? connected : element },
      zoom: fits ? Math.min(fitZoom, focusZoom) : Math.max(graph.zoom(), focusZoom),
      duration: still ? 0 : 300,
    });
  }

  fit(): void {
    this.#moved = false;
    this.#graph?.fit(undefined, margin);
    // A very small fleet should not fill the page.
    if (this.#graph && this.#graph.zoom() > 1.4) {
      this.#graph.zoom(1.4);
      this.#graph.center();
    }
  }

  #zoom(by: number): void {
    const graph = this.#graph!;
    this.#moved = true;
    graph.zoom({
      level: graph.zoom() * by,
      renderedPosition: { x: graph.width() / 2, y: graph.height() / 2 },
    });
  }

  #onResize(): void {
    const graph = this.#graph;
    graph?.resize();
    if (!this.#moved) this.fit();
    else if (this.selected !== undefined && !this.#isInView(this.selected)) this.focusOn(this.selected);
  }

  readonly #onKey = (event: KeyboardEvent): void => {
    const actions: Record<string, () => unknown> = {
      ArrowLeft: () => this.#pan(panStep, 0),
      ArrowRight: () => this.#pan(-panStep, 0),
      ArrowUp: () => this.#pan(0, panStep),
      ArrowDown: () => this.#pan(0, -panStep),
      '+': () => this.#zoom(zoomStep),
      '=': () => this.#zoom(zoomStep),
      '-': () => this.#zoom(1 / zoomStep),
      '0': () => this.fit(),
    };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  };

  #pan(x: number, y: number): void {
    this.#moved = true;
    this.#graph!.panBy({ x, y });
  }

  protected override render(): TemplateResult {
    return html`
      <div
        class="canvas"
        role="img"
        tabindex="0"
        aria-label="Graph of the fleet: ${this.summary}. The table view has the same content."
        @keydown=${this.#onKey}
      ></div>
      <div class="tools">
        <button class="small icon" aria-label="Zoom in" title="Zoom in (+)" @click=${() => this.#zoom(zoomStep)}>
          ${icons.plus}
        </button>
        <button class="small icon" aria-label="Zoom out" title="Zoom out (-)" @click=${() => this.#zoom(1 / zoomStep)}>
          ${icons.minus}
        </button>
        <button class="small icon" aria-label="Fit all" title="Fit all (0)" @click=${() => this.fit()}>
          ${icons.fullscreen}
        </button>
      </div>
    `;
  }
}

/** The side of `centre` that a vertex is on; its label is put on that side. */
function sideOf(point: Point | undefined, centre: Point | undefined): 'left' | 'right' | '' {
  if (!point || !centre || Math.abs(point.x - centre.x) < 1) return '';
  return point.x < centre.x ? 'left' : 'right';
}

declare global {
  interface HTMLElementTagNameMap {
    'flotilla-topology-graph': TopologyGraph;
  }
}
