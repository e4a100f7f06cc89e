import { percentile, type Report, type Goal } from '@flotilla/loadtest-kit';
import type { SideName } from './side-process.ts';

/** A measurement of one side: CPU time in milliseconds, and packets forwarded and received. */
export interface Round {
  readonly side: SideName;
  readonly pair: number;
  readonly seconds: number;
  readonly workerMs: number;
  readonly nodeMs: number;
  readonly forwarded: number;
  readonly received: number;
}

/** Goal: maximum ratio to bare mediasoup. */
const maxRatio = 1.05;

const microsPerPacket = (ms: number, { forwarded }: Round): number => (ms * 1000) / forwarded;
const worker = (round: Round): number => microsPerPacket(round.workerMs, round);
const both = (round: Round): number => microsPerPacket(round.workerMs + round.nodeMs, round);

const round2 = (value: number): number => Math.round(value * 100) / 100;
const round3 = (value: number): number => Math.round(value * 1000) / 1000;

const at = (values: readonly number[], share: number): number =>
  percentile(
    values.toSorted((a, b) => a - b),
    share,
  )!;

export interface Results {
  readonly goals: readonly Goal[];
  readonly tables: Report['tables'];
  readonly plots: NonNullable<Report['plots']>;
}

/** Evaluates the rounds. Those of a pair ran one after the other and are compared. */
export function results(rounds: readonly Round[]): Results {
  const of = (side: SideName): Round[] =>
    rounds.filter((round) => round.side === side).toSorted((a, b) => a.pair - b.pair);
  const [stack, bare] = [of('stack'), of('bare')];
  const ratios = (cost: (round: Round) => number): number[] =>
    stack.map((round, index) => cost(round) / cost(bare[index]!));
  const [workerRatios, bothRatios] = [ratios(worker), ratios(both)];
  const goal = (what: string, values: readonly number[]): Goal => ({
    what,
    met: at(values, 0.5) <= maxRatio,
    figure: `${round3(at(values, 0.5))} times bare mediasoup (goal ${maxRatio})`,
  });
  const share =
    rounds.reduce((sum, { received }) => sum + received, 0) / rounds.reduce((sum, { forwarded }) => sum + forwarded, 0);
  const row = (what: string, values: readonly number[]): (string | number)[] => [
    what,
    ...[0.5, 0.95, 0.99].map((share) => round3(at(values, share))),
  ];
  return {
    goals: [
      goal('CPU of the media worker per forwarded packet, median of the pairs', workerRatios),
      goal('CPU of the whole node per forwarded packet, median of the pairs', bothRatios),
      { what: 'Share of forwarded packets received', met: share > 0.98, figure: `${round2(share * 100)} %` },
    ],
    tables: [
      {
        title: 'CPU time per packet, ratio to bare mediasoup',
        head: ['CPU time per packet, ratio to bare mediasoup', 'p50', 'p95', 'p99'],
        rows: [row('media worker', workerRatios), row('media worker and its process', bothRatios)],
      },
      {
        title: 'CPU',
        head: [
          'side',
          'worker, µs per packet',
          'process, µs per packet',
          'worker, % of a core',
          'process, % of a core',
          'packets/s',
        ],
        rows: [
          ['SFU node', stack],
          ['bare mediasoup', bare],
        ].map(([what, of]) => {
          const total = (key: 'workerMs' | 'nodeMs' | 'forwarded' | 'seconds'): number =>
            (of as Round[]).reduce((sum, each) => sum + each[key], 0);
          const [workerMs, nodeMs, forwarded, seconds] = [
            total('workerMs'),
            total('nodeMs'),
            total('forwarded'),
            total('seconds'),
          ];
          return [
            what as string,
            round2((workerMs * 1000) / forwarded),
            round2((nodeMs * 1000) / forwarded),
            round2(workerMs / seconds / 10),
            round2(nodeMs / seconds / 10),
            Math.round(forwarded / seconds),
          ];
        }),
      },
    ],
    plots: {
      axis: 'pair of rounds',
      unit: 'pair',
      places: 0,
      at: stack.map(({ pair }) => pair),
      plots: [
        {
          title: 'CPU time per packet, ratio to bare mediasoup',
          places: 3,
          series: [
            { label: 'media worker', values: workerRatios },
            { label: 'worker and process', values: bothRatios },
            { label: 'goal', values: stack.map(() => maxRatio), dashed: true },
          ],
        },
        {
          title: 'CPU of worker and process, µs per packet',
          places: 2,
          series: [
            { label: 'SFU node', values: stack.map(both) },
            { label: 'bare mediasoup', values: bare.map(both) },
          ],
        },
      ],
    },
  };
}
