import type { Css, StylesheetJson } from 'cytoscape';
import { notAlive } from './fleet.ts';

const beside = (side: 'left' | 'right'): Css.Node => ({
  'text-halign': side,
  'text-valign': 'center',
  'text-justification': side === 'left' ? 'right' : 'left',
  'text-margin-x': side === 'left' ? -3 : 3,
  'text-margin-y': 0,
});

/** Style of the graph in the colours of the page. Kinds also differ in shape, and remarks are part of the label. */
export function graphStyle(host: HTMLElement): StylesheetJson {
  const colours = getComputedStyle(host);
  const colour = (name: string): string => colours.getPropertyValue(`--${name}`).trim();
  const [text, surface, accent] = [colour('text'), colour('surface'), colour('accent')];
  return [
    {
      selector: 'node',
      style: {
        width: 'data(size)',
        height: 'data(size)',
        label: 'data(label)',
        'font-family': colour('font'),
        'font-size': 13,
        'min-zoomed-font-size': 6,
        'text-wrap': 'wrap',
        'text-valign': 'bottom',
        'text-margin-y': 4,
        'line-height': 1.25,
        color: text,
        'text-outline-color': surface,
        'text-outline-width': 2,
        'background-color': colour('accent-soft'),
        'border-color': accent,
        'border-width': 1.5,
        'overlay-opacity': 0,
      },
    },
    {
      selector: 'node[kind = "gateway"]',
      style: {
        shape: 'round-hexagon',
        'background-color': accent,
        'font-size': 15,
        'font-weight': 600,
        'min-zoomed-font-size': 5,
        'text-valign': 'top',
        'text-margin-y': -6,
      },
    },
    {
      selector: 'node[kind = "node"]',
      style: {
        shape: 'round-rectangle',
        width: 140,
        'background-color': colour('speak'),
        'border-color': colour('speak'),
        color: surface,
        'text-outline-width': 0,
        'text-valign': 'center',
        'text-margin-y': 0,
        'font-size': 14,
        'font-weight': 600,
        'min-zoomed-font-size': 5,
        'z-index': 5,
      },
    },
    { selector: 'node[kind = "room"]', style: { shape: 'ellipse' } },
    { selector: 'node[kind = "room"].spacious', style: { 'font-size': 19 } },
    { selector: 'node[kind = "gateway"].spacious', style: { 'font-size': 20 } },
    { selector: 'node[kind = "node"].spacious', style: { 'font-size': 19, width: 190, height: 60 } },
    { selector: 'node[kind = "rest"]', style: { shape: 'ellipse', 'border-style': 'double', 'border-width': 4 } },
    {
      selector: 'node[kind = "session"]',
      style: {
        shape: 'diamond',
        'background-color': colour('text-2'),
        'border-width': 0,
        'font-size': 10,
        'min-zoomed-font-size': 7,
        'z-index': 6,
      },
    },
    // The label is beside the session, so that it does not cover what is below.
    { selector: 'node[side = "left"][kind = "session"]', style: beside('left') },
    { selector: 'node[side = "right"][kind = "session"]', style: beside('right') },
    { selector: 'node[group = "stable"]', style: { 'background-color': colour('speak') } },
    { selector: 'node[group = "watch"]', style: { 'background-color': colour('warn') } },
    { selector: 'node[group = "move"]', style: { 'background-color': colour('danger') } },
    {
      selector: 'node[remark != ""]',
      style: { 'border-style': 'dashed', 'border-width': 3, 'border-color': colour('warn-ink') },
    },
    {
      selector: `node[remark = "${notAlive}"]`,
      style: { 'border-color': colour('danger-ink'), 'background-color': colour('danger-soft'), color: text },
    },
    {
      selector: 'edge',
      style: {
        width: 'mapData(weight, 1, 60, 1, 6)',
        'line-color': colour('field-line'),
        'line-opacity': 0.3,
        'curve-style': 'straight',
        'overlay-opacity': 0,
        color: text,
        'font-family': colour('font'),
        'font-size': 10,
        'min-zoomed-font-size': 8,
        'text-outline-color': surface,
        'text-outline-width': 2,
      },
    },
    { selector: 'edge[kind = "signal"]', style: { 'line-opacity': 0.16 } },
    { selector: 'edge[kind = "media"]', style: { 'line-color': colour('speak'), 'line-opacity': 0.45 } },
    // A small fleet has space for wider lines.
    { selector: 'edge.spacious', style: { width: 2 } },
    { selector: 'edge[kind = "signal"].spacious', style: { 'line-opacity': 0.45 } },
    { selector: 'edge[kind = "media"].spacious', style: { 'line-opacity': 0.7 } },
    {
      selector: 'edge[kind = "negotiation"]',
      style: {
        'line-style': 'dashed',
        'line-color': colour('warn-ink'),
        'line-opacity': 1,
        width: 2,
        'curve-style': 'bezier',
        label: 'data(label)',
      },
    },
    { selector: '.dim', style: { opacity: 0.2, 'text-opacity': 0, 'z-index': 0 } },
    { selector: 'node[kind = "node"].dim', style: { opacity: 0.5, 'text-opacity': 1 } },
    { selector: 'node.near[kind != "session"]', style: { 'font-size': 14 } },
    { selector: 'node.near', style: { 'min-zoomed-font-size': 5, 'z-index': 20 } },
    { selector: 'edge.near', style: { 'line-opacity': 0.75, label: 'data(label)', 'z-index': 15 } },
    { selector: 'edge.near[kind = "signal"]', style: { 'line-opacity': 0.4 } },
    // Sessions of the selected room may overlap it.
    {
      selector: 'node[kind = "node"].near',
      style: { 'background-opacity': 0.3, color: text, 'z-index': 5 },
    },
    {
      selector: 'node.selected',
      style: { 'border-width': 4, 'border-style': 'solid', 'border-color': colour('focus'), 'z-index': 30 },
    },
  ];
}
