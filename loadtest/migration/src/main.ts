import { startFleet } from '@flotilla/fleet';
import {
  endProgress,
  markdown,
  number,
  progress,
  readOptions,
  runInfo,
  summarize,
  writeReport,
} from '@flotilla/loadtest-kit';
import { CallPage, launchBrowser, notYet, RestApi, waitFor } from '@flotilla/testkit';
import { type Gap, report, rowHead } from './report.ts';

const names = ['ada', 'bob', 'cleo'];
const room = 'moving';
/** What is watched around a migration: it and the time in which the others follow and the old side closes. */
const settleMs = 3500;
const restMs = 4000;
const restEvery = 10;

const about = `Moves the people of a three-person call from SFU node to SFU node while they talk, and measures what each sees of the others:
the longest time between two rendered frames around each move, beside that of the same call at rest.`;
const { migrations } = readOptions('bench:migration', about, { migrations: number('how many', 100, 1, 10_000) });

/** The longest gaps since the last call, by who sees whom. */
async function takeGaps(
  pages: readonly CallPage[],
  owners: ReadonlyMap<string, string>,
): Promise<Omit<Gap, 'round' | 'mover'>[]> {
  const taken = await Promise.all(
    pages.map(async (page) =>
      (await page.takeFrameGaps()).map(({ publicationId, longest }) => ({
        viewer: page.name,
        of: owners.get(publicationId) ?? '?',
        ms: longest,
      })),
    ),
  );
  return taken.flat();
}

const fleet = await startFleet({ sfuNodes: 3, gateways: 2, port: 0, env: { FLOTILLA_NAMESPACE: 'bench-migration' } });
const browser = await launchBrowser();
const gaps: Gap[] = [];
const atRest: number[] = [];
const took: number[] = [];
const failures: string[] = [];
try {
  const api = new RestApi(fleet.registryUrl, fleet.apiKey);
  const pages = await Promise.all(names.map((name) => CallPage.join(browser, fleet.pageUrl, { room, name })));
  for (const page of pages) for (const name of names) if (name !== page.name) await page.hearsAndSees(name);
  const owners = new Map<string, string>();
  for (const page of pages) {
    await page.watchFrames();
    await page.watchMoves();
    for (const id of await page.publicationIds()) owners.set(id, page.name);
  }
  for (let round = 1; round <= migrations; round++) {
    if (round % restEvery === 1) {
      await takeGaps(pages, owners);
      await pages[0]!.page.waitForTimeout(restMs);
      atRest.push(...(await takeGaps(pages, owners)).map(({ ms }) => ms));
    }
    const mover = pages[round % pages.length]!;
    const before = (await mover.moves()).length;
    const { me } = await mover.room();
    await takeGaps(pages, owners);
    const { status, body } = await api.request('POST', `/v1/rooms/${room}/participants/${me}/migrate`, {});
    if (status !== 202) {
      failures.push(`${round}: ${JSON.stringify(body)}`);
      continue;
    }
    const move = await waitFor(
      `${mover.name} has moved`,
      async () => (await mover.moves())[before] ?? notYet('it has not'),
      { timeoutMs: 30_000 },
    );
    if (move.ms === undefined) failures.push(`${round}: ${move.error}`);
    else took.push(move.ms);
    await mover.page.waitForTimeout(settleMs);
    const seen = await takeGaps(pages, owners);
    gaps.push(...seen.map((gap) => ({ ...gap, round, mover: mover.name })));
    const worst = Math.max(...seen.map(({ ms }) => ms));
    progress(
      `migration ${round} of ${migrations}: ${Math.round(move.ms ?? 0)} ms, longest gap ${Math.round(worst)} ms, ${failures.length} failed`,
    );
  }
} finally {
  endProgress();
  await browser.close();
  await fleet.stop();
}

const row = (what: string, values: readonly number[]): (string | number)[] => {
  const { count, p50, p95, max } = summarize(values);
  return [what, count, ...[p50, p95, max].map(Math.round)];
};
const seenBy = (what: string, chosen: (gap: Gap) => boolean): (string | number)[] =>
  row(
    what,
    gaps.filter(chosen).map(({ ms }) => ms),
  );
const rows = [
  row('at rest', atRest),
  seenBy('the mover, of the others', ({ viewer, mover }) => viewer === mover),
  seenBy('the others, of the mover', ({ of, mover }) => of === mover),
  seenBy('the others, of each other', ({ viewer, of, mover }) => viewer !== mover && of !== mover),
  row('migration, from being told to being moved', took),
];
console.log(`
Longest gap between rendered frames, in ms (goal: p95 <= 150, none fails)

${markdown([], [{ head: rowHead, rows }])}

${failures.length} of ${migrations} failed${failures.length > 0 ? `:\n${failures.join('\n')}` : '.'}`);
const results = { ...runInfo(), rows, gaps, failures };
writeReport(import.meta.url, report(results), results);
