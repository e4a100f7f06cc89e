import { parseArgs } from 'node:util';
import { fleet, standalone } from '@flotilla/e2e';
import { CallPage, launchBrowser, notYet, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';

const usage = `npm run bench:join -- [options]

How long a newcomer waits: from the click on Join to the first decoded frame of somebody who is in the room already.

  --joins N        joins to measure on each topology (default 30)
  --topology NAME  standalone or fleet (default: both, one after the other)
  --help           this text
`;

const { values } = parseArgs({
  options: { joins: { type: 'string', default: '30' }, topology: { type: 'string' }, help: { type: 'boolean' } },
});
if (values.help) {
  console.log(usage);
  process.exit(0);
}
const joins = Number(values.joins);
if (!Number.isInteger(joins) || joins < 1 || joins > 1000) {
  console.error(`--joins takes a whole number from 1 to 1000, not "${values.joins}".`);
  process.exit(2);
}
const topologies = { standalone, fleet };
const chosen = Object.entries(topologies).filter(([name]) => values.topology === undefined || values.topology === name);
if (chosen.length === 0) {
  console.error(`--topology is standalone or fleet, not "${values.topology}".`);
  process.exit(2);
}

/** The value below which a share of the samples lies (nearest rank). */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;
}

async function measure(topology: Topology, browser: Browser): Promise<number[]> {
  const room = `bench-${Date.now().toString(36)}`;
  const host = await CallPage.join(browser, topology.pageUrl, { room, name: 'host' });
  const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
  const page = await context.newPage();
  const samples: number[] = [];
  try {
    for (let join = 1; join <= joins; join++) {
      await page.goto(topology.pageUrl);
      await page.getByTestId('name').fill('guest');
      await page.getByTestId('room').fill(room);
      await page.getByTestId('join').click();
      const ms = await waitFor(
        'the first frame',
        () =>
          page
            .evaluate(() => {
              const at = (name: string): number | undefined => performance.getEntriesByName(name)[0]?.startTime;
              const [from, to] = [at('flotilla:join'), at('flotilla:first-frame')];
              return from !== undefined && to !== undefined ? to - from : null;
            })
            .then((value) => value ?? notYet('there is none')),
        { timeoutMs: 20_000 },
      );
      samples.push(ms);
      process.stdout.write(`\r  ${topology.name}: join ${join} of ${joins}: ${Math.round(ms)} ms   `);
      await page.getByTestId('leave').click();
      await host.seesExactly([]);
    }
  } finally {
    process.stdout.write('\n');
    await context.close();
    await host.close();
  }
  return samples;
}

const rows: string[] = [];
for (const [, start] of chosen) {
  const topology = await start();
  const browser = await launchBrowser();
  try {
    const sorted = (await measure(topology, browser)).toSorted((a, b) => a - b);
    const [p50, p95, max] = [percentile(sorted, 0.5), percentile(sorted, 0.95), sorted.at(-1)!].map(Math.round);
    rows.push(
      `| ${topology.name} | ${sorted.length} | ${p50} | ${p95} | ${max} | ${p50! < 500 && p95! < 1000 ? 'met' : 'missed'} |`,
    );
  } finally {
    await browser.close();
    await topology.stop();
  }
}
console.log(`
Click to first decoded remote frame, in ms (goal: p50 < 500, p95 < 1000)

| topology | joins | p50 | p95 | max | goal |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`);
