// The language of the annotation `chaos.flotilla.dev/steady-state`: a probe per line.
//
//   before: gap_ms <= 1000
//   during: objective join_success
//   after: metric last(flotilla_breakers{kind="rest"}) == 0

/** Phases of a run: before the fault, while it lasts, after its end. */
export const phases = ['before', 'during', 'after'] as const;
export type Phase = (typeof phases)[number];

/** Figures that the live calls and the requests beside them give. */
export const figures = {
  gap_ms: 'longest time without a packet of another participant, of any participant, ms',
  silent_participants: 'participants that lack media of another one at the end of the phase',
  problems: 'unexpected failures that participants reported in the phase',
  join_success: 'share of joins with media that succeed',
  join_ms: '95th percentile of the duration of joins, ms',
  rest_success: 'share of requests of the REST API that succeed',
  rest_ms: '95th percentile of the duration of requests of the REST API, ms',
  entry_success: 'share of tokens that the console issues, which it asks the registry for',
  entry_ms: '95th percentile of the duration of that, ms',
} as const;
export type FigureName = keyof typeof figures;

export const folds = ['max', 'min', 'sum', 'last', 'increase'] as const;
export type Fold = (typeof folds)[number];

const comparisons = {
  '<=': (value: number, bound: number): boolean => value <= bound,
  '>=': (value: number, bound: number): boolean => value >= bound,
  '==': (value: number, bound: number): boolean => value === bound,
  '<': (value: number, bound: number): boolean => value < bound,
  '>': (value: number, bound: number): boolean => value > bound,
} as const;
type Comparison = keyof typeof comparisons;

interface Bounded {
  readonly comparison: Comparison;
  readonly bound: number;
}

export type Measured =
  | ({ readonly kind: 'figure'; readonly name: FigureName } & Bounded)
  | ({
      readonly kind: 'metric';
      /** `max`, `min`: of all series and samples. `sum`: of all series, the largest; `last`: the last. `increase`: of all counters. */
      readonly fold: Fold;
      readonly metric: string;
      readonly labels: Readonly<Record<string, string>>;
    } & Bounded)
  | { readonly kind: 'objective'; readonly id: string };

/** What has to hold in a phase of an experiment. */
export interface Probe {
  readonly phase: Phase;
  /** The line of the annotation, without its phase. */
  readonly text: string;
  readonly measured: Measured;
}

export const holds = ({ comparison, bound }: Bounded, value: number): boolean => comparisons[comparison](value, bound);

const bounded = String.raw`(?<comparison><=|>=|==|<|>)\s*(?<bound>-?\d+(?:\.\d+)?)`;
const figurePattern = new RegExp(String.raw`^(?<name>\w+)\s*${bounded}$`);
const metricPattern = new RegExp(
  String.raw`^metric\s+(?<fold>\w+)\((?<metric>\w+)(?:\{(?<labels>[^}]*)\})?\)\s*${bounded}$`,
);
const objectivePattern = /^objective\s+(?<id>\w+)$/;

function readMeasured(text: string): Measured {
  const objective = objectivePattern.exec(text)?.groups;
  if (objective) return { kind: 'objective', id: objective['id']! };
  const found = metricPattern.exec(text)?.groups ?? figurePattern.exec(text)?.groups;
  if (!found) throw new RangeError('it is neither FIGURE <= N, metric FOLD(NAME) <= N nor objective ID');
  const { name = '', fold = '', metric = '', labels = '' } = found;
  const bound: Bounded = { comparison: found['comparison'] as Comparison, bound: Number(found['bound']) };
  if (metric === '') {
    if (!Object.hasOwn(figures, name))
      throw new RangeError(`"${name}" is not one of ${Object.keys(figures).join(', ')}`);
    return { kind: 'figure', name: name as FigureName, ...bound };
  }
  if (!folds.includes(fold as Fold)) throw new RangeError(`"${fold}" is not one of ${folds.join(', ')}`);
  const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label!, value!]);
  return { kind: 'metric', fold: fold as Fold, metric, labels: Object.fromEntries(pairs), ...bound };
}

/**
 * Reads the lines of the annotation. Empty lines are ignored.
 *
 * @throws RangeError that names the line.
 */
export function readProbes(annotation: string): Probe[] {
  return annotation
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [, phase = '', text = ''] = /^(\w+):\s*(.+)$/.exec(line) ?? [];
      try {
        if (!phases.includes(phase as Phase)) throw new RangeError(`it begins with none of ${phases.join(':, ')}:`);
        return { phase: phase as Phase, text, measured: readMeasured(text) };
      } catch (error) {
        throw new RangeError(`the probe "${line}": ${(error as Error).message}`, { cause: error });
      }
    });
}
