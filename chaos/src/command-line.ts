import { parseArgs } from 'node:util';

export interface CommandLine {
  /** The name of an experiment, or `list`. */
  readonly name: string;
  readonly where:
    | { readonly kind: 'fleet' }
    | { readonly kind: 'cluster' }
    | { readonly kind: 'context'; readonly context: string };
  readonly namespace: string;
  readonly gateway: string | undefined;
  readonly minutes: number | undefined;
  readonly browser: boolean;
  readonly report: string | undefined;
  readonly yes: boolean;
}

/** A mistake on the command line. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const bounds = { least: 0.1, most: 120 } as const;

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        fleet: { type: 'boolean', default: false },
        cluster: { type: 'boolean', default: false },
        context: { type: 'string' },
        namespace: { type: 'string' },
        gateway: { type: 'string' },
        minutes: { type: 'string' },
        browser: { type: 'boolean', default: false },
        report: { type: 'string' },
        yes: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

/**
 * Reads the arguments.
 *
 * @throws UsageError
 */
export function readCommandLine(args: readonly string[], names: readonly string[]): CommandLine | 'help' {
  const { values, positionals } = parse(args);
  if (values.help) return 'help';
  const [name, ...rest] = positionals;
  if (name === undefined) throw new UsageError('name an experiment, or list');
  if (rest.length > 0) throw new UsageError(`one experiment at a time, not "${positionals.join(' ')}"`);
  if (name !== 'list' && !names.includes(name))
    throw new UsageError(`there is no experiment "${name}". They are: list, ${names.join(', ')}`);
  const chosen = [
    values.fleet && '--fleet',
    values.cluster && '--cluster',
    values.context !== undefined && '--context',
  ];
  if (chosen.filter(Boolean).length > 1) throw new UsageError(`choose one of ${chosen.filter(Boolean).join(', ')}`);
  for (const option of ['namespace', 'gateway'] as const)
    if (values[option] !== undefined && values.context === undefined)
      throw new UsageError(`--${option} goes with --context only`);
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
  if (minutes !== undefined && !(minutes >= bounds.least && minutes <= bounds.most))
    throw new UsageError(`--minutes takes a number from ${bounds.least} to ${bounds.most}, not "${values.minutes}"`);
  return {
    name,
    where:
      values.context === undefined
        ? values.cluster
          ? { kind: 'cluster' }
          : { kind: 'fleet' }
        : { kind: 'context', context: values.context },
    namespace: values.namespace ?? 'flotilla',
    gateway: values.gateway,
    minutes,
    browser: values.browser,
    report: values.report,
    yes: values.yes,
  };
}
