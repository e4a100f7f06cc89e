import {
  dataField,
  idleStreamSeconds,
  maxStreamBytes,
  maxStreamLength,
  redisOp,
  refusalOf,
} from '@flotilla/bus/events';
import { FlotillaError, keptMigrations, keptScalings, maxExperiments } from '@flotilla/contracts';
import { type Redis, ReplyError } from 'ioredis';
import type { z } from 'zod';
import {
  preferredLoadLimit,
  keptMessagesPerUser,
  keptReports,
  maxBans,
  maxExaminedHosts,
  maxExaminedNodes,
  maxInboxBytes,
  maxSessionsPerUser,
  messagesKeptSeconds,
  nodesPerRepair,
  nodeTimeoutMs,
  plannerLease,
  resumeRepeatSeconds,
  retainedSeconds,
  unplaceableLoad,
} from '../store.ts';
import { keyNames, luaKeys } from './keys.ts';
import { type ScriptArguments, type ScriptName, scripts } from './scripts/generated/scripts.ts';

/** Constants that scripts use by name. */
const constants: Readonly<Record<string, string | number>> = {
  preferredLoadLimit,
  dataField,
  idleStreamSeconds,
  keptMessagesPerUser,
  keptMigrations,
  keptReports,
  keptScalings,
  maxBans,
  maxExaminedHosts,
  maxExaminedNodes,
  maxExperiments,
  maxInboxBytes,
  maxSessionsPerUser,
  maxStreamBytes,
  maxStreamLength,
  messagesKeptSeconds,
  nodesPerRepair,
  nodeTimeoutMs,
  plannerLease,
  resumeRepeatSeconds,
  retainedSeconds,
  unplaceableLoad,
};

export type ScriptResult<Name extends ScriptName> = z.output<(typeof scripts)[Name]['result']>;

/** A script as Redis gets it: its arguments, constants and keys as locals in front of its body. The one key is the namespace. */
export function luaOf(name: ScriptName): string {
  const { args, lua } = scripts[name];
  const uses = (word: string): boolean => new RegExp(`\\b${word}\\b`).test(lua);
  const locals = args.map((arg, index) =>
    arg.startsWith('...')
      ? `local ${arg.slice(3)} = { unpack(ARGV, ${index + 1}) }`
      : `local ${arg} = ARGV[${index + 1}]`,
  );
  const named = Object.entries(constants).flatMap(([constant, value]) =>
    uses(constant) ? [`local ${constant} = ${typeof value === 'string' ? `'${value}'` : value}`] : [],
  );
  const listed = keyNames.filter((key) => lua.includes(`key.${key}(`) || lua.includes(`'${key}'`));
  return ['local namespace = KEYS[1]', ...locals, ...named, luaKeys(listed), lua].join('\n');
}

/** Runs a Redis command. A damaged record becomes INTERNAL, an outage UNAVAILABLE. */
async function storeOp<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await redisOp(name, work);
  } catch (error) {
    const { cause } = error as Error;
    // ERR: a script failed on a value; WRONGTYPE: a key has another type.
    if (!(cause instanceof ReplyError) || refusalOf(cause) || !/^(WRONGTYPE|ERR) /.test((cause as Error).message))
      throw error;
    throw new FlotillaError('INTERNAL', undefined, { cause });
  }
}

/** The answers of a pipeline; undefined for a key of the wrong type. Throws when Redis did not answer, or refused a command. */
export function answersOf(executed: [error: Error | null, answer: unknown][] | null): unknown[] {
  return executed!.map(([error, answer]) => {
    if (error && (!(error instanceof ReplyError) || refusalOf(error))) throw error;
    return error ? undefined : answer;
  });
}

/** The answers of a transaction. Throws its first error, such as that of a key of the wrong type. */
export function requireAnswers(executed: [error: Error | null, answer: unknown][] | null): unknown[] {
  return executed!.map(([error, answer]) => {
    if (error) throw error;
    return answer;
  });
}

/**
 * The one way in which the store uses Redis: scripts by name, and plain commands. Throws UNAVAILABLE while Redis is out of reach,
 * INTERNAL for a damaged record.
 */
export class ScriptClient {
  readonly #redis: Redis;

  constructor(
    redis: Redis,
    private readonly namespace: string,
    script: typeof luaOf,
  ) {
    this.#redis = redis;
    for (const name of Object.keys(scripts) as ScriptName[])
      redis.defineCommand(name, { numberOfKeys: 1, lua: script(name) });
  }

  /** Runs a script; the file of its name says what it does and returns. */
  async run<Name extends ScriptName>(name: Name, values: ScriptArguments[Name]): Promise<ScriptResult<Name>> {
    const { args, result } = scripts[name];
    const flat = (args as readonly string[]).flatMap((arg) => {
      const value = (values as Record<string, string | number | readonly string[]>)[arg.replace('...', '')]!;
      return Array.isArray(value) ? (value as readonly string[]) : [String(value)];
    });
    const commands = this.#redis as unknown as Record<ScriptName, (...args: string[]) => Promise<unknown>>;
    const answer = await storeOp(name, () => commands[name](this.namespace, ...flat));
    return result.parse(answer) as ScriptResult<Name>;
  }

  do<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    return storeOp('commands', () => work(this.#redis));
  }
}
