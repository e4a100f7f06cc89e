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

/** The parts of a URL of RabbitMQ. */
export interface RabbitMqUrl {
  readonly tls: boolean;
  /** The nodes of a cluster, or the only one. */
  readonly nodes: { readonly host: string; readonly port: number }[];
  readonly username: string;
  readonly password: string;
  readonly virtualHost: string;
  /** Seconds, when the URL says so. */
  readonly heartbeat: number | undefined;
}

const sentinelGrammar = /^(rediss?)\+sentinel:\/\/(?:([^@/]*)@)?([^/?@]+)\/([^/?]+)(?:\/(\d{1,5}))?(?:\?(.*))?$/;
const defaultSentinelPort = 26_379;
/** Of the sentinels or nodes in a URL. */
const maxHosts = 32;
const rabbitMqGrammar = /^(amqps?):\/\/(?:([^@/]*)@)?([^/?@]+)(?:\/([^/?]*))?(?:\?(.*))?$/;

/** Parses `redis+sentinel://user:password@host:port,host:port/name/database?sentinelUsername=&sentinelPassword=`. */
export function parseSentinelUrl(text: string): SentinelUrl | undefined {
  const [, protocol, login = '', hosts = '', name = '', database = '0', query] = sentinelGrammar.exec(text) ?? [];
  const sentinels = parseHosts(hosts, defaultSentinelPort);
  if (!sentinels) return undefined;
  const search = new URLSearchParams(query);
  return {
    tls: protocol === 'rediss',
    sentinels,
    name: decoded(name),
    database: Number(database),
    ...parseLogin(login),
    sentinelUsername: search.get('sentinelUsername') ?? undefined,
    sentinelPassword: search.get('sentinelPassword') ?? undefined,
  };
}

/**
 * Parses `amqp://user:password@host:port,host:port/virtualhost?heartbeat=5`. Without user and password it is the user `guest`, as
 * https://www.rabbitmq.com/docs/uri-spec has it.
 */
export function parseRabbitMqUrl(text: string): RabbitMqUrl | undefined {
  const [, protocol, login = '', hosts = '', virtualHost = '', query] = rabbitMqGrammar.exec(text) ?? [];
  const tls = protocol === 'amqps';
  const nodes = parseHosts(hosts, tls ? 5671 : 5672);
  const heartbeat = new URLSearchParams(query).get('heartbeat');
  if (!nodes || (heartbeat !== null && !/^\d{1,5}$/.test(heartbeat))) return undefined;
  const { username = '', password = '' } = login ? parseLogin(login) : { username: 'guest', password: 'guest' };
  return {
    tls,
    nodes,
    username,
    password,
    virtualHost: decoded(virtualHost) || '/',
    heartbeat: heartbeat === null ? undefined : Number(heartbeat),
  };
}

/** The hosts of a list, undefined when one of them is none, or there are more than `maxHosts`. */
function parseHosts(text: string, defaultPort: number): { host: string; port: number }[] | undefined {
  const listed = text.split(',', maxHosts + 1);
  if (listed.length > maxHosts) return undefined;
  const hosts = listed.map((host) => {
    const { hostname, port } = URL.parse(`redis://${host}`) ?? {};
    return hostname ? { host: bare(hostname), port: Number(port || defaultPort) } : undefined;
  });
  const known = hosts.filter((host) => host !== undefined);
  return known.length < hosts.length ? undefined : known;
}

function parseLogin(text: string): { username: string | undefined; password: string | undefined } {
  const [username, ...password] = text.split(':');
  return {
    username: username ? decoded(username) : undefined,
    password: password.length > 0 ? decoded(password.join(':')) : undefined,
  };
}

/** The text as it is when its escapes are not well-formed: a password may contain "%". */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A host without the brackets of an IPv6 address in a URL. */
export const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

const isRedisUrl = (text: string): boolean =>
  parseSentinelUrl(text) !== undefined || (/^rediss?:\/\//i.test(text) && isServerUrl(URL.parse(text)));

/** Without a path it is database 0. */
const isServerUrl = (url: URL | null): boolean =>
  url !== null && url.hostname !== '' && /^\/?$|^\/\d{1,5}$/.test(url.pathname);

export const redisUrl = () =>
  z
    .string()
    .refine(
      isRedisUrl,
      `redis://HOST:PORT or redis://HOST:PORT/DATABASE, rediss:// for TLS, or redis+sentinel://HOST:PORT,HOST:PORT/NAME with at most ${maxHosts} hosts is expected`,
    );

export const rabbitMqUrl = () =>
  z
    .string()
    .refine(
      (text) => parseRabbitMqUrl(text) !== undefined,
      `amqp://USER:PASSWORD@HOST:PORT, or amqps:// for TLS, is expected; several nodes, at most ${maxHosts}, as HOST:PORT,HOST:PORT`,
    );

/** The text of a PEM file as `tls.connect` takes it: a list of one, which is read when a connection is opened. */
export type PemText = string[];

/**
 * The text of a PEM file, which is read again for each connection: certificates are renewed while services run. While the file cannot be
 * read, the last text is used. Throws the error of the first reading.
 */
export function pemText(path: string): PemText {
  let text = readFileSync(path, 'utf8');
  const get = (): string => {
    try {
      text = readFileSync(path, 'utf8');
    } catch {
      // It is being replaced.
    }
    return text;
  };
  return Object.defineProperty([text], 0, { get, enumerable: true });
}

/** A setting that names a PEM file. Its value is the text of the file, see `pemText`. */
export const pemFile = () =>
  z.string().transform((path, context) => {
    try {
      return pemText(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      context.issues.push({ code: 'custom', input: path, message: `${path} cannot be read (${code})` });
      return z.NEVER;
    }
  });
