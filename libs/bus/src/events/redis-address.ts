import { bare, decoded, parseSentinelUrl, type SentinelUrl } from '@flotilla/runtime';
import type { RedisOptions } from 'ioredis';
import type { TlsTexts } from '../tls-texts.ts';

/** The mapping of replies is part of a client's type. */
export type ClientOptions = Omit<RedisOptions, 'replyMapping'>;

/** Where Redis is, and how to connect to it. It is read for each connection: its password may have been replaced. */
export interface RedisAddress {
  /** `redis://` or `rediss://` (TLS), or `redis+sentinel://` or `rediss+sentinel://` (see `parseSentinelUrl`). */
  readonly url: string;
  readonly tls?: TlsTexts | undefined;
}

/** Connection options of ioredis. */
export function redisOptions({ url, tls = {} }: RedisAddress): ClientOptions {
  const sentinel = parseSentinelUrl(url);
  return sentinel ? sentinelOptions(sentinel, tls) : serverOptions(new URL(url), tls);
}

function serverOptions({ protocol, hostname, port, username, password, pathname }: URL, tls: TlsTexts): ClientOptions {
  return {
    host: bare(hostname),
    port: Number(port || 6379),
    ...(username && { username: decoded(username) }),
    ...(password && { password: decoded(password) }),
    db: Number(pathname.slice(1)) || 0,
    ...(protocol === 'rediss:' && { tls: { ...tls } }),
  };
}

function sentinelOptions(
  { sentinels, name, database, tls: usesTls, ...login }: SentinelUrl,
  tls: TlsTexts,
): ClientOptions {
  return {
    sentinels,
    name,
    db: database,
    // A fail-over is noticed when a sentinel announces it, also while the connection to the previous primary stays open.
    failoverDetector: true,
    ...login,
    ...(usesTls && { tls: { ...tls }, sentinelTLS: { ...tls }, enableTLSForSentinelMode: true }),
  };
}
