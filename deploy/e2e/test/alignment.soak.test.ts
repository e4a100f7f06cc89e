import { CallPage, notYet, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { FleetTopology } from '../src/index.ts';
import { type Measured, paintCounter, watchCounter } from './frame-counter.ts';
import { useBrowser, useFleet } from './use-topology.ts';
import { percentile } from '@flotilla/loadtest-kit';

const seconds = Number(process.env['ALIGNMENT_SECONDS'] ?? 20);
const framesPerSecond = 25;
/** The product's target is 99 %; a machine without time to decode reaches less. */
const leastShare = 0.9;

describe('frame-aligned metadata', () => {
  let fleet: FleetTopology;
  let browser: Browser;
  useFleet((it) => (fleet = it));
  useBrowser((it) => (browser = it));

  test(
    'also while the sender, and then the viewer, is migrated to another node',
    { timeout: 120_000 + seconds * 1000 },
    async () => {
      const [ada, bob] = [
        await CallPage.join(browser, fleet.pageUrl, { room: 'aligned', name: 'ada' }),
        await CallPage.join(browser, fleet.pageUrl, { room: 'aligned', name: 'bob' }),
      ];
      await bob.receivesMediaOf('ada');
      await watchCounter(bob.page);
      await paintCounter(ada.page, framesPerSecond);
      const take = (): Promise<Measured> => bob.page.evaluate(() => globalThis.takeMeasured());
      await waitFor(
        'messages with frames',
        async () => {
          const { messages, frames } = await take();
          const aligned = messages.filter(({ alignmentMs }) => alignmentMs !== undefined).length;
          const read = frames.filter(({ painted }) => painted !== undefined).length;
          if (aligned < 10 || read < 5)
            notYet(`${aligned} of ${messages.length} messages, ${read} of ${frames.length} frames`);
        },
        { timeoutMs: 30_000 },
      );

      const phases: Record<string, Measured> = {};
      const measure = async (phase: string, ms: number): Promise<void> => {
        await bob.page.waitForTimeout(ms);
        phases[phase] = await take();
      };
      const migrate = async (migrated: CallPage): Promise<void> => {
        await migrated.watchMoves();
        const { me } = await migrated.room();
        await take();
        await fleet.api.request('POST', `/v1/rooms/aligned/participants/${me}/migrate`, {});
        await waitFor(
          `the migration of ${migrated.name}`,
          async () => {
            if ((await migrated.moves()).length === 0) notYet('not yet');
          },
          { timeoutMs: 20_000 },
        );
        expect(await migrated.moves()).toEqual([{ ms: expect.any(Number) as number }]);
      };
      await measure('before', (seconds * 1000) / 4);
      await migrate(ada);
      await measure('migration of the sender', (seconds * 1000) / 4);
      await migrate(bob);
      await measure('migration of the viewer', (seconds * 1000) / 4);
      await measure('after', (seconds * 1000) / 4);

      const all = {
        frames: Object.values(phases).flatMap(({ frames }) => frames),
        messages: Object.values(phases).flatMap(({ messages }) => messages),
      };
      console.log(
        [
          'alignment, per frame presented:',
          ...Object.entries({ ...phases, all }).map(([name, it]) => summary(name, it)),
        ].join('\n'),
      );
      for (const [phase, measured] of Object.entries({ ...phases, all })) {
        const { aligned, share } = judge(measured);
        expect(aligned.length, `messages with a frame, ${phase}`).toBeGreaterThan(10);
        expect(
          aligned.map(({ n }) => n),
          phase,
        ).toEqual(aligned.map(({ n }) => n).toSorted((a, b) => a - b));
        expect(share, `share of frames within one frame, ${phase}`).toBeGreaterThanOrEqual(leastShare);
      }
      await Promise.all([ada.close(), bob.close()]);
    },
  );
});

/** Differences in frames between the painted counter and the newest one delivered as metadata. */
const offsets = ({ frames }: Measured, key: 'painted' | 'drawable'): number[] =>
  frames.flatMap(({ [key]: n, delivered }) => (n === undefined || delivered === undefined ? [] : [n - delivered]));

const within = (values: readonly number[]): number =>
  values.filter((each) => Math.abs(each) <= 1).length / values.length;

function judge(measured: Measured) {
  const aligned = measured.messages.filter(({ alignmentMs }) => alignmentMs !== undefined);
  return { aligned, share: within(offsets(measured, 'painted')) };
}

function summary(name: string, measured: Measured): string {
  const { aligned } = judge(measured);
  const percent = (value: number): string => `${(value * 100).toFixed(1)} %`;
  const show = (key: 'painted' | 'drawable'): string => {
    const values = offsets(measured, key);
    const counts = Object.entries(Object.groupBy(values, String)).map(
      ([off, each]) => [Number(off), each!.length] as const,
    );
    const list = counts.toSorted(([a], [b]) => a - b).map(([off, count]) => `${off}: ${count}`);
    return `${percent(within(values))} of ${values.length} within one (${list.join(', ')})`;
  };
  const quantiles = (errors: readonly number[]): string => {
    const sorted = errors.map(Math.abs).toSorted((a, b) => a - b);
    return [0.5, 0.95].map((share) => `p${share * 100} ${percentile(sorted, share)?.toFixed(1)}`).join(', ');
  };
  const shown = measured.frames.flatMap(({ alignmentMs }) => alignmentMs ?? []);
  return [
    `  ${name}: ${measured.frames.length} frames, ${aligned.length} of ${measured.messages.length} messages with a frame`,
    `    of the frame itself: ${show('painted')}`,
    `    of what the element draws in its callback: ${show('drawable')}`,
    `    |alignmentMs| of the newest with each frame: ${quantiles(shown)}; of all: ${quantiles(aligned.map(({ alignmentMs }) => alignmentMs!))}`,
  ].join('\n');
}
