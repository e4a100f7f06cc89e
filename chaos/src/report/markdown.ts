import { runInfo } from '@flotilla/loadtest-kit';
import { requestKinds } from '../calls/requests.ts';
import { type Phase, phases } from '../manifests/probes.ts';
import type { ObjectiveResult } from '../measure/objectives.ts';
import type { RunResult } from '../run.ts';

const seconds = (ms: number): string => (ms / 1000).toFixed(1);
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((row) => `| ${row.map((each) => cell(String(each))).join(' | ')} |`).join('\n');
}

/** The longest gap of a participant in a phase, ms. */
export function longestGap({ gaps, spans }: Pick<RunResult, 'gaps' | 'spans'>, name: string, phase: Phase) {
  const span = spans[phase];
  if (!span) return undefined;
  const own = gaps.filter(({ participant, atMs }) => participant === name && atMs >= span.fromMs && atMs <= span.toMs);
  return own.length === 0 ? undefined : Math.round(Math.max(...own.map(({ gapMs }) => gapMs)));
}

function requestRows({ requests, spans }: RunResult): (string | number)[][] {
  return requestKinds.flatMap((kind) =>
    phases.flatMap((phase) => {
      const span = spans[phase];
      if (!span) return [];
      const own = requests.filter((each) => each.kind === kind && each.atMs >= span.fromMs && each.atMs <= span.toMs);
      const failed = own.filter(({ error }) => error !== undefined);
      const sorted = own.map(({ ms }) => ms).toSorted((a, b) => a - b);
      const median = sorted[Math.floor(sorted.length / 2)];
      const errors = [...new Set(failed.map(({ error }) => error!))].slice(0, 3).join('; ');
      return [[kind, phase, own.length, failed.length, round(median), round(sorted.at(-1)), errors]];
    }),
  );
}

const round = (value: number | undefined): string => (value === undefined ? '' : String(Math.round(value)));

function shown(result: ObjectiveResult | undefined): string {
  if (result?.value === undefined) return '';
  const of = result.events === undefined ? '' : ` of ${result.events}`;
  return `${Math.round(result.value * 10_000) / 10_000}${of}${result.met === false ? ' (missed)' : ''}`;
}

function objectiveRows({ objectives }: RunResult): string[][] {
  const all = phases.flatMap((phase) => objectives[phase] ?? []);
  const ids = [...new Set(all.filter(({ value }) => value !== undefined).map(({ id }) => id))];
  return ids.map((id) => {
    const of = (phase: Phase) => objectives[phase]?.find((each) => each.id === id);
    const { title, target } = all.find((each) => each.id === id)!;
    return [`${id}: ${title}`, String(target), ...phases.map((phase) => shown(of(phase)))];
  });
}

/** The report of a run. `image` is the file of the time line, beside the report. */
export function markdownReport(result: RunResult, image: string): string {
  const { experiment, driver, when, verdict, reason, probes, participants, events } = result;
  const { machine } = runInfo();
  return `# ${experiment.name}: ${verdict}

${reason === undefined ? '' : `${reason[0]!.toUpperCase()}${reason.slice(1)}.\n\n`}Hypothesis: ${experiment.hypothesis}

Blast radius: ${experiment.blastRadius}

${experiment.kind}, carried out by: ${driver}. Begin: ${when}. Machine of the participants: ${machine}.

## Probes

${table(
  ['phase', 'probe', 'measured', 'outcome'],
  probes.map(({ probe, figure, outcome }) => [probe.phase, `\`${probe.text}\``, figure, outcome]),
)}

## Longest gap of each participant (ms)

The longest time without media of another participant of the same room. The last row is the longest delay of the process that
the light peers share: when it is large, the machine was busy, and gaps of that size are its own.

${table(
  ['participant', ...phases],
  [
    ...participants.map((name) => [name, ...phases.map((phase) => longestGap(result, name, phase) ?? '')]),
    ['(delay of this process)', ...phases.map((phase) => round(result.ownDelays[phase]))],
  ],
)}

## Requests beside the calls

One a second: \`rest\` asks the REST API for the SFU nodes, \`entry\` the console for a token, \`join\` joins a room with media.

${table(['request', 'phase', 'sent', 'failed', 'median (ms)', 'longest (ms)', 'errors'], requestRows(result))}

## Objectives

Of docs/operations/objectives.md, from the services' metrics. Empty: nothing was counted, or it needs a Prometheus.

${table(['objective', 'target or bound', ...phases], objectiveRows(result))}

## Time line

![time line](${image})

${table(
  ['', 'at (s)', 'who', 'what'],
  events.map(({ atMs, who, what, isProblem }, index) => [
    index + 1,
    seconds(atMs),
    who,
    isProblem ? `**${what}**` : what,
  ]),
)}
`;
}
