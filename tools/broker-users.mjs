// `npm run broker-users -- DIRECTORY`: the files of Redis's and RabbitMQ's users. See docs/kubernetes/broker-users.md.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runWithHelp } from './setup/help.mjs';
import { prepare } from './setup/prepare.mjs';
import { SetupError } from './setup/steps.mjs';

const usage = `npm run broker-users -- DIRECTORY [options]

Writes what gives each service a user of its own on Redis and RabbitMQ. See docs/kubernetes/broker-users.md.

  passwords.json              the passwords; those that it has are kept, missing ones are made
  redis-users.acl             for Redis's setting aclfile
  rabbitmq-definitions.json   for RabbitMQ's setting load_definitions, or rabbitmqctl import_definitions
  urls.env                    a URL for each service and broker, for kubectl create secret generic --from-env-file

With --redis redis+sentinel://HOST:PORT,HOST:PORT/NAME also:

  redis-replication.conf      settings of every server of Redis
  sentinel-users.acl          for the setting aclfile of every Sentinel
  sentinel-users.conf         settings of every Sentinel, after its line "sentinel monitor"

  --namespace NAME   FLOTILLA_NAMESPACE of the services, brokerNamespace of the chart (default fl)
  --redis URL        where Redis is, without user and password (default redis://redis:6379)
  --rabbitmq URL     where RabbitMQ is, without user and password (default amqp://rabbitmq:5672)
  --help             this text
`;

/** Readable for their owner alone. */
const secret = { mode: 0o600 };

await runWithHelp(usage, async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      namespace: { type: 'string', default: 'fl' },
      redis: { type: 'string', default: 'redis://redis:6379' },
      rabbitmq: { type: 'string', default: 'amqp://rabbitmq:5672' },
    },
  });
  const { namespace, redis, rabbitmq } = values;
  const [directory] = positionals;
  if (directory === undefined || positionals.length > 1) throw new SetupError(`Name one directory.\n\n${usage}`);
  if (!/^[a-z0-9-]{1,32}$/.test(namespace))
    throw new SetupError(
      '--namespace: use 1 to 32 of lower-case letters, digits and hyphens, as in FLOTILLA_NAMESPACE.',
    );
  await prepare();
  const [backplane, { parseSentinelUrl }] = await Promise.all([
    import('@flotilla/backplane'),
    import('@flotilla/runtime'),
  ]);
  const { administrator, brokerFiles, brokerUserName, newPassword, passwordOwners, sentinelFiles, urlOf } = backplane;
  const sentinel = parseSentinelUrl(redis);
  const file = (/** @type {string} */ name) => join(directory, name);
  /** @type {Record<string, string>} */
  const known = existsSync(file('passwords.json')) ? JSON.parse(readFileSync(file('passwords.json'), 'utf8')) : {};
  const owners = sentinel ? [...passwordOwners, ...Object.values(backplane.redisServerUsers)] : passwordOwners;
  const passwords = { ...known, ...Object.fromEntries(owners.map((owner) => [owner, known[owner] ?? newPassword()])) };
  const { redisAcl, rabbitMqDefinitions } = brokerFiles(namespace, passwords);
  const watched = sentinel && sentinelFiles(namespace, sentinel.name, passwords);
  const urls = passwordOwners
    .filter((owner) => owner !== administrator)
    .flatMap((owner) => {
      const login = /** @type {const} */ ([brokerUserName(namespace, owner), passwords[owner] ?? '']);
      return [`${owner}-redis-url=${urlOf(redis, ...login)}`, `${owner}-amqp-url=${urlOf(rabbitmq, ...login)}`];
    });
  mkdirSync(directory, { recursive: true });
  const written = {
    'passwords.json': `${JSON.stringify(passwords, null, 2)}\n`,
    'redis-users.acl': watched?.redisAcl ?? redisAcl,
    'rabbitmq-definitions.json': rabbitMqDefinitions,
    'urls.env': `${urls.join('\n')}\n`,
    ...(watched && {
      'redis-replication.conf': watched.replicationConf,
      'sentinel-users.acl': watched.sentinelAcl,
      'sentinel-users.conf': watched.sentinelConf,
    }),
  };
  for (const [name, content] of Object.entries(written)) {
    writeFileSync(file(name), content, secret);
    console.log(`wrote ${file(name)}`);
  }
  return 0;
});
