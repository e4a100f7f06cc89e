/** A goal of a benchmark, whether this run met it, and the measured figure. */
export interface Goal {
  readonly what: string;
  readonly met: boolean;
  readonly figure: string;
}

interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

export interface Series {
  readonly label: string;
  /** One value per entry of `Plots.at`; null for a missing one. */
  readonly values: readonly (number | null)[];
  readonly dashed?: boolean;
}

/** Plots with a common x axis. */
export interface Plots {
  readonly axis: string;
  /** Unit of the axis in the legend. */
  readonly unit: string;
  /** Decimal places of the axis in the legend. */
  readonly places: number;
  readonly at: readonly number[];
  /** Parts of the axis with a background colour. */
  readonly bands?: readonly { readonly from: number; readonly to: number; readonly colour: string }[];
  readonly plots: readonly {
    readonly title: string;
    readonly series: readonly Series[];
    /** Decimal places in the legend. */
    readonly places: number;
    /** Logarithmic y axis; values below 0.01 are drawn at 0.01. */
    readonly logarithmic?: boolean;
  }[];
}

/** The report of a run. Texts are plain, not HTML. */
export interface Report {
  readonly title: string;
  readonly heading: string;
  /** Date and time in the format of `Date.toISOString`. */
  readonly when: string;
  readonly machine: string;
  readonly about: string;
  readonly goals: readonly Goal[];
  readonly plots?: Plots;
  readonly tables: readonly Table[];
  /** Additional HTML below the plots. */
  readonly drawing?: string;
}

const outcome = (met: boolean): string => (met ? 'met' : 'missed');

/** Goals and tables as Markdown, for a terminal. */
export function markdown(goals: readonly Goal[], tables: readonly Omit<Table, 'title'>[]): string {
  return [
    goals.map(({ what, met, figure }) => `${met ? 'met   ' : 'MISSED'}  ${what}: ${figure}`),
    ...tables.map(({ head, rows }) => [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`)),
  ]
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[letter]!);

const cells = (tag: 'th' | 'td', row: readonly (string | number)[]): string =>
  `<tr>${row.map((cell) => `<${tag}>${escapeHtml(String(cell))}</${tag}>`).join('')}</tr>`;

const tableHtml = ({ title, head, rows }: Table): string =>
  `<h2>${escapeHtml(title)}</h2><table><thead>${cells('th', head)}</thead><tbody>${rows
    .map((row) => cells('td', row))
    .join('')}</tbody></table>`;

const goalHtml = ({ what, met, figure }: Goal): string =>
  `<div class="goal${met ? ' met' : ''}"><b>${escapeHtml(what)}</b><em>${outcome(met)}</em>: ${escapeHtml(figure)}</div>`;

/** Data as a script element. `<` is escaped, because `</script>` within a string would end the element. */
const jsonScript = (id: string, data: unknown): string =>
  `<script type="application/json" id="${id}">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>`;

const style = `
:root { color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1c2430; background: #f5f6f8 }
body { max-width: 1180px; margin: 0 auto; padding: 24px }
h1 { font-size: 24px; margin: 0 0 4px } h2 { font-size: 17px; margin: 32px 0 8px } p { margin: 0 0 12px; color: #5a6474 }
.goals { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 12px; margin: 20px 0 }
.goal { background: #fff; border-radius: 8px; padding: 12px 16px; border-left: 5px solid #c0362c }
.goal.met { border-color: #23824d } .goal b { display: block } .goal em { font-style: normal; font-weight: 600; color: #c0362c }
.goal.met em { color: #23824d }
table { border-collapse: collapse; background: #fff; border-radius: 8px; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: 5px 12px; border-bottom: 1px solid #e8eaee } td { overflow-wrap: anywhere }
#plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(540px, 1fr)); gap: 16px }
.plot { background: #fff; border-radius: 8px; padding: 8px }
`;

/** Style and script of uPlot, and the script that draws with it. */
export interface PageAssets {
  readonly uplotCss: string;
  readonly uplotScript: string;
  readonly pageScript: string;
}

/** The report as a self-contained page. */
export function reportHtml(report: Report, { uplotCss, uplotScript, pageScript }: PageAssets): string {
  const { title, heading, when, machine, about, goals, plots, tables, drawing = '' } = report;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<style>${uplotCss}${style}</style></head><body>
<h1>${escapeHtml(heading)}</h1>
<p>${escapeHtml([when, machine, about].join(' · '))}</p>
<div class="goals">${goals.map(goalHtml).join('')}</div>
<div id="plots"></div>
${drawing}
${tables.map(tableHtml).join('\n')}
${plots ? `<script>${uplotScript}</script>\n${jsonScript('data', plots)}\n<script type="module">${pageScript}</script>` : ''}
</body></html>
`;
}
