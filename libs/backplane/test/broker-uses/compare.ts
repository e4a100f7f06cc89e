import type { SourceUse, UseKind } from './source-uses.ts';

/** A service's entry of `brokerUses`. */
export interface BrokerUse {
  readonly commands: { readonly serves?: string; readonly calls?: readonly string[] };
  readonly streams: Partial<Record<'subscribes' | 'reads' | 'appends', readonly string[]>>;
  readonly store: readonly string[];
}

/** The table's source, for the lines of its entries. */
export interface TableSource {
  readonly path: string;
  readonly text: string;
}

/**
 * Compares the table's entry of a user with what the source of the service at `folder` does. Returns one line for each difference, with
 * file, line and what to change.
 */
export function differences(
  user: string,
  folder: string,
  allowed: BrokerUse,
  uses: readonly SourceUse[],
  table: TableSource,
): string[] {
  const unreadable = uses
    .filter(({ name }) => name === undefined)
    .map(
      ({ kind, at }) =>
        `${at}: cannot tell what ${kind} is used here. Name it with a constant, or a function of one expression.`,
    );
  const used = new Map(
    uses.flatMap(({ kind, name, at }) => (name === undefined ? [] : [[`${kind} ${name}`, { kind, name, at }]])),
  );
  const entries = entriesOf(allowed);
  const permitted = new Set(entries.map(({ kind, name }) => `${kind} ${name}`));
  const missing = [...used].flatMap(([key, { kind, name, at }]) =>
    permitted.has(key)
      ? []
      : [`${at}: the user ${user} may not do this. Add to ${user}.${kind} in ${table.path}: '${name}',`],
  );
  const superfluous = entries
    .filter(({ kind, name }) => !used.has(`${kind} ${name}`))
    .map(({ kind, name }) => {
      const line = lineOf(table.text, user, kind, name);
      return `${table.path}:${line}: nothing in ${folder} needs '${name}'. Remove it from ${user}.${kind}.`;
    });
  return [...unreadable, ...missing, ...superfluous];
}

function entriesOf({ commands, streams, store }: BrokerUse): { kind: UseKind; name: string }[] {
  const of = (kind: UseKind, names: readonly string[] = []) => names.map((name) => ({ kind, name }));
  return [
    ...of('store', store),
    ...of('commands.calls', commands.calls),
    ...of('commands.serves', commands.serves === undefined ? [] : [commands.serves]),
    ...of('streams.subscribes', streams.subscribes),
    ...of('streams.reads', streams.reads),
    ...of('streams.appends', streams.appends),
  ];
}

/** The line of an entry, or of the list or the user that it belongs to when it is not written as a literal there. */
function lineOf(text: string, user: string, kind: UseKind, name: string): number {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`  ${user}: {`));
  const end = lines.indexOf('  },', start);
  const find = (part: string): number =>
    lines.findIndex((line, nth) => nth > start && nth < end && line.includes(part));
  const found = [`'${name}'`, `${kind.split('.').at(-1)}:`].map(find).find((nth) => nth >= 0);
  return (found ?? start) + 1;
}
