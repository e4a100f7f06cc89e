import { commandEffects, RedisAccessBuilder, type RedisAccess } from '@flotilla/bus/events';
import { keyNames, keyPattern, type KeyName } from './keys.ts';
import { type ScriptName, scripts } from './scripts/generated/scripts.ts';

/** What the functions of the includes do with the key that they get first, beside what restores a staged write. */
const functions: Readonly<Record<string, readonly string[]>> = {
  stage: [],
  stage_count: ['HGET', 'HSET', 'HDEL'],
  append: ['XLEN', 'XREVRANGE', 'EXISTS', 'XADD', 'XDEL', 'DEL', 'EXPIRE', 'PTTL', 'PERSIST', 'PEXPIRE'],
  delete: ['DEL'],
  last_offset: ['XREVRANGE'],
};

const quotedCommands = (text: string): string[] =>
  [...text.matchAll(/'([A-Z]+)'/g)].map(([, word]) => word!).filter((word) => commandEffects.has(word));

/** A function of a script, or what it runs besides (named `main`). */
type Parts = ReadonlyMap<string, string>;

/** Splits a script at its functions. In the sources each begins and ends in the first column, or is one line. */
function partsOf(lua: string): Parts {
  const parts = new Map<string, string>();
  let main = '';
  let inside: string | undefined;
  for (const line of lua.split('\n')) {
    const alias = /^restoring\.(\w+) = (restoring\.\w+)$/.exec(line);
    const name = alias ? `restoring.${alias[1]}` : /^(?:local )?function ([\w.]+)\(/.exec(line)?.[1];
    if (inside === undefined && name === undefined) main += `${line}\n`;
    else parts.set(inside ?? name!, `${parts.get(inside ?? name!) ?? ''}${line}\n`);
    if (inside !== undefined) inside = line === 'end' ? undefined : inside;
    else if (name !== undefined && !alias && !line.endsWith(' end')) inside = name;
  }
  return parts.set('main', main);
}

/** The text that a script may run: without the functions of its includes that it does not use. */
function reachable(parts: Parts): string[] {
  const found = new Set<string>();
  const visit = (name: string): void => {
    const text = parts.get(name);
    if (text === undefined || found.has(name)) return;
    found.add(name);
    for (const [word] of text.matchAll(/[a-z_.A-Z]+/g)) visit(word);
    // commit() calls these by the name of the command.
    for (const [, command] of text.matchAll(/'([A-Z]+)'/g)) visit(`restoring.${command}`);
  };
  visit('main');
  return [...found].map((name) => inlined(parts.get(name)!));
}

/** Puts keys that a local variable holds where it is used. */
function inlined(text: string): string {
  let result = text;
  for (const [line, name, key] of text.matchAll(/^ *local (\w+) = (key\.\w+\([\w, ]*\))$/gm))
    result = result.replace(line, '').replaceAll(new RegExp(`(?<=\\()${name}\\b|(?<=, )${name}\\b`, 'g'), key!);
  return result;
}

/** Where a script names a key: what is called with it, and the arguments before. */
const uses = /(?:([\w.]+)\((?:([^()]*), )?)?key\.(\w+)\(/g;

/** The commands that a function of the includes, or redis.call, applies to the key. */
function commandsOf(parts: Parts, called: string, before: string): string[] {
  if (called === 'redis.call') return quotedCommands(before).slice(0, 1);
  const own = functions[called];
  if (!own) return [];
  const staged = called.startsWith('stage') ? [...own, ...quotedCommands(before)] : [];
  return [...own, ...staged, ...staged.flatMap((command) => restoringCommands(parts, command))];
}

/** The commands that restore a key when a later write fails. */
function restoringCommands(parts: Parts, command: string): string[] {
  const text = parts.get(`restoring.${command}`) ?? '';
  const alias = /= restoring\.(\w+)$/m.exec(text)?.[1];
  return alias === undefined ? quotedCommands(text) : restoringCommands(parts, alias);
}

function analyse(name: ScriptName): RedisAccess {
  const access = new RedisAccessBuilder();
  const parts = partsOf(scripts[name].lua);
  for (const text of reachable(parts)) {
    for (const [, command] of text.matchAll(/(?:redis\.p?call|stage)\('([A-Z]+)'/g))
      if (!commandEffects.has(command!) && !withoutKeys.has(command!))
        throw new Error(`${name}.lua: the bus does not know whether ${command} reads or writes, see commandEffects`);
    for (const [use, called = '', before = '', key] of text.matchAll(uses)) {
      const commands = commandsOf(parts, called, before);
      if (commands.length === 0) throw new Error(`${name}.lua: it is not known what is done with the key in ${use}`);
      const pattern = keyPattern(key as KeyName);
      access.allow(commands, pattern);
      if (called === 'append') access.publishes.add(pattern);
    }
    // Keys that a loop deletes by their names.
    if (text.includes('delete(key['))
      for (const [, word] of text.matchAll(/'(\w+)'/g))
        if (keyNames.includes(word as KeyName)) access.allow(['DEL'], keyPattern(word as KeyName));
  }
  return access;
}

const withoutKeys: ReadonlySet<string> = new Set(['TIME', 'PUBLISH']);
const known = new Map<ScriptName, RedisAccess>();

/** What a script may do, from its source. Throws for a script whose source it cannot follow. */
export function scriptAccess(name: ScriptName): RedisAccess {
  const access = known.get(name) ?? analyse(name);
  known.set(name, access);
  return access;
}
