import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { z } from 'zod';
import { httpUrl, listenAddress } from './address-settings.ts';
import { pemFile, rabbitMqUrl, redisUrl } from './broker-urls.ts';
import { fileSettings, fileSuffix, secretSettings, withSecretFiles } from './secret-files.ts';
import { withoutServiceLinks } from './service-links.ts';

/** A configuration that can't be used. The message lists every bad key at once, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  /** @param problems one line for each problem. */
  constructor(readonly problems: readonly string[]) {
    super(`The configuration can't be used:\n${problems.map((text) => `  ${text}`).join('\n')}`);
  }
}

const prefix = 'FLOTILLA_';

/**
 * Reads a service's configuration from its environment. The keys of the schema are the names of the variables. Variables that
 * Kubernetes injects for Services are left out, see `withoutServiceLinks`.
 *
 * @throws ConfigError naming every invalid value, and every `FLOTILLA_*` variable that is no setting of the service.
 */
export function loadConfig<T extends z.ZodRawShape>(
  schema: z.ZodObject<T>,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): z.output<z.ZodObject<T>> {
  const env = withoutServiceLinks(environment);
  const known = [...Object.keys(schema.shape), ...fileSettings(schema)];
  // An empty or blank variable is what templates produce for "not set".
  const values = Object.fromEntries(known.map((key) => [key, env[key]?.trim() === '' ? undefined : env[key]]));
  const { given, problems } = withSecretFiles(schema, values);
  const result = schema.safeParse(given);
  for (const issue of result.error?.issues ?? []) {
    const key = issue.path.join('.');
    // Its file could not be read, which is reported already.
    if (given[key] === undefined && values[`${key}${fileSuffix}`] !== undefined) continue;
    problems.push(given[key] === undefined ? `${key} is required: ${issue.message}` : `${key}: ${issue.message}`);
  }
  for (const key of Object.keys(env)) {
    if (!key.startsWith(prefix) || known.includes(key)) continue;
    const near = nearest(key, known);
    problems.push(`${key} is not a setting of this service${near ? `; did you mean ${near}?` : ''}`);
  }
  if (problems.length > 0 || !result.success) {
    throw new ConfigError(problems);
  }
  return result.data;
}

/** The variables of an environment that are settings of a service with this schema. */
export function pickEnv(
  schema: z.ZodObject,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const files = fileSettings(schema);
  const entries = Object.entries(withoutServiceLinks(env)).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (!entry[0].startsWith(prefix) || entry[0] in schema.shape || files.includes(entry[0])),
  );
  return Object.fromEntries(entries);
}

/** The schema as lines of a `.env` file: what each setting means, and its default, commented out. */
export function describeConfig(schema: z.ZodObject): string {
  const blocks = Object.entries(schema.shape).map(([key, value]) => {
    const type = value as z.ZodType;
    const file = secretSettings.has(key) ? ` ${key}${fileSuffix} names a file that contains it instead.` : '';
    const description = `${type.description ?? ''}${file}`.split('\n').map((line) => `# ${line}`);
    const preset = type.safeParse(undefined);
    const shown = preset.success && preset.data !== undefined ? z.coerce.string().parse(preset.data) : '';
    return [...description, `${preset.success ? '# ' : ''}${key}=${shown}`].join('\n');
  });
  return blocks.join('\n\n');
}

/** The known key that is at most three edits away (Levenshtein distance). */
function nearest(key: string, known: readonly string[]): string | undefined {
  const scored = known
    .map((name) => ({ name, distance: editDistance(key, name) }))
    .sort((a, b) => a.distance - b.distance);
  return scored[0] && scored[0].distance <= 3 ? scored[0].name : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

// Building blocks for service schemas. Environment variables are text, so each coerces.

export const port = () => z.coerce.number().int().min(0).max(65_535);
export const wholeNumber = () => z.coerce.number().int().nonnegative();
export const flag = () => z.stringbool({ truthy: ['true', '1', 'yes', 'on'], falsy: ['false', '0', 'no', 'off'] });
/** A comma-separated list. */
export const list = () =>
  z.string().transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  );
/** IP addresses, separated by commas: one at least. */
export const ipList = () => list().pipe(z.array(z.union([z.ipv4(), z.ipv6()], 'an IP address is expected')).min(1));

/** A range of ports, both ends included: `41000-41999`. */
export const portRange = () =>
  z
    .string()
    .regex(/^\d+-\d+$/, 'a range such as 41000-41999 is expected')
    .transform((text) => {
      const [min, max] = text.split('-').map(Number) as [number, number];
      return { min, max };
    })
    .refine(({ min, max }) => min > 0 && min <= max && max <= 65_535, 'ports from 1 to 65535, the lower one first');

/** What logs, metrics and REST call a process. */
export const instanceConfig = z.object({
  FLOTILLA_INSTANCE: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,253}$/, 'letters, digits, dots, dashes and underscores')
    .default(hostname())
    .describe(
      'Name of this process in logs, metrics and the REST API, such as that of its pod. Default: the host name.',
    ),
});

/** Settings of every service. */
export const commonConfig = z.object({
  FLOTILLA_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('Minimum severity of log lines.'),
  FLOTILLA_LOG_FORMAT: z
    .enum(['json', 'pretty'])
    .default('json')
    .describe('Format of log lines: json, or pretty for terminals.'),
  ...instanceConfig.shape,
  FLOTILLA_ADMIN_HOST: listenAddress()
    .default('0.0.0.0')
    .describe('Address that /metrics and the probes listen on. Keep it inside the cluster.'),
  FLOTILLA_ADMIN_PORT: port()
    .default(9464)
    .describe('Port of /metrics, /livez, /readyz and /startupz. 0 picks a free one.'),
  FLOTILLA_SHUTDOWN_SECONDS: wholeNumber()
    .default(25)
    .describe(
      'Seconds within which a stop must be complete; the process ends then. Keep it below the grace period of the pod.',
    ),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl()
    .optional()
    .describe('URL that traces are sent to (OTLP over HTTP), such as http://collector:4318. Default: no tracing.'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe(
      'Share of the traces that are sent, 0 to 1. The service at which a trace begins decides (parentbased_traceidratio).',
    ),
});

/** Which of several announced addresses is that of this process. */
export const announcedConfig = z.object({
  FLOTILLA_ANNOUNCED_INDEX: wholeNumber()
    .optional()
    .describe(
      'Where the announced addresses are those of several processes: which of them is that of this process, from 0. Such as the index of a pod with a load balancer of its own.',
    ),
});

export interface AnnouncedSettings {
  /** Announced addresses, separated by commas. */
  readonly list: string | undefined;
  /** Which one of them is that of this process. Without it, all are. */
  readonly index: number | undefined;
  /** Addresses that are listened on. */
  readonly ips: readonly string[];
}

/**
 * The address to announce for each that is listened on, undefined for itself: of the same family as far as possible, in their order.
 *
 * @throws ConfigError when there is no address with the index, or more are announced than listened on.
 */
export function announcedFor({ list: text, index, ips }: AnnouncedSettings): (string | undefined)[] {
  const listed = (text ?? '').split(',').map((address) => address.trim());
  const own = (index === undefined ? listed : listed.slice(index, index + 1)).filter(Boolean);
  if (text && own.length === 0)
    throw new ConfigError([
      `FLOTILLA_ANNOUNCED_INDEX is ${index}, and ${listed.length} addresses are announced. Announce one for each process.`,
    ]);
  if (own.length > ips.length)
    throw new ConfigError([
      `${own.length} addresses are announced (${own.join(', ')}), and ${ips.length} listened on. Announce one at most for each.`,
    ]);
  const announced = ips.map((): string | undefined => undefined);
  for (const address of own) {
    const free = [...ips.keys()].filter((nth) => announced[nth] === undefined);
    announced[free.find((nth) => isIP(ips[nth]!) === isIP(address)) ?? free[0]!] = address;
  }
  return announced;
}

/** Settings of a service behind load balancers. */
export const servingConfig = z.object({
  FLOTILLA_STOP_DELAY_SECONDS: wholeNumber()
    .default(5)
    .describe(
      'Seconds that a service that received SIGTERM serves as before, though it is not ready, so that load balancers stop sending clients to it. They count towards FLOTILLA_SHUTDOWN_SECONDS.',
    ),
});

/** Settings of services that call others. */
export const breakerConfig = z.object({
  FLOTILLA_BREAKER_HALF_OPEN_SECONDS: wholeNumber()
    .min(1)
    .max(3600)
    .default(120)
    .describe(
      'Seconds after which a service that did not answer is called again, as a trial. Calls to it are refused until then, unless it answers a probe before. At most 10 for one SFU node or metadata relay of several.',
    ),
});

/** Further settings of services that use the brokers. */
export const brokerConfig = z.object({
  ...breakerConfig.shape,
  REDIS_URL: redisUrl()
    .default('redis://127.0.0.1:6379')
    .describe(
      'URL of Redis 7 or newer, for state and event streams: redis://, rediss:// (TLS), or, behind sentinels, redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME (rediss+sentinel:// for TLS; ?sentinelUsername= and ?sentinelPassword= for the sentinels).',
    ),
  REDIS_TLS_CA_FILE: pemFile().optional().describe('PEM file of the authority that signed the certificate of Redis.'),
  REDIS_TLS_CERT_FILE: pemFile().optional().describe('PEM file of the certificate that is presented to Redis.'),
  REDIS_TLS_KEY_FILE: pemFile().optional().describe('PEM file of the key of REDIS_TLS_CERT_FILE.'),
  AMQP_URL: rabbitMqUrl()
    .default('amqp://127.0.0.1:5672')
    .describe(
      'URL of RabbitMQ 3.10 or newer, for commands: amqp:// or amqps:// (TLS). Nodes of a cluster are separated by commas, as in amqp://USER:PASSWORD@HOST:PORT,HOST:PORT/VHOST; ?heartbeat= sets the heartbeat in seconds (default 5).',
    ),
  AMQP_TLS_CA_FILE: pemFile().optional().describe('PEM file of the authority that signed the certificate of RabbitMQ.'),
  AMQP_TLS_CERT_FILE: pemFile().optional().describe('PEM file of the certificate that is presented to RabbitMQ.'),
  AMQP_TLS_KEY_FILE: pemFile().optional().describe('PEM file of the key of AMQP_TLS_CERT_FILE.'),
  FLOTILLA_NAMESPACE: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/)
    .default('fl')
    .describe('Prefix of every Redis key and RabbitMQ name, so that fleets can share brokers.'),
});
