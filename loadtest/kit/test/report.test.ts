import { expect, test } from 'vitest';
import { markdown, type Report, reportHtml } from '../src/report.ts';

const assets = { uplotCss: '/*css*/', uplotScript: '/*uplot*/', pageScript: '/*page*/' };
const report: Report = {
  title: 'A run',
  heading: 'A run: 2 < 3',
  when: '2026-11-01T00:00:00.000Z',
  machine: '2 x CPU & co',
  about: 'what it is',
  goals: [{ what: 'p95 < 5', met: false, figure: '7' }],
  tables: [{ title: 'Figures', head: ['', 'us'], rows: [['p50', 3]] }],
};

test('a report page escapes HTML in texts', () => {
  const page = reportHtml(report, assets);
  expect(page).toContain('<h1>A run: 2 &lt; 3</h1>');
  expect(page).toContain('2 x CPU &amp; co · what it is');
  expect(page).toContain('<div class="goal"><b>p95 &lt; 5</b><em>missed</em>: 7</div>');
  expect(page).toContain('<tbody><tr><td>p50</td><td>3</td></tr></tbody>');
  expect(page).not.toContain('<script');
});

test('a report page with plots contains their data and scripts', () => {
  const series = [{ label: '</script>', values: [1, null] }];
  const plots = { axis: 'hour', unit: 'h', places: 0, at: [1, 2], plots: [{ title: 'one', series, places: 1 }] };
  const page = reportHtml({ ...report, plots }, assets);
  const data = /<script type="application\/json" id="data">(.*)<\/script>/.exec(page)![1]!;
  expect(data).not.toContain('<');
  expect(JSON.parse(data)).toEqual(plots);
  for (const asset of Object.values(assets)) expect(page).toContain(asset);
});

test('markdown formats goals and tables', () => {
  expect(markdown(report.goals, report.tables)).toBe(`MISSED  p95 < 5: 7

|  | us |
| --- | --- |
| p50 | 3 |`);
});
