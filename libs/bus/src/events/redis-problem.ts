import { ReplyError } from 'ioredis';
import { networkProblemOf } from '../broker-problem.ts';

/** What Redis answers when it refuses a command or a connection, by the first word of its error. */
const refusals: Readonly<Record<string, string>> = {
  NOAUTH: 'Redis requires a password',
  WRONGPASS: 'Redis refused the user or the password',
  NOPERM: 'the user of Redis may not do this',
  OOM: 'the memory of Redis is full',
  READONLY: 'this Redis is a replica, which refuses writes',
  LOADING: 'Redis is loading its data',
  MASTERDOWN: 'the primary of this replica of Redis is down',
  MISCONF: 'Redis cannot write its data to disk and refuses writes',
  BUSY: 'a script keeps Redis busy',
  CLUSTERDOWN: 'the cluster of Redis is down',
  NOREPLICAS: 'Redis has too few replicas and refuses writes',
};
/** After these, another server may have become the primary, or this one is about to be ready. */
const reconnecting: ReadonlySet<string> = new Set(['READONLY', 'LOADING', 'MASTERDOWN']);

/** The first word of an error. What a script may not do is an ERR up to Redis 7.0, and a NOPERM after it. */
const firstWord = ({ message }: Error): string =>
  message.startsWith("ERR The user executing the script can't ") ? 'NOPERM' : (/^[A-Z]+/.exec(message)?.[0] ?? '');

/** Why Redis refuses commands in general, undefined when an error is about one command: others may be permitted. */
export function serverRefusalOf(error: unknown): string | undefined {
  return error instanceof Error && firstWord(error) === 'NOPERM' ? undefined : refusalOf(error);
}

/** Why Redis refused a command, undefined for other errors. */
export function refusalOf(error: unknown): string | undefined {
  if (!(error instanceof ReplyError)) return undefined;
  return refusals[firstWord(error as Error)];
}

/** Whether a connection should be replaced after this answer. */
export const wantsReconnect = (error: Error): boolean => reconnecting.has(firstWord(error));

/** Why a connection or a command failed, without addresses and names: clients may see it. */
export function redisProblemOf(error: unknown): string {
  const refusal = refusalOf(error);
  if (refusal) return refusal;
  const network = networkProblemOf('Redis', error);
  if (network) return network;
  if (/sentinel/i.test((error as Error).message)) return 'no sentinel names a primary of Redis';
  return 'Redis is unavailable';
}
