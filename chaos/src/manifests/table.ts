import { writeDuration } from './duration.ts';
import type { Experiment } from './experiment.ts';

const totalMs = ({ steps }: Experiment): number => steps.reduce((sum, { durationMs }) => sum + durationMs, 0);

/** The rows of the table in README.md and of `list`, with a head. */
export function experimentRows(all: readonly Experiment[], refused: (experiment: Experiment) => string): string[][] {
  return [
    ['experiment', 'kind', 'duration', 'hypothesis', 'blast radius', 'not carried out by'],
    ...all.map((each) => [
      `\`${each.name}\``,
      each.kind,
      writeDuration(totalMs(each)),
      each.hypothesis,
      each.blastRadius,
      refused(each),
    ]),
  ];
}
