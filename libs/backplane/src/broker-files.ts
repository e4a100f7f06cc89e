import { createHash, randomBytes } from 'node:crypto';
import {
  administrator,
  brokerUserNames,
  namespacePlaceholder,
  passwordPlaceholder,
  rabbitMqDefinitionsTemplate,
  redisAclTemplate,
} from './broker-users.ts';

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
  return passwordOwners.reduce(
    (text, owner) => {
      const password = passwords[owner];
      if (!password) throw new Error(`the password of ${owner} is missing`);
      return text.replaceAll(passwordPlaceholder(owner), hash(password));
    },
    template.replaceAll(namespacePlaceholder, namespace),
  );
}

/** The files of both brokers. They hold hashes of the passwords, by the names of `passwordOwners`. */
export function brokerFiles(
  namespace: string,
  passwords: Readonly<Record<string, string>>,
): { readonly redisAcl: string; readonly rabbitMqDefinitions: string } {
  return {
    redisAcl: filled(redisAclTemplate(), namespace, passwords, (password) => sha256(password).toString('hex')),
    rabbitMqDefinitions: filled(rabbitMqDefinitionsTemplate(), namespace, passwords, rabbitMqHash),
  };
}

/** A broker's URL with a user of the files. */
export const urlOf = (server: string, name: string, password: string): string =>
  server.replace(/^([a-z+]+:\/\/)(?:[^@/]*@)?/, `$1${name}:${password}@`);
