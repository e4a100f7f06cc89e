import { connect } from 'amqplib';
import {
  type RabbitMqAddress,
  type RabbitMqNode,
  rabbitMqNodes,
  rabbitMqRefusalOf,
  type RedisAddress,
  redisOptions,
} from '@flotilla/bus';
import { parseSentinelUrl } from '@flotilla/runtime';
import { Redis } from 'ioredis';

const withinMs = 3000;
const oldestRedis = 7;
const oldestRabbitMq = [3, 10] as const;

/** A failure to reach a server, with what its setting is called. */
interface Failure {
  readonly setting: string;
  readonly url: URL;
  readonly error: NodeJS.ErrnoException;
}

const address = ({ hostname, port, protocol }: URL): string =>
  `${hostname}:${port || { 'redis:': 6379, 'rediss:': 6379, 'amqp:': 5672, 'amqps:': 5671 }[protocol]}`;

const withoutTls = ({ protocol }: URL): string => protocol.replace('s:', ':');

/** Failures of the network and of TLS, which are the same for both brokers. */
function networkProblem({ setting, url, error }: Failure): string | undefined {
  const at = address(url);
  const said = `${error.code ?? ''} ${error.message}`;
  if (/ENOTFOUND|EAI_AGAIN/.test(said)) return `${setting}: the host ${url.hostname} is unknown. Correct its name.`;
  if (said.includes('ECONNREFUSED'))
    return `${setting}: nothing listens at ${at}. Start the server or correct the port.`;
  if (/ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|timeout|timed out/i.test(said)) {
    // A server without TLS takes the handshake for the beginning of a request, and waits for the rest.
    const tls = url.protocol.endsWith('s:') ? ` that it serves TLS there (else use ${withoutTls(url)}),` : '';
    return `${setting}: ${at} did not answer within ${withinMs / 1000} s. Check${tls} firewalls and network policies.`;
  }
  if (/SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)/.test(said))
    return `${setting}: the certificate of ${at} is not trusted. Name the file of its authority in ${setting.split('_')[0]}_TLS_CA_FILE.`;
  if (said.includes('ERR_TLS_CERT_ALTNAME'))
    return `${setting}: the certificate of ${at} is for another name. Use a name that it contains.`;
  if (/EPROTO|ERR_SSL|wrong version number|packet length/i.test(said))
    return `${setting}: ${at} does not speak TLS. Use ${withoutTls(url)} or the port of TLS.`;
  return undefined;
}

/** Connects to Redis once. Returns what is wrong and the cure; undefined when nothing is. */
export async function redisProblem(setting: string, at: RedisAddress): Promise<string | undefined> {
  const url = shownUrl(at);
  try {
    return unsuitableRedis({ setting, at: address(url), value: await redisInfo(at) });
  } catch (error) {
    return redisFailure({ setting, url, error: error as Error });
  }
}

/**
 * What is wrong with a Redis that a service is connected to: as `redisProblem`, or that it keeps nothing on disk. Undefined when nothing
 * is, or the user may not ask.
 */
export async function redisWarning(setting: string, at: RedisAddress): Promise<string | undefined> {
  const value = await redisInfo(at).catch(() => undefined);
  if (!value) return undefined;
  const server = { setting, at: address(shownUrl(at)), value };
  return unsuitableRedis(server) ?? forgetfulRedis(server);
}

/** The URL that messages name: with sentinels, that of the first of them. */
function shownUrl({ url }: RedisAddress): URL {
  const [sentinel] = parseSentinelUrl(url)?.sentinels ?? [];
  return new URL(sentinel ? `redis://${sentinel.host}:${sentinel.port}` : url);
}

/** Connects to Redis once. Returns the values that its command INFO names. */
async function redisInfo(at: RedisAddress): Promise<RedisServer['value']> {
  const redis = new Redis({
    ...redisOptions(at),
    sentinelRetryStrategy: () => null,
    lazyConnect: true,
    connectTimeout: withinMs,
    commandTimeout: withinMs,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    retryStrategy: () => null,
  });
  let cause: Error | undefined;
  redis.on('error', (error: Error) => (cause ??= error));
  try {
    await redis.connect();
    const info = await redis.info();
    return (name) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1] ?? '';
  } catch (error) {
    throw cause ?? error;
  } finally {
    redis.disconnect();
  }
}

function redisFailure(failure: Failure): string {
  const { setting, url, error } = failure;
  const at = address(url);
  if (/WRONGPASS|invalid (?:username-)?password/i.test(error.message))
    return `${setting}: Redis at ${at} refused the password. Correct it in the URL.`;
  if (/NOAUTH|HELLO must be called with/.test(error.message))
    return `${setting}: Redis at ${at} requires a password. Add it to the URL: ${url.protocol}//:PASSWORD@${at}.`;
  return (
    networkProblem(failure) ??
    `${setting}: ${at} does not answer as Redis does (${error.message.split('\n')[0]}). Correct host and port.`
  );
}

/** A server, and the values that its command INFO names. */
interface RedisServer {
  readonly setting: string;
  readonly at: string;
  readonly value: (name: string) => string;
}

function forgetfulRedis({ setting, at, value }: RedisServer): string | undefined {
  if (value('aof_enabled') !== '0') return undefined;
  return `${setting}: Redis at ${at} does not log its writes to disk, so that a restart of it loses all rooms and sessions. Set appendonly to yes there.`;
}

function unsuitableRedis({ setting, at, value }: RedisServer): string | undefined {
  if (value('role') === 'slave')
    return `${setting}: Redis at ${at} is a replica, which refuses writes. Name the primary.`;
  if (Number.parseInt(value('redis_version')) < oldestRedis)
    return `${setting}: Redis at ${at} is version ${value('redis_version')}. Use ${oldestRedis} or newer.`;
  const policy = value('maxmemory_policy');
  if (policy && policy !== 'noeviction')
    return `${setting}: Redis at ${at} deletes keys when its memory is full. Set maxmemory-policy to noeviction there, not ${policy}.`;
  return undefined;
}

/** Connects to each node of RabbitMQ once. Returns problem and cure of the first that cannot be used; undefined without a problem. */
export async function rabbitMqProblem(setting: string, at: RabbitMqAddress): Promise<string | undefined> {
  const problems = await Promise.all(rabbitMqNodes(at).map((node) => rabbitMqNodeProblem(setting, node)));
  return problems.find((problem) => problem !== undefined);
}

async function rabbitMqNodeProblem(setting: string, node: RabbitMqNode): Promise<string | undefined> {
  const { protocol, hostname = '', port } = node.connect;
  const url = new URL(`${protocol}://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`);
  try {
    const connection = await connect(node.connect, { ...node.socket, timeout: withinMs });
    // An `error` event without a listener would end this process.
    connection.on('error', () => undefined);
    const { version = '' } = connection.connection.serverProperties as { version?: string };
    await connection.close();
    const [major = 0, minor = 0] = version.split('.').map(Number);
    const [oldestMajor, oldestMinor] = oldestRabbitMq;
    if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined;
    return `${setting}: RabbitMQ at ${address(url)} is version ${version}. Use ${oldestRabbitMq.join('.')} or newer.`;
  } catch (error) {
    return rabbitMqFailure({ setting, url, error: error as Error }, node);
  }
}

function rabbitMqFailure(failure: Failure, { connect: { username, vhost = '' } }: RabbitMqNode): string {
  const { setting, url, error } = failure;
  const at = address(url);
  const refusal = rabbitMqRefusalOf(error);
  if (refusal === 'credentials')
    return `${setting}: RabbitMQ at ${at} refused user ${username} or the password. Correct them in the URL.`;
  if (refusal === 'virtual host')
    return `${setting}: RabbitMQ at ${at} has no virtual host ${decodeURIComponent(vhost)}, or the user may not use it. Create it or correct the URL's path.`;
  return (
    networkProblem(failure) ??
    `${setting}: ${at} does not answer as RabbitMQ does (${error.message.split('\n')[0]}). Correct host and port.`
  );
}
