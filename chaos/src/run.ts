import { Announcement } from './announcement.ts';
import { LiveCalls, type CallOptions } from './calls/live-calls.ts';
import { type Request, Requests } from './calls/requests.ts';
import { type Driver, lasting } from './drivers/driver.ts';
import type { Experiment } from './manifests/experiment.ts';
import { describeFault } from './manifests/faults.ts';
import { type Phase, phases } from './manifests/probes.ts';
import { evaluateAll, type ObjectiveResult } from './measure/objectives.ts';
import { type GapSample, Recorder, type RunEvent } from './measure/recorder.ts';
import { judge, type ProbeResult, type Verdict, verdictOf } from './verdict.ts';

export interface RunOptions extends CallOptions {
  /** Length of the phase `before`, ms. Default 10,000. */
  readonly beforeMs?: number;
  /** Ends the fault and the run. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: RunEvent) => void;
}

/** What a run has shown. */
export interface RunResult {
  readonly experiment: Experiment;
  readonly driver: Driver['name'];
  /** Begin, in the format of `Date.toISOString`. */
  readonly when: string;
  readonly verdict: Verdict;
  /** Why the verdict is `aborted` or `not started`. */
  readonly reason: string | undefined;
  readonly probes: readonly ProbeResult[];
  readonly participants: readonly string[];
  readonly events: readonly RunEvent[];
  readonly gaps: readonly GapSample[];
  readonly requests: readonly Request[];
  readonly spans: Readonly<Partial<Record<Phase, { readonly fromMs: number; readonly toMs: number }>>>;
  /** Longest delay of the event loop of the light peers in each phase, ms. */
  readonly ownDelays: Readonly<Partial<Record<Phase, number>>>;
  readonly objectives: Readonly<Partial<Record<Phase, readonly ObjectiveResult[]>>>;
}

const never = new AbortController().signal;

/**
 * Runs an experiment under live calls: measures the steady state, carries the fault out, and measures again during it and after it.
 * Without a steady state the fault is not begun.
 */
export async function runExperiment(
  experiment: Experiment,
  driver: Driver,
  options: RunOptions = {},
): Promise<RunResult> {
  const { beforeMs = 10_000, signal = never, onEvent } = options;
  const when = new Date().toISOString();
  const calls = await LiveCalls.start(driver.urls, options);
  const { participants } = calls;
  const recorder = new Recorder(onEvent);
  const requests = await Requests.start(driver.urls, recorder.now).catch(async (error: unknown) => {
    await calls.close();
    throw error;
  });
  const recorded = {
    events: recorder.events,
    gaps: recorder.gaps,
    history: recorder.history,
    requests: requests.done,
    span: (phase: Phase) => recorder.span(phase),
  };
  let ended: { verdict: Verdict; reason: string } | undefined;
  try {
    // The first look has the gaps of the start.
    for (const participant of participants) await participant.take();
    recorder.start(participants, () => driver.scrape());
    await recorder.scrape();
    recorder.event('experiment', `${participants.length} participants, before the fault`);
    await recorder.phase('before', () => lasting(beforeMs, signal));
    const before = judge(experiment.probes, recorded).filter(({ probe }) => probe.phase === 'before');
    const unsteady = before.find(({ outcome }) => outcome === 'violated');
    if (unsteady) {
      ended = {
        verdict: 'not started',
        reason: `no steady state before the fault: ${unsteady.probe.text}, measured ${unsteady.figure}`,
      };
    } else if (!signal.aborted) {
      recorder.event('experiment', `begins: ${inWords(experiment)}`);
      const announcement = new Announcement(driver.urls.api, experiment);
      await announcement.begin((what) => recorder.event('fleet', what));
      try {
        await recorder.phase('during', () =>
          driver.carryOut(experiment, {
            event: (what) => recorder.event('fleet', what),
            signal,
            nodeInUse: () => participants[0]!.nodeId(),
          }),
        );
      } finally {
        await announcement.end();
      }
      recorder.event('experiment', 'the fault is over');
      if (!signal.aborted) await recorder.phase('after', () => lasting(experiment.recoveryMs, signal));
    }
    if (signal.aborted) ended = { verdict: 'aborted', reason: 'stopped before its end; the fault was undone' };
  } finally {
    await recorder.stop();
    await requests.stop();
    await calls.close();
  }
  const probes = judge(experiment.probes, recorded);
  const spans = Object.fromEntries(recorder.spans);
  return {
    experiment,
    driver: driver.name,
    when,
    verdict: ended?.verdict ?? verdictOf(probes),
    reason: ended?.reason,
    probes,
    participants: participants.map(({ name }) => name),
    events: recorder.events.toSorted((a, b) => a.atMs - b.atMs),
    gaps: recorder.gaps,
    requests: requests.done,
    spans,
    ownDelays: Object.fromEntries(recorder.ownDelays),
    objectives: Object.fromEntries(
      phases.flatMap((phase) => {
        const span = recorder.span(phase);
        return span ? [[phase, evaluateAll(recorder.history, span)]] : [];
      }),
    ),
  };
}

const inWords = ({ steps }: Experiment): string =>
  steps
    .map(({ fault, durationMs }) => `${fault ? describeFault(fault) : 'a pause'}, ${Math.round(durationMs / 1000)} s`)
    .join('; ');
