import { markdown, percentile, type Report } from '@flotilla/loadtest-kit';
import { plots } from './plots.ts';
import type { Side } from './protocol.ts';
import { type Results, type SideResult, type Spread, goals } from './results.ts';

const ms = (value: number | null): string => (value === null ? '-' : value < 100 ? value.toFixed(2) : value.toFixed(0));
const times = ({ p50, p95, p99, max }: Spread): string => [p50, p95, p99, max].map(ms).join(' / ');

function medianP99({ turns }: Pick<Results, 'turns'>, side: Side): string {
  const sorted = turns
    .filter((turn) => turn.side === side)
    .map(({ dispatch }) => dispatch.p99 ?? 0)
    .toSorted((a, b) => a - b);
  return ms(percentile(sorted, 0.5) ?? null);
}

/** Rows of the table of figures: name, Flotilla, bare. */
function figures({ sides: { flotilla, bare }, ...rest }: Results): [string, string, string][] {
  const both = (name: string, of: (side: SideResult) => string): [string, string, string] => [
    name,
    of(flotilla),
    of(bare),
  ];
  return [
    both(
      'sessions in their rooms under load: mean, minimum',
      (side) => `${side.joinedMean.toFixed(0)}, ${side.joinedMin}`,
    ),
    both('joins of all sessions, s', (side) => side.joinSeconds.toFixed(1)),
    both('handshake p50 / p95 / p99 / max, ms', (side) => times(side.handshake)),
    both('join (TCP to reply) p50 / p95 / p99 / max, ms', (side) => times(side.join)),
    both('dispatch p50 / p95 / p99 / max, ms: all turns', (side) => times(side.dispatch)),
    both('the same: undisturbed turns', (side) => times(side.undisturbedDispatch)),
    ['the same: median of the p99 of its turns', medianP99(rest, 'flotilla'), medianP99(rest, 'bare')],
    both('message to its reply p50 / p95 / p99 / max, ms', (side) => times(side.reply)),
    both('cut to resumed p50 / p95 / p99 / max, ms', (side) => times(side.resume)),
    both('deliveries timed', (side) => String(side.dispatch.count)),
    both('CPU under its load, of one core', (side) => `${(side.cpu * 100).toFixed(0)} %`),
    both('memory per session, KiB RSS', (side) => side.rssPerSessionKb.toFixed(1)),
    both(
      'event-loop delay p99 (gateway: of 5 s, bare: of 1 s), 10 ms timer included: typical, worst, ms',
      (side) => `${ms(side.loopDelayMs.typical)}, ${ms(side.loopDelayMs.worst)}`,
    ),
    ['garbage collection, of the time', `${(rest.gcShare * 100).toFixed(1)} %`, ''],
    ['event-loop delay p99 of the busiest client process, ms', ms(rest.clientLoopDelayMs), ''],
    ['all sessions closed after, s', rest.leaveSeconds.toFixed(1), ''],
    both('acknowledged / unanswered', ({ verification: v }) => `${v.acknowledged} / ${v.unanswered}`),
    both('lost / duplicate / out of order', ({ verification: v }) => `${v.lost} / ${v.duplicates} / ${v.outOfOrder}`),
    both('sessions checked', ({ verification: v }) => `${v.members - v.unchecked} of ${v.members}`),
  ];
}

const counts = (side: SideResult): string =>
  Object.entries(side.counts)
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ');

function turns({ turns }: Results): string[][] {
  return turns.map(({ side, dispatch, others }, index) => [
    String(index + 1),
    side,
    String(dispatch.count),
    times(dispatch),
    `${(others * 100).toFixed(0)} %`,
  ]);
}

const turnHead = [
  'turn',
  'side',
  'deliveries',
  'dispatch p50 / p95 / p99 / max, ms',
  'CPU of other programs, of all cores',
];

const figureHead = ['measure', 'Flotilla', 'bare ws'];

/** The results as Markdown, for a terminal. */
export function summary(results: Results): string {
  const { flotilla, bare } = results.sides;
  return [
    markdown(goals(results), [
      { head: figureHead, rows: figures(results) },
      { head: turnHead, rows: turns(results) },
    ]),
    '',
    `flotilla: ${counts(flotilla)}`,
    `bare: ${counts(bare)}`,
    ...results.profiles.flatMap(({ phase, functions }) => [
      '',
      `CPU time of the gateway by function (${phase}):`,
      ...functions.slice(0, 20).map(({ name, share }) => `  ${(share * 100).toFixed(1).padStart(5)} %  ${name}`),
    ]),
  ].join('\n');
}

/** The results as a report page. */
export function report(results: Results): Report {
  const { options, sides } = results;
  return {
    title: 'Signaling under load',
    heading: `Signaling under load: ${options.sessions} sessions, ${options.rooms} rooms, one gateway process`,
    when: results.when,
    machine: results.machine,
    about: `${results.tls ? 'WSS' : 'plain WebSocket'} · ${options.rate} messages/s into rooms of ${(options.sessions / options.rooms).toFixed(0)}, ${(options.reconnects * 100).toFixed(1)} % of the sessions cut and resumed each second. The load alternates with a bare ws server that does the same sends; both keep all sessions connected.`,
    goals: goals(results),
    plots: plots(results.seconds),
    tables: [
      { title: 'Figures', head: figureHead, rows: figures(results) },
      { title: 'Turns', head: turnHead, rows: turns(results) },
      {
        title: 'Counts',
        head: ['event', 'Flotilla', 'bare ws'],
        rows: [...new Set([...Object.keys(sides.flotilla.counts), ...Object.keys(sides.bare.counts)])].map((name) => [
          name,
          sides.flotilla.counts[name] ?? 0,
          sides.bare.counts[name] ?? 0,
        ]),
      },
      ...results.profiles.map(({ phase, functions }) => ({
        title: `CPU time of the gateway by function: ${phase}`,
        head: ['share', 'function'],
        rows: functions.map(({ name, share }) => [`${(share * 100).toFixed(1)} %`, name]),
      })),
    ],
  };
}
