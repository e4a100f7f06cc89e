/** What was promised, whether it was kept in this run, and the figure that shows it. */
export interface Verdict {
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
  /** One for each of `Plots.at`; null where there is none. */
  readonly values: readonly (number | null)[];
  readonly dashed?: boolean;
}

/** Plots over one axis. */
export interface Plots {
  readonly axis: string;
  /** The axis in the legend, and how many decimal places it has there. */
  readonly unit: string;
  readonly places: number;
  readonly at: readonly number[];
  /** Parts of the axis with a background of their own. */
  readonly bands?: readonly { readonly from: number; readonly to: number; readonly colour: string }[];
  readonly plots: readonly {
    readonly title: string;
    readonly series: readonly Series[];
    /** Decimal places in the legend. */
    readonly places: number;
    /** Values below 0.01 are drawn there. */
    readonly logarithmic?: boolean;
  }[];
}

/** A run, ready to be shown. Texts are plain. */
export interface Report {
  readonly title: string;
  readonly heading: string;
  /** When it was, as `Date.toISOString` writes it. */
  readonly when: string;
  readonly machine: string;
  readonly about: string;
  readonly verdicts: readonly Verdict[];
  readonly plots?: Plots;
  readonly tables: readonly Table[];
  /** Drawings of its own, as HTML, put below the plots. */
  readonly drawing?: string;
}

const outcome = (met: boolean): string => (met ? 'met' : 'missed');

/** Verdicts and tables for a terminal, as Markdown. */
export function markdown(verdicts: readonly Verdict[], tables: readonly Omit<Table, 'title'>[]): string {
  return [
    verdicts.map(({ what, met, figure }) => `${met ? 'met   ' : 'MISSED'}  ${what}: ${figure}`),
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

const verdictHtml = ({ what, met, figure }: Verdict): string =>
  `<div class="verdict${met ? ' met' : ''}"><b>${escapeHtml(what)}</b><em>${outcome(met)}</em>: ${escapeHtml(figure)}</div>`;

/** A script in the page; within one, `<` of JSON could only end it. */
const jsonScript = (id: string, data: unknown): string =>
  `<script type="application/json" id="${id}">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>`;

const style = `
:root { color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1c2430; background: #f5f6f8 }
body { max-width: 1180px; margin: 0 auto; padding: 24px }
h1 { font-size: 24px; margin: 0 0 4px } h2 { font-size: 17px; margin: 32px 0 8px } p { margin: 0 0 12px; color: #5a6474 }
.verdicts { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 12px; margin: 20px 0 }
.verdict { background: #fff; border-radius: 8px; padding: 12px 16px; border-left: 5px solid #c0362c }
.verdict.met { border-color: #23824d } .verdict b { display: block } .verdict em { font-style: normal; font-weight: 600; color: #c0362c }
.verdict.met em { color: #23824d }
table { border-collapse: collapse; background: #fff; border-radius: 8px; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: 5px 12px; border-bottom: 1px solid #e8eaee } td { overflow-wrap: anywhere }
#plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(540px, 1fr)); gap: 16px }
.plot { background: #fff; border-radius: 8px; padding: 8px }
`;

/** What the page needs of others: the style and script of uPlot, and the script that draws with it. */
export interface PageAssets {
  readonly uplotCss: string;
  readonly uplotScript: string;
  readonly pageScript: string;
}

/** The report as one page that needs nothing else. */
export function reportHtml(report: Report, { uplotCss, uplotScript, pageScript }: PageAssets): string {
  const { title, heading, when, machine, about, verdicts, plots, tables, drawing = '' } = report;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<style>${uplotCss}${style}</style></head><body>
<h1>${escapeHtml(heading)}</h1>
<p>${escapeHtml([when, machine, about].join(' · '))}</p>
<div class="verdicts">${verdicts.map(verdictHtml).join('')}</div>
<div id="plots"></div>
${drawing}
${tables.map(tableHtml).join('\n')}
${plots ? `<script>${uplotScript}</script>\n${jsonScript('data', plots)}\n<script type="module">${pageScript}</script>` : ''}
</body></html>
`;
}
