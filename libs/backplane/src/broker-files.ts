import { createHash, randomBytes } from 'node:crypto';
import { parseSentinelUrl } from '@flotilla/runtime';
import {
  administrator,
  brokerUserNames,
  namespacePlaceholder,
  passwordPlaceholder,
  rabbitMqDefinitionsTemplate,
  redisAclTemplate,
} from './broker-users.ts';
import { redisServerUsers, sentinelAclTemplate, watchedRedisAclTemplate } from './sentinel-users.ts';

/** Everybody in the files: the services and the administrator. */
export const passwordOwners: readonly string[] = [administrator, ...brokerUserNames];

/** The name of a service's user on both brokers. */
export const brokerUserName = (namespace: string, user: string): string =>
  user === administrator ? user : `${namespace}-${user}`;

/** A password that needs no encoding in a URL. */
export const newPassword = (): string => randomBytes(24).toString('base64url');

const sha256 = (data: string | Buffer): Buffer => createHash('sha256').update(data).digest();

/** As RabbitMQ keeps a password: https://www.rabbitmq.com/docs/passwords#this-is-the-algorithm */
function rabbitMqHash(password: string): string {
  const salt = randomBytes(4);
  return Buffer.concat([salt, sha256(Buffer.concat([salt, Buffer.from(password)]))]).toString('base64');
}

function filled(
  template: string,
  namespace: string,
  passwords: Readonly<Record<string, string>>,
  hash: (password: string) => string,
): string {
  return template
    .replaceAll(namespacePlaceholder, namespace)
    .replaceAll(new RegExp(passwordPlaceholder('([a-z]+)'), 'g'), (_, owner: string) => {
      const password = passwords[owner];
      if (!password) throw new Error(`the password of ${owner} is missing`);
      return hash(password);
    });
}

const redisHash = (password: string): string => sha256(password).toString('hex');

/** The files of both brokers. They hold hashes of the passwords, by the names of `passwordOwners`. */
export function brokerFiles(
  namespace: string,
  passwords: Readonly<Record<string, string>>,
): { readonly redisAcl: string; readonly rabbitMqDefinitions: string } {
  return {
    redisAcl: filled(redisAclTemplate(), namespace, passwords, redisHash),
    rabbitMqDefinitions: filled(rabbitMqDefinitionsTemplate(), namespace, passwords, rabbitMqHash),
  };
}

/** The files of Redis behind Sentinels. */
export interface SentinelFiles {
  /** Users of the servers of Redis, in place of `redisAcl`. */
  readonly redisAcl: string;
  /** Users of the Sentinels. */
  readonly sentinelAcl: string;
  /** Settings of every server of Redis: a fail-over makes each of them a replica. With a password. */
  readonly replicationConf: string;
  /** Settings of every Sentinel. With a password. */
  readonly sentinelConf: string;
}

/**
 * The files of Redis behind Sentinels, which call the primary `primaryName`. `passwords` has those of `redisServerUsers` too.
 */
export function sentinelFiles(
  namespace: string,
  primaryName: string,
  passwords: Readonly<Record<string, string>>,
): SentinelFiles {
  const { sentinel, replica } = redisServerUsers;
  return {
    redisAcl: filled(watchedRedisAclTemplate(), namespace, passwords, redisHash),
    sentinelAcl: filled(sentinelAclTemplate(), namespace, passwords, redisHash),
    replicationConf: lines(`masteruser ${replica}`, `masterauth ${passwords[replica]}`),
    sentinelConf: lines(
      `sentinel auth-user ${primaryName} ${sentinel}`,
      `sentinel auth-pass ${primaryName} ${passwords[sentinel]}`,
      `sentinel sentinel-user ${sentinel}`,
      `sentinel sentinel-pass ${passwords[sentinel]}`,
    ),
  };
}

const lines = (...settings: readonly string[]): string => `${settings.join('\n')}\n`;

/** A broker's URL with a user of the files, on the Sentinels too when it names those. */
export function urlOf(server: string, name: string, password: string): string {
  const url = server.replace(/^([a-z+]+:\/\/)(?:[^@/]*@)?/, `$1${name}:${password}@`);
  if (!parseSentinelUrl(server)) return url;
  const [address, query] = url.split('?', 2);
  const search = new URLSearchParams(query);
  search.set('sentinelUsername', name);
  search.set('sentinelPassword', password);
  return `${address}?${search.toString()}`;
}
