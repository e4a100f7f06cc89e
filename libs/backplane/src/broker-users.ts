import {
  commandEffects,
  type CommandUse,
  rabbitMqObjects,
  rabbitMqPermissions,
  type RabbitMqPermissions,
  type RedisAccess,
  RedisAccessBuilder,
  streamAccess,
  streamPatterns,
  type StreamUse,
} from '@flotilla/bus';
import { storeAccess, type StoreMethod } from '@flotilla/store';

/** What a service uses of the brokers. */
interface BrokerUse {
  readonly commands: CommandUse;
  readonly streams: StreamUse;
  readonly store: readonly StoreMethod[];
}

const { room, gateway, broadcast, nodes } = streamPatterns;
/** Stream between the relays of a room. */
const metadata = '{*}:metadata';

/**
 * Every service that connects to Redis and RabbitMQ, by the name of its component. Nothing else is allowed to its user. A test compares it
 * with the source of the services.
 */
export const brokerUses = {
  gateway: {
    commands: { calls: ['registry', 'sfu', 'relay'] },
    streams: {
      subscribes: [room, gateway, broadcast],
      reads: [room, gateway, broadcast],
      appends: [room, gateway, broadcast],
    },
    store: [
      ...(['rooms.get', 'rooms.join', 'rooms.leave', 'rooms.reassign', 'rooms.describeMedia'] as const),
      ...(['rooms.firstPage', 'rooms.nextPage', 'rooms.member', 'rooms.pair', 'rooms.putPair'] as const),
      ...(['rooms.linkRelay', 'rooms.linkedRelay', 'rooms.requireBridge'] as const),
      ...(['sessions.requireOpenable', 'sessions.open', 'sessions.refresh', 'sessions.close'] as const),
      ...(['sessions.detach', 'sessions.isResumable', 'sessions.resume', 'sessions.confirmResume'] as const),
      ...(['sessions.connectedTo', 'sessions.gatewayAlive', 'sessions.reattach'] as const),
      ...(['sessions.sendToUser', 'sessions.messagesToUser', 'sessions.count'] as const),
      ...(['nodes.list', 'relays.assign', 'migrations.of', 'topology', 'pulse'] as const),
    ],
  },
  registry: {
    commands: { serves: 'registry', calls: ['sfu'] },
    streams: { appends: [gateway] },
    store: [
      ...(['rooms.create', 'rooms.get', 'rooms.list', 'rooms.delete', 'rooms.remove'] as const),
      ...([
        'rooms.liftBan',
        'rooms.bans',
        'rooms.nextPage',
        'rooms.member',
        'rooms.deleteExpired',
        'rooms.repair',
      ] as const),
      ...(['sessions.get', 'sessions.ofUser', 'sessions.issuedBefore', 'sessions.revoke'] as const),
      ...(['sessions.revokeTokens', 'sessions.due', 'sessions.closeExpired', 'sessions.detachOrphaned'] as const),
      ...(['migrations.begin', 'migrations.commit', 'migrations.rollBack'] as const),
      ...(['migrations.reassignLost', 'migrations.of', 'migrations.running', 'history.report'] as const),
      ...(['nodes.list', 'nodes.repair', 'nodes.remove', 'relays.list', 'relays.remove', 'topology'] as const),
      ...(['snapshots.lock', 'snapshots.renew', 'snapshots.unlock'] as const),
      ...(['snapshots.read', 'snapshots.write', 'canary.read', 'canary.order', 'pulse'] as const),
      ...(['operations.scalings', 'operations.announce', 'operations.end', 'operations.experiments'] as const),
    ],
  },
  sfu: {
    commands: { serves: 'sfu', calls: ['sfu'] },
    streams: { subscribes: [room], appends: [room] },
    store: [
      ...(['rooms.state', 'rooms.firstPage', 'rooms.publications'] as const),
      ...(['rooms.putPublication', 'rooms.removePublication'] as const),
      ...(['rooms.member', 'rooms.describeMedia', 'migrations.of'] as const),
      ...(['migrations.prepared', 'nodes.report', 'nodes.get', 'nodes.aliveIds', 'nodes.deadOf'] as const),
      'nodes.remove',
    ],
  },
  relay: {
    commands: { serves: 'relay' },
    streams: { subscribes: [room, metadata], reads: [room, metadata], appends: [room, metadata] },
    store: [
      ...(['rooms.memberAt', 'rooms.absent', 'rooms.reconnecting'] as const),
      ...(['relays.report', 'relays.list', 'relays.remove'] as const),
      ...(['relays.retain', 'relays.forget', 'relays.retained', 'relays.barred'] as const),
    ],
  },
  autoscaler: {
    commands: { calls: ['registry', 'sfu'] },
    streams: { subscribes: [nodes], reads: [nodes] },
    store: [
      ...(['nodes.list', 'migrations.running'] as const),
      ...(['leases.acquire', 'leases.renew', 'leases.release', 'history.recent'] as const),
      ...(['canary.read', 'canary.write', 'canary.remove'] as const),
      ...(['operations.recordScaling', 'operations.scalings'] as const),
    ],
  },
} as const satisfies Record<string, BrokerUse>;

export type BrokerUser = keyof typeof brokerUses;
export const brokerUserNames = Object.keys(brokerUses) as readonly BrokerUser[];

/** Commands without keys: of connections, transactions and scripts, and what the check at start asks. */
const common = ['PING', 'INFO', 'SELECT', 'CLIENT|SETNAME', 'MULTI', 'EXEC', 'DISCARD', 'TIME', 'UNSUBSCRIBE'];
const scripting = ['EVAL', 'EVALSHA'];

export function redisAccessOf(user: BrokerUser): RedisAccess {
  const { commands, streams, store }: BrokerUse = brokerUses[user];
  const access = new RedisAccessBuilder().add(streamAccess(streams)).add(storeAccess(store));
  // The backplane of a process that calls others reports its breakers.
  return commands.calls ? access.add(storeAccess(['breakers.report'])) : access;
}

/** Stands in the files for the prefix of all names (`FLOTILLA_NAMESPACE`). */
export const namespacePlaceholder = '@namespace@';
/** Stands in the files for the hash of a password. */
export const passwordPlaceholder = (user: string): string => `@${user}-password@`;

/** The user for people: everything on both brokers. */
export const administrator = 'admin';

/**
 * The file of Redis's setting `aclfile`, with placeholders. A user has a selector (`(...)`) for the commands that apply to the same keys, so
 * that no other command applies to them. `default` is off, so nobody connects without a name. It keeps its permissions: Redis reads its
 * append-only file as that user, and without them drops every transaction of it, which loses the state (seen with 7.0.15).
 */
export function redisAclTemplate(): string {
  const namespace = namespacePlaceholder;
  const line = (user: BrokerUser): string =>
    [
      `user ${namespace}-${user} on sanitize-payload #${passwordPlaceholder(user)}`,
      `resetkeys resetchannels -@all ${allowed(common)}`,
      ...selectorsOf(redisAccessOf(user), namespace),
    ].join(' ');
  return `${[
    'user default off resetpass ~* &* +@all',
    `user ${administrator} on #${passwordPlaceholder(administrator)} ~* &* +@all`,
    ...brokerUserNames.map(line),
  ].join('\n')}\n`;
}

const allowed = (commands: readonly string[]): string =>
  commands.map((command) => `+${command.toLowerCase()}`).join(' ');

function selectorsOf({ keys, publishes, subscribes }: RedisAccess, namespace: string): string[] {
  const listed = (kind: string, names: ReadonlySet<string>): string =>
    [...names]
      .toSorted()
      .map((name) => `${kind}${namespace}:${name}`)
      .join(' ');
  const granted = [
    ...scripting.map((command) => [command, `~${namespace}`] as const),
    ...[...keys.keys()].toSorted().map((command) => {
      return [command, listed(commandEffects.get(command) === 'read' ? '%R~' : '%W~', keys.get(command)!)] as const;
    }),
    ['PUBLISH', listed('&', publishes)] as const,
    ['SUBSCRIBE', listed('&', subscribes)] as const,
  ].filter(([, on]) => on !== '');
  const commandsOn = Map.groupBy(granted, ([, on]) => on);
  return [...commandsOn].map(([on, commands]) => `(-@all ${allowed(commands.map(([command]) => command))} ${on})`);
}

export function rabbitMqPermissionsOf(user: BrokerUser, namespace: string): RabbitMqPermissions {
  return rabbitMqPermissions(namespace, brokerUses[user].commands);
}

/** The file of RabbitMQ's setting `load_definitions`, with placeholders: users, permissions, and what services do not declare. */
export function rabbitMqDefinitionsTemplate(): string {
  const namespace = namespacePlaceholder;
  const vhost = '/';
  const served = brokerUserNames.flatMap((user) => {
    const { commands }: BrokerUse = brokerUses[user];
    return commands.serves ?? [];
  });
  const user = (name: string, id: string, tags: readonly string[]) => ({
    name,
    password_hash: passwordPlaceholder(id),
    hashing_algorithm: 'rabbit_password_hashing_sha256',
    tags,
  });
  const all = { configure: '.*', write: '.*', read: '.*' };
  const definitions = {
    vhosts: [{ name: vhost }],
    users: [
      user(administrator, administrator, ['administrator']),
      ...brokerUserNames.map((name) => user(`${namespace}-${name}`, name, [])),
    ],
    permissions: [
      { user: administrator, vhost, ...all },
      ...brokerUserNames.map((name) => ({
        user: `${namespace}-${name}`,
        vhost,
        ...rabbitMqPermissionsOf(name, namespace),
      })),
    ],
    ...rabbitMqObjects(namespace, vhost, served),
  };
  return `${JSON.stringify(definitions, null, 2)}\n`;
}
