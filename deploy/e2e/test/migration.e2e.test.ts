import { CallPage, notYet, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { FleetTopology } from '../src/index.ts';
import { spread } from './spread.ts';
import { useBrowser, useFleet } from './use-topology.ts';

const rounds = 6;
/** The others subscribe on the new node and the old side closes within this time, ms. */
const settlesMs = 2000;
/** Chromium reports frames that were garbage collected without being closed once in 10 s. */
const unclosedFramesReportedWithinMs = 11_000;

/** Collects garbage, and resolves when unclosed frames among it have been reported. */
async function reportUnclosedFrames({ page }: CallPage): Promise<void> {
  await page.evaluate(() => (globalThis as unknown as { gc(): void }).gc());
  await page.waitForTimeout(unclosedFramesReportedWithinMs);
}

// Six migrations take more than 90 s on a busy machine.
describe('live migration of a browser', { timeout: 180_000 }, () => {
  let fleet: FleetTopology;
  let browser: Browser;
  useFleet((it) => (fleet = it));
  useBrowser((it) => (browser = it));

  test('repeated migrations in a call of three succeed and leave no VideoFrame unclosed', async () => {
    const pages = await Promise.all(
      ['ada', 'bob', 'cleo'].map((name) => CallPage.join(browser, fleet.pageUrl, { room: 'moving', name })),
    );
    const unclosed: string[] = [];
    for (const { name, page } of pages)
      page.on('console', (message) => {
        if (message.text().includes('VideoFrame')) unclosed.push(`${name}: ${message.text()}`);
      });
    const [ada] = pages as [CallPage, CallPage, CallPage];
    for (const page of pages) for (const other of pages) if (other !== page) await page.receivesMediaOf(other.name);
    for (const page of pages) await page.watchFrames();
    await ada.watchMoves();
    const { me } = await ada.room();
    const adas = await ada.publicationIds();
    await ada.page.waitForTimeout(1000);
    for (const page of pages) await page.takeFrameGaps();
    // The same call at rest, on the same machine.
    await ada.page.waitForTimeout(settlesMs);
    const atRest: number[] = [];
    for (const page of pages) atRest.push(...(await page.takeFrameGaps()).map(({ longest }) => longest));

    const [byMigrated, others, ofMigrated]: number[][] = [[], [], []] as never;
    for (let round = 1; round <= rounds; round++) {
      const from = (await ada.room()).nodeId;
      const { status, body } = await fleet.api.request('POST', `/v1/rooms/moving/participants/${me}/migrate`, {});
      expect({ status, body }).toMatchObject({ status: 202 });
      await waitFor(
        'ada is on the other node',
        async () => {
          const moves = await ada.moves();
          if (moves.length < round) notYet(`it is on ${(await ada.room()).nodeId}`);
          expect(moves.at(-1)).toEqual({ ms: expect.any(Number) as number });
        },
        { timeoutMs: 20_000 },
      );
      expect((await ada.room()).nodeId).toBe((body as { toNode: string }).toNode);
      expect((await ada.room()).nodeId).not.toBe(from);
      await ada.page.waitForTimeout(settlesMs);
      for (const page of pages) {
        const seen = await page.takeFrameGaps();
        expect(seen, `what ${page.name} sees`).toHaveLength(2);
        for (const { publicationId, longest } of seen) {
          if (page === ada) byMigrated!.push(longest);
          else (adas.includes(publicationId) ? ofMigrated! : others!).push(longest);
        }
      }
    }
    const show = (what: string, values: readonly number[]): string => `  ${what}: ${spread(values)}`;
    console.log(
      [
        `${rounds} migrations took ${(await ada.moves()).map(({ ms }) => Math.round(ms!)).join(', ')} ms. Longest gap between frames, ms:`,
        show('at rest', atRest),
        show('others, at the migrated', byMigrated!),
        show('migrated, at the others', ofMigrated!),
        show('others, at the others', others!),
      ].join('\n'),
    );
    for (const page of pages) expect(page.problems).toEqual([]);
    await Promise.all(pages.map(reportUnclosedFrames));
    expect(unclosed).toEqual([]);
    for (const page of pages) await page.close();
  });
});
