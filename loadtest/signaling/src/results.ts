import type { Verdict } from '@flotilla/loadtest-kit';
import type { FunctionShare } from './profiler.ts';
import type { Options } from './options.ts';
import type { Side, Verification } from './protocol.ts';

/** Both sides at one second of the run. Times in milliseconds; a CPU of 1 is one core, of `machine` and `others` all of them. */
export interface Second {
  readonly at: number;
  readonly phase: string;
  readonly held: Readonly<Record<Side, number>>;
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

/** One side's turn under load. */
export interface Turn {
  readonly side: Side;
  /** What programs that are not ours took of the machine meanwhile. */
  readonly others: number;
  readonly dispatch: Spread;
}

export interface SideResult {
  readonly handshake: Spread;
  readonly join: Spread;
  readonly reply: Spread;
  readonly dispatch: Spread;
  /** Of the quiet turns, or of all where a side had none. */
  readonly quietDispatch: Spread;
  readonly resume: Spread;
  readonly enteredSeconds: number;
  /** The fewest and the mean held under its own load. */
  readonly heldLeast: number;
  readonly heldMean: number;
  readonly rssPerSessionKb: number;
  /** Under its own load, of one core. */
  readonly cpu: number;
  /** The median and the worst, over the seconds of its own load, of the second's p99. */
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
  /** Turns that nothing else disturbed, of both sides, were enough to judge by. */
  readonly judgedByQuiet: boolean;
  readonly seconds: readonly Second[];
  readonly leftSeconds: number;
  readonly clientLoopDelayMs: number;
  readonly gcShare: number;
  readonly profiles: readonly { readonly phase: string; readonly functions: readonly FunctionShare[] }[];
}

/** A turn in which other programs took less of the machine than this is quiet. */
export const quietShare = 0.1;

/** In-room dispatch has to stay below this, in milliseconds. */
const dispatchGoalMs = 5;
/** And within this of the bare server's. */
const ratioGoal = 1.25;

const ms = (value: number | null): string => (value === null ? '-' : value.toFixed(2));

/** What was promised, and whether it was kept in this run. */
export function verdicts({ sides: { flotilla, bare }, options, turns, judgedByQuiet }: Results): Verdict[] {
  const [ours, theirs] = [flotilla.quietDispatch, bare.quietDispatch];
  const quiet = turns.filter(({ others }) => others < quietShare).length;
  const base = judgedByQuiet
    ? `${quiet} of ${turns.length} turns, in which nothing else disturbed`
    : `all turns, as other programs disturbed too many`;
  const ratio = (ours.p99 ?? Number.NaN) / (theirs.p99 ?? Number.NaN);
  const { held, lost, duplicates, outOfOrder, members, unchecked, acknowledged } = flotilla.verification;
  return [
    {
      what: `${options.sessions} sessions held`,
      met: held === options.sessions && flotilla.heldMean >= options.sessions * (1 - options.reconnects),
      figure: `${flotilla.heldMean.toFixed(0)} on average, ${flotilla.heldLeast} at least, while ${(options.reconnects * 100).toFixed(1)} % came back each second; ${held} at the end`,
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
      figure: `${lost} lost, ${duplicates} twice, ${outOfOrder} out of order, of ${acknowledged} messages to rooms, checked at ${members - unchecked} of ${members} members`,
    },
  ];
}
