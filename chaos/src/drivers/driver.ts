import type { ClientUrls } from '../calls/live-calls.ts';
import type { Experiment } from '../manifests/experiment.ts';
import type { Fault, Step } from '../manifests/faults.ts';
import type { Scrape } from '../measure/metric-history.ts';

/** How a fault is carried out. */
export interface CarryOut {
  /** Reports what is done, for the time line. */
  readonly event: (what: string) => void;
  /** Aborted: the fault ends now and is undone. */
  readonly signal: AbortSignal;
  /** The SFU node that live calls are on, which `mode: one` prefers; a fault of an idle node shows nothing. */
  readonly nodeInUse: () => Promise<string | undefined>;
}

/** Where an experiment runs, and what carries it out. */
export interface Driver {
  readonly name: 'Chaos Mesh' | 'local cluster' | 'local fleet';
  readonly urls: ClientUrls;
  /** The metrics of every process that answers. */
  scrape(): Promise<readonly Scrape[]>;
  /** Carries an experiment out. Resolves when its faults are over and undone. */
  carryOut(experiment: Experiment, options: CarryOut): Promise<void>;
  /** Ends what the driver started. */
  close(): Promise<void>;
}

/** Begins a fault. Resolves to what ends it. */
export type Inject = (fault: Fault, options: CarryOut) => Promise<() => Promise<void>>;

/** Carries out steps one after the other: each fault is undone before the next step. */
export async function carryOutSteps(steps: readonly Step[], inject: Inject, options: CarryOut): Promise<void> {
  for (const { fault, durationMs } of steps) {
    if (options.signal.aborted) return;
    const undo = fault && (await inject(fault, options));
    try {
      await lasting(durationMs, options.signal);
    } finally {
      await undo?.();
    }
  }
}

/** Resolves after a time, or when the signal is aborted. */
export function lasting(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    }
  });
}

/** A driver cannot carry out an experiment. The message has the reason and what to use instead. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** The first reason why a driver cannot carry out one of the steps. */
export function refusalOf(
  { steps }: Pick<Experiment, 'steps'>,
  refusalOfFault: (fault: Fault) => string | undefined,
): string | undefined {
  for (const { fault } of steps) {
    const reason = fault && refusalOfFault(fault);
    if (reason !== undefined) return reason;
  }
  return undefined;
}
