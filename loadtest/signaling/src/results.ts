import type { Goal } from '@flotilla/loadtest-kit';
import type { FunctionShare } from './profiler.ts';
import type { Options } from './options.ts';
import type { Side, Verification } from './protocol.ts';

/** Both sides at one second of the run. Times in milliseconds; a CPU of 1 is one core, for `machine` and `others` all cores. */
export interface Second {
  /** Seconds since the start of the run. */
  readonly at: number;
  readonly phase: string;
  /** Sessions in their rooms. */
  readonly inRoom: Readonly<Record<Side, number>>;
  /** Joins completed in this second. */
  readonly joined: number;
  readonly join: { readonly p50: number | null; readonly p99: number | null };
  readonly dispatch: Readonly<Record<Side, { readonly p50: number | null; readonly p99: number | null }>>;
  readonly cpu: Readonly<Record<Side | 'registry' | 'clients' | 'machine' | 'others', number>>;
  readonly rssMb: Readonly<Record<Side, number>>;
  readonly loopDelayMs: Readonly<Record<Side | 'clients', number>>;
  readonly heapMb: number;
  readonly gcSeconds: number;
}

export interface Spread {
  readonly count: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

/** One turn of load on one side. */
export interface Turn {
  readonly side: Side;
  /** Share of all cores that other programs used meanwhile. */
  readonly others: number;
  readonly dispatch: Spread;
}

export interface SideResult {
  readonly handshake: Spread;
  readonly join: Spread;
  readonly reply: Spread;
  readonly dispatch: Spread;
  /** Of the undisturbed turns, or of all when a side had none. */
  readonly undisturbedDispatch: Spread;
  readonly resume: Spread;
  readonly joinSeconds: number;
  /** Minimum and mean number of sessions in their rooms during the side's turns. */
  readonly joinedMin: number;
  readonly joinedMean: number;
  readonly rssPerSessionKb: number;
  /** Mean CPU during the side's turns, in cores. */
  readonly cpu: number;
  /** Median and maximum, over the seconds of the side's turns, of the p99 of a second. */
  readonly loopDelayMs: { readonly typical: number; readonly worst: number };
  readonly counts: Readonly<Record<string, number>>;
  readonly verification: Verification;
}

export interface Results {
  readonly when: string;
  readonly machine: string;
  readonly tls: boolean;
  readonly options: Options;
  readonly sides: Readonly<Record<Side, SideResult>>;
  readonly turns: readonly Turn[];
  /** Whether the goals are evaluated over undisturbed turns only. */
  readonly undisturbedOnly: boolean;
  readonly seconds: readonly Second[];
  readonly leaveSeconds: number;
  readonly clientLoopDelayMs: number;
  readonly gcShare: number;
  readonly profiles: readonly { readonly phase: string; readonly functions: readonly FunctionShare[] }[];
}

/** A turn is undisturbed when other programs used less than this share of the machine. */
export const quietShare = 0.1;

const dispatchGoalMs = 5;
/** Maximum ratio of the p99 to that of the bare server. */
const ratioGoal = 1.15;

const ms = (value: number | null): string => (value === null ? '-' : value.toFixed(2));

/** The goals of the benchmark, and whether this run met them. */
export function goals({ sides: { flotilla, bare }, options, turns, undisturbedOnly }: Results): Goal[] {
  const [ours, theirs] = [flotilla.undisturbedDispatch, bare.undisturbedDispatch];
  const quiet = turns.filter(({ others }) => others < quietShare).length;
  const base = undisturbedOnly
    ? `${quiet} of ${turns.length} turns, undisturbed by other programs`
    : `all turns, because other programs disturbed too many`;
  const ratio = (ours.p99 ?? Number.NaN) / (theirs.p99 ?? Number.NaN);
  const { joined, lost, duplicates, outOfOrder, members, unchecked, acknowledged } = flotilla.verification;
  return [
    {
      what: `${options.sessions} sessions in their rooms`,
      met: joined === options.sessions && flotilla.joinedMean >= options.sessions * (1 - options.reconnects),
      figure: `${flotilla.joinedMean.toFixed(0)} on average, at least ${flotilla.joinedMin}, while ${(options.reconnects * 100).toFixed(1)} % were cut and resumed each second; ${joined} at the end`,
    },
    {
      what: `dispatch p99 < ${dispatchGoalMs} ms`,
      met: ours.p99 !== null && ours.p99 < dispatchGoalMs,
      figure: `${ms(ours.p99)} ms (p50 ${ms(ours.p50)} ms); ${base}`,
    },
    {
      what: `dispatch p99 within ${ratioGoal} of bare ws`,
      met: ratio <= ratioGoal,
      figure: `${ratio.toFixed(2)} times (${ms(ours.p99)} : ${ms(theirs.p99)} ms)`,
    },
    {
      what: 'every acknowledged message once and in order',
      met: lost + duplicates + outOfOrder === 0,
      figure: `${lost} lost, ${duplicates} duplicate, ${outOfOrder} out of order, of ${acknowledged} messages to rooms, checked at ${members - unchecked} of ${members} sessions`,
    },
  ];
}
