import { percentile } from '@flotilla/loadtest-kit';
import type { Request, RequestKind } from './calls/requests.ts';
import { type FigureName, holds, type Measured, type Phase, type Probe } from './manifests/probes.ts';
import type { MetricHistory, Span } from './measure/metric-history.ts';
import { evaluate, objectiveOf } from './measure/objectives.ts';
import type { GapSample, RunEvent } from './measure/recorder.ts';

/** What a run has recorded. */
export interface Recorded {
  readonly events: readonly RunEvent[];
  readonly gaps: readonly GapSample[];
  readonly history: MetricHistory;
  readonly requests: readonly Request[];
  readonly span: (phase: Phase) => Span | undefined;
}

export interface ProbeResult {
  readonly probe: Probe;
  readonly outcome: 'held' | 'violated' | 'not measured';
  /** What was measured, or why nothing was. */
  readonly figure: string;
}

/** `held`: every probe did. `inconclusive`: none was violated, and one was not measured. */
export type Verdict = 'held' | 'violated' | 'inconclusive' | 'not started' | 'aborted';

const within = <T extends { readonly atMs: number }>(all: readonly T[], { fromMs, toMs }: Span): T[] =>
  all.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);

/** The last look at each participant. */
function last(gaps: readonly GapSample[]): GapSample[] {
  return [...new Map(gaps.map((sample) => [sample.participant, sample])).values()];
}

/** The value of a figure; undefined when there is nothing to measure. */
export function figureOf(name: FigureName, recorded: Recorded, span: Span): number | undefined {
  const gaps = within(recorded.gaps, span);
  if (name === 'gap_ms') return gaps.length === 0 ? undefined : Math.max(...gaps.map(({ gapMs }) => gapMs));
  if (name === 'silent_participants')
    return gaps.length === 0 ? undefined : last(gaps).filter(({ silent }) => silent).length;
  if (name === 'problems') return within(recorded.events, span).filter(({ isProblem }) => isProblem).length;
  const [kind, what] = name.split('_') as [RequestKind, 'success' | 'ms'];
  const requests = within(recorded.requests, span).filter((each) => each.kind === kind);
  if (requests.length === 0) return undefined;
  if (what === 'success') return requests.filter(({ error }) => error === undefined).length / requests.length;
  const durations = requests.map(({ ms }) => ms).toSorted((a, b) => a - b);
  return percentile(durations, 0.95);
}

function metricValue(measured: Extract<Measured, { kind: 'metric' }>, { history }: Recorded, span: Span) {
  const { fold, metric, labels } = measured;
  if (!history.has(metric)) return undefined;
  if (fold === 'increase') return history.increase(metric, labels, span);
  const isSum = fold === 'sum' || fold === 'last';
  const values = isSum ? history.sums(metric, labels, span) : history.values(metric, labels, span);
  if (values.length === 0) return undefined;
  if (fold === 'last') return values.at(-1);
  return fold === 'min' ? Math.min(...values) : Math.max(...values);
}

const rounded = (value: number): string => String(Math.round(value * 1000) / 1000);

function resultOf(probe: Probe, recorded: Recorded): ProbeResult {
  const { phase, measured } = probe;
  const span = recorded.span(phase);
  if (!span) return { probe, outcome: 'not measured', figure: `the phase ${phase} did not take place` };
  if (measured.kind === 'objective') {
    const objective = objectiveOf(measured.id);
    if (!objective) return { probe, outcome: 'not measured', figure: `there is no objective ${measured.id}` };
    const { value, met, events } = evaluate(objective, recorded.history, span);
    if (value === undefined) return { probe, outcome: 'not measured', figure: 'no process counted any' };
    const of = events === undefined ? '' : ` of ${events}`;
    return { probe, outcome: met ? 'held' : 'violated', figure: `${rounded(value)}${of}` };
  }
  const value =
    measured.kind === 'figure' ? figureOf(measured.name, recorded, span) : metricValue(measured, recorded, span);
  if (value === undefined) return { probe, outcome: 'not measured', figure: 'no value in this phase' };
  return { probe, outcome: holds(measured, value) ? 'held' : 'violated', figure: rounded(value) };
}

export const judge = (probes: readonly Probe[], recorded: Recorded): ProbeResult[] =>
  probes.map((probe) => resultOf(probe, recorded));

export function verdictOf(results: readonly ProbeResult[]): Verdict {
  if (results.some(({ outcome }) => outcome === 'violated')) return 'violated';
  return results.some(({ outcome }) => outcome === 'not measured') ? 'inconclusive' : 'held';
}
