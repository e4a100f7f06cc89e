import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** The parts of a URL of Redis behind sentinels. */
export interface SentinelUrl {
  readonly tls: boolean;
  readonly sentinels: { readonly host: string; readonly port: number }[];
  /** What the sentinels call the primary. */
  readonly name: string;
  readonly database: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
}

const grammar = /^(rediss?)\+sentinel:\/\/(?:([^@/]*)@)?([^/?@]+)\/([^/?]+)(?:\/(\d+))?(?:\?(.*))?$/;
const defaultSentinelPort = 26_379;

/** Parses `redis+sentinel://user:password@host:port,host:port/name/database?sentinelUsername=&sentinelPassword=`. */
export function parseSentinelUrl(text: string): SentinelUrl | undefined {
  const [, protocol, login = '', hosts = '', name = '', database = '0', query] = grammar.exec(text) ?? [];
  if (protocol === undefined) return undefined;
  const sentinels = hosts.split(',').map((host) => {
    if (!URL.canParse(`redis://${host}`)) return undefined;
    const { hostname, port: number } = new URL(`redis://${host}`);
    return hostname ? { host: bare(hostname), port: Number(number || defaultSentinelPort) } : undefined;
  });
  const known = sentinels.filter((sentinel) => sentinel !== undefined);
  if (known.length < sentinels.length) return undefined;
  const [username, ...password] = login.split(':');
  const search = new URLSearchParams(query);
  return {
    tls: protocol === 'rediss',
    sentinels: known,
    name: decoded(name),
    database: Number(database),
    username: username ? decoded(username) : undefined,
    password: password.length > 0 ? decoded(password.join(':')) : undefined,
    sentinelUsername: search.get('sentinelUsername') ?? undefined,
    sentinelPassword: search.get('sentinelPassword') ?? undefined,
  };
}

/** The text as it is when its escapes are not well-formed: a password may contain "%". */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A host without the brackets of an IPv6 address in a URL. */
export const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

const isRedisUrl = (text: string): boolean =>
  parseSentinelUrl(text) !== undefined || z.url({ protocol: /^rediss?$/ }).safeParse(text).success;

export const redisUrl = () =>
  z
    .string()
    .refine(
      isRedisUrl,
      'redis://HOST:PORT, rediss:// for TLS, or redis+sentinel://HOST:PORT,HOST:PORT/NAME is expected',
    );

/** A setting that names a PEM file. Its value is the text of the file. */
export const pemFile = () =>
  z.string().transform((path, context) => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      context.issues.push({ code: 'custom', input: path, message: `${path} cannot be read (${code})` });
      return z.NEVER;
    }
  });
