import { FlotillaError } from '@flotilla/contracts';
import { inChildSpan, type Logger } from '@flotilla/runtime';
import { Redis } from 'ioredis';
import { dataField, type LogEntry } from './event-log.ts';

/** `[id, [field, value, ...]]`, as XRANGE and XREAD return it. */
export type RawEntry = [id: string, fields: string[]];

/** The Redis key of a stream. A room id in its name is in braces, so that all keys of a room are in one cluster slot. */
export const streamKey = (namespace: string, stream: string): string => `${namespace}:${stream}`;

/** Creates a connection that rejects commands at once while Redis is unavailable, and reconnects. */
export function connectRedis(
  url: string,
  log: Logger,
  name: string,
  options: { autoResubscribe?: boolean } = {},
): Redis {
  const redis = new Redis(url, {
    connectionName: `flotilla-${name}`,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2000,
    commandTimeout: 5000,
    lazyConnect: true,
    retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, 1000),
    ...options,
  });
  redis.on('error', (error: Error) => log.debug({ err: error, connection: name }, 'Redis connection error'));
  redis.on('close', () => log.debug({ connection: name }, 'Redis connection closed'));
  return redis;
}

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
      : new FlotillaError('UNAVAILABLE', 'Redis is unavailable', { cause: error });
  }
}

/** Converts entries of a Redis stream. */
export function toEntries(raw: readonly RawEntry[]): LogEntry[] {
  return raw.map(([offset, fields]) => ({ offset, data: fields[fields.indexOf(dataField) + 1] ?? '' }));
}
