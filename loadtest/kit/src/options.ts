import { parseArgs } from 'node:util';

export interface NumberOption {
  readonly kind: 'whole number' | 'number';
  readonly what: string;
  readonly fallback: number;
  readonly least: number;
  readonly most: number;
}

export interface FlagOption {
  readonly kind: 'flag';
  readonly what: string;
}

export interface ChoiceOption<Choice extends string = string> {
  readonly kind: 'choice';
  readonly what: string;
  readonly choices: readonly Choice[];
}

export interface TextOption {
  readonly kind: 'text';
  readonly what: string;
}

type OptionTable = Readonly<Record<string, NumberOption | FlagOption | ChoiceOption | TextOption>>;

/** Values of the options of a table. A choice or a text without a value is undefined. */
export type OptionValues<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends FlagOption
    ? boolean
    : Table[Name] extends ChoiceOption<infer Choice>
      ? Choice | undefined
      : Table[Name] extends TextOption
        ? string | undefined
        : number;
};

/** A whole number within inclusive bounds. */
export function number(what: string, fallback: number, least: number, most: number): NumberOption {
  return { kind: 'whole number', what, fallback, least, most };
}

/** A number from 0 to 1. */
export function share(what: string, fallback: number): NumberOption {
  return { kind: 'number', what, fallback, least: 0, most: 1 };
}

export function flag(what: string): FlagOption {
  return { kind: 'flag', what };
}

/** One of some words, or none. `what` describes the meaning of none. */
export function oneOf<const Choice extends string>(what: string, choices: readonly Choice[]): ChoiceOption<Choice> {
  return { kind: 'choice', what, choices };
}

/** Any text, or none, such as a URL. */
export function text(what: string): TextOption {
  return { kind: 'text', what };
}

/** An invalid value of an option; its message names the option and the valid values. */
class ValueError extends Error {}

function readNumber(name: string, text: string, { kind, least, most }: NumberOption): number {
  const value = Number(text);
  const fits = text !== '' && value >= least && value <= most && (kind === 'number' || Number.isInteger(value));
  if (fits) return value;
  throw new ValueError(`--${name} takes a ${kind} from ${least} to ${most}, not "${text}".`);
}

function helpLine(name: string, option: OptionTable[string]): [string, string] {
  switch (option.kind) {
    case 'flag':
      return [`--${name}`, option.what];
    case 'choice':
      return [`--${name} NAME`, `${option.choices.join(' or ')} (${option.what})`];
    case 'text':
      return [`--${name} TEXT`, option.what];
    default:
      return [`--${name} N`, `${option.what}, ${option.least} to ${option.most} (default ${option.fallback})`];
  }
}

/** The text that `--help` prints. */
export function usage(name: string, about: string, table: OptionTable): string {
  const lines: [string, string][] = Object.entries(table).map(([option, of]) => helpLine(option, of));
  lines.push(['--help', 'this text']);
  const width = Math.max(...lines.map(([left]) => left.length));
  const options = lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
  return `npm run ${name} -- [options]\n\n${about}\n\n${options.join('\n')}\n`;
}

/** Parses a command line. Throws a `ValueError`, or the error of `parseArgs` where an option is not in the table. */
export function parseOptions<Table extends OptionTable>(
  table: Table,
  args: readonly string[],
): OptionValues<Table> | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(
        Object.entries(table).map(([name, { kind }]) => [name, { type: kind === 'flag' ? 'boolean' : 'string' }]),
      ),
      help: { type: 'boolean' },
    },
  });
  if (values.help) return 'help';
  const read = Object.entries(table).map(([name, option]) => {
    const given = values[name as keyof typeof values] as unknown;
    if (option.kind === 'flag') return [name, given === true];
    if (option.kind === 'text') return [name, given];
    if (option.kind === 'choice') {
      if (given === undefined || option.choices.includes(given as string)) return [name, given];
      throw new ValueError(`--${name} is ${option.choices.join(' or ')}, not "${given as string}".`);
    }
    return [name, given === undefined ? option.fallback : readNumber(name, given as string, option)];
  });
  return Object.fromEntries(read) as OptionValues<Table>;
}

/**
 * Reads the command line. Prints the usage and exits for `--help` (0) and for invalid options (2). `conflict` returns an error message
 * for values that are valid each but not together.
 */
export function readOptions<Table extends OptionTable>(
  name: string,
  about: string,
  table: Table,
  conflict: (values: OptionValues<Table>) => string | undefined = () => undefined,
): OptionValues<Table> {
  try {
    const values = parseOptions(table, process.argv.slice(2));
    if (values === 'help') {
      console.log(usage(name, about, table));
      process.exit(0);
    }
    const problem = conflict(values);
    if (problem !== undefined) throw new ValueError(problem);
    return values;
  } catch (error) {
    console.error((error as Error).message);
    if (!(error instanceof ValueError)) console.error(`\n${usage(name, about, table)}`);
    process.exit(2);
  }
}
