import { FlotillaError } from '@flotilla/contracts';
import { inChildSpan } from '@flotilla/runtime';
import { dataField, type LogEntry } from './event-log.ts';
import { redisProblemOf } from './redis-problem.ts';

/** `[id, [field, value, ...]]`, as XRANGE and XREAD return it. */
export type RawEntry = [id: string, fields: string[]];

/** The Redis key of a stream. A room id in its name is in braces, so that all keys of a room are in one cluster slot. */
export const streamKey = (namespace: string, stream: string): string => `${namespace}:${stream}`;

/**
 * Runs a Redis command, a script or a pipeline: one request and its reply, in a span of this name. A failure becomes UNAVAILABLE
 * unless it is a FlotillaError already.
 */
export async function redisOp<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await inChildSpan(`redis ${name}`, work);
  } catch (error) {
    throw error instanceof FlotillaError
      ? error
      : new FlotillaError('UNAVAILABLE', redisProblemOf(error), { cause: error });
  }
}

/** Converts entries of a Redis stream. */
export function toEntries(raw: readonly RawEntry[]): LogEntry[] {
  return raw.map(([offset, fields]) => ({ offset, data: fields[fields.indexOf(dataField) + 1] ?? '' }));
}
