import {
  administrator,
  brokerUserNames,
  namespacePlaceholder,
  passwordPlaceholder,
  redisAclTemplate,
} from './broker-users.ts';

/** The users that the servers of Redis have on each other: Sentinels on all, and replicas on the primary. */
export const redisServerUsers = { sentinel: 'sentinel', replica: 'replica' } as const;

/** Channel on which Sentinels announce themselves. */
const announcements = '&__sentinel__:hello';

const serverUser = (name: string, access: string): string =>
  `user ${name} on #${passwordPlaceholder(name)} resetkeys resetchannels ${access}`;

/** As https://redis.io/docs/latest/operate/oss_and_stack/management/replication/#setting-a-replica-to-authenticate-to-a-master */
const replica = '-@all +ping +psync +replconf';

/**
 * What a Sentinel does on a server of Redis: it watches it, announces itself, and makes it the primary or a replica. The end of a fail-over
 * is one transaction, which disconnects clients so that they look for the new primary.
 */
const sentinelOnRedis =
  `${announcements} -@all +ping +info +role +client|setname +subscribe +publish` +
  ' +multi +exec +slaveof +config|rewrite +client|kill +script|kill';

/** What a Sentinel does on another: it announces itself, asks whether the primary is down, and for the vote. */
const sentinelOnSentinel = `${announcements} -@all +ping +client|setname +publish +sentinel|is-master-down-by-addr`;

/** What a client does on a Sentinel: it asks for the primary and the other Sentinels, and waits for a fail-over. */
const serviceOnSentinel =
  '&+switch-master -@all +ping +client|setname +sentinel|get-master-addr-by-name +sentinel|sentinels +subscribe +unsubscribe';

/** As `redisAclTemplate`, for servers of Redis that Sentinels watch. */
export function watchedRedisAclTemplate(): string {
  const { sentinel } = redisServerUsers;
  return `${redisAclTemplate()}${serverUser(sentinel, sentinelOnRedis)}\n${serverUser(redisServerUsers.replica, replica)}\n`;
}

/** The file of a Sentinel's setting `aclfile`, with placeholders. Services have the names and passwords that they have on Redis. */
export function sentinelAclTemplate(): string {
  const service = (user: string): string =>
    `user ${namespacePlaceholder}-${user} on #${passwordPlaceholder(user)} resetkeys resetchannels ${serviceOnSentinel}`;
  return `${[
    'user default off resetpass ~* &* +@all',
    `user ${administrator} on #${passwordPlaceholder(administrator)} ~* &* +@all`,
    ...brokerUserNames.map(service),
    serverUser(redisServerUsers.sentinel, sentinelOnSentinel),
  ].join('\n')}\n`;
}
