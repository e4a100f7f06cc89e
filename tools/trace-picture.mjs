// Draws a recorded trace as a waterfall: node tools/trace-picture.mjs TRACE.json PICTURE.svg
import { readFileSync, writeFileSync } from 'node:fs';
import { runWithHelp } from './setup/help.mjs';
import { SetupError } from './setup/steps.mjs';

const usage = `node tools/trace-picture.mjs TRACE.json PICTURE.svg

Draws a trace as a waterfall: a row for each span, below its parent. The end-to-end test of traces writes one of a join to
deploy/e2e/.results/join-trace.json.

  --help   this text
`;

/** @typedef {{ id: string, parentId: string, service: string, name: string, startedAt: number, endedAt: number }} Span */

const colours = ['#2f6fb0', '#c2571a', '#3a8a4d', '#8a4fa3', '#7a6a2b'];
const size = { row: 22, labels: 330, bars: 560, margin: 12, head: 58 };

/**
 * The spans in the order of the rows: each below its parent, siblings by their begin.
 *
 * @param {readonly Span[]} spans
 * @returns {{ span: Span, depth: number }[]}
 */
function rowsOf(spans) {
  const known = new Set(spans.map(({ id }) => id));
  const children = Map.groupBy(spans, ({ parentId }) => (known.has(parentId) ? parentId : ''));
  /** @type {(parent: string, depth: number) => { span: Span, depth: number }[]} */
  const below = (parent, depth) =>
    (children.get(parent) ?? [])
      .toSorted((a, b) => a.startedAt - b.startedAt)
      .flatMap((span) => [{ span, depth }, ...below(span.id, depth + 1)]);
  return below('', 0);
}

/** @param {string} text */
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** @param {number} ms */
const shown = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

/**
 * @param {number} x
 * @param {number} y
 * @param {string} text
 * @param {string} [more] further attributes
 */
const label = (x, y, text, more = '') => `<text x="${x}" y="${y}" ${more}>${escaped(text)}</text>`;

/** @param {readonly Span[]} spans */
function pictureOf(spans) {
  const rows = rowsOf(spans);
  const begin = Math.min(...spans.map(({ startedAt }) => startedAt));
  const total = Math.max(...spans.map(({ endedAt }) => endedAt)) - begin;
  const services = [...new Set(rows.map(({ span }) => span.service))];
  /** @param {string} service */
  const colourOf = (service) => colours[services.indexOf(service) % colours.length];
  /** @param {number} at */
  const xOf = (at) => size.margin + size.labels + ((at - begin) / total) * size.bars;
  const width = size.labels + size.bars + 6 * size.margin;
  const height = size.head + rows.length * size.row + size.margin;
  const legend = services.map((service, index) => {
    const x = size.margin + index * 170;
    return `<rect x="${x}" y="12" width="12" height="12" rx="2" fill="${colourOf(service)}"/>${label(x + 18, 22, service)}`;
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const x = xOf(begin + share * total);
    return `<path d="M${x} ${size.head - 6}V${height - size.margin}" stroke="#d8d8d8"/>${label(x, size.head - 12, shown(share * total), 'text-anchor="middle" fill="#666"')}`;
  });
  const bars = rows.map(({ span, depth }, index) => {
    const y = size.head + index * size.row;
    const [from, to] = [xOf(span.startedAt), xOf(span.endedAt)];
    const ms = span.endedAt - span.startedAt;
    const bar = `<rect x="${from}" y="${y + 4}" width="${Math.max(2, to - from)}" height="${size.row - 8}" rx="2" fill="${colourOf(span.service)}"/>`;
    // Left of bars that end at the right edge.
    const isRight = to > size.margin + size.labels + size.bars - 60;
    const time = isRight
      ? label(from - 4, y + 15, shown(ms), 'text-anchor="end" fill="#444"')
      : label(Math.max(to, from + 2) + 4, y + 15, shown(ms), 'fill="#444"');
    return label(size.margin + depth * 14, y + 15, span.name) + bar + time;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${[...legend, ...ticks, ...bars].join('\n')}
</svg>
`;
}

await runWithHelp(usage, async () => {
  const [trace, picture] = process.argv.slice(2);
  if (trace === undefined || picture === undefined) throw new SetupError(usage);
  const spans = /** @type {Span[]} */ (JSON.parse(readFileSync(trace, 'utf8')));
  writeFileSync(picture, pictureOf(spans));
  console.log(`wrote ${picture}: ${spans.length} spans`);
});
