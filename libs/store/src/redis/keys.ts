import { broadcastStream, gatewayStream, nodeStream, roomStream, streamKey } from '@flotilla/bus/events';

/**
 * Every key of the store, without the namespace; %1 and %2 stand for ids. Room keys carry the room id in braces. A join also
 * touches node and session keys, which no hash tag can put beside every room: the store needs one Redis (with replicas and
 * Sentinel, not Cluster). Scripts use the same names as `key.members(room)`.
 */
const templates = {
  /** String: the Room as JSON. Owner: the room; deleted with it. So are all keys with a room id in braces. */
  room: '{%1}:room',
  /** Hash: participant id -> `<node id> <id of its last committed migration, or -> <grants, or -> <Member without both as JSON>`. */
  members: '{%1}:members',
  /**
   * Sorted set: participant id -> its place in the order of the joins, from 1 on. Pages of members are read by it. Versions before it
   * do not write it, see orderMembers.lua.
   */
  joinOrder: '{%1}:join-order',
  /** Hash: node id -> number of members assigned to it, and of those that are being moved to it. */
  assignments: '{%1}:assignments',
  /** Hash: participant id -> MediaRequest as JSON: what its media was opened with. */
  mediaRequests: '{%1}:media-requests',
  /** Hash: participant id -> the relay of its last metadata link. */
  linkedRelays: '{%1}:linked-relays',
  /** Set: participants whose connection dropped and may resume. */
  reconnecting: '{%1}:reconnecting',
  /** Hash: publication id -> `<node id> <Publication as JSON>`. */
  publications: '{%1}:publications',
  /** Set: ids of a participant's publications. */
  publicationsOf: '{%1}:publications:%2',
  /** String, present while more than two have been in a peer-to-peer room since it was last empty. */
  upgraded: '{%1}:upgraded',
  /** Hash: pair of participants -> `<version> <state> <record>` of their peer-to-peer negotiation. */
  pairs: '{%1}:pairs',
  /** Hash: participant id -> Migration as JSON, while it is active. */
  migrations: '{%1}:migrations',
  /** Hash: publication id -> its record before a migration republished it. Expires. */
  previous: '{%1}:previous:%2',
  /** Stream of the room's events. Expires after the room is deleted. */
  events: roomStream('%1'),
  /** Stream between the relays of a room. Expires after its last entry. */
  metadata: '{%1}:metadata',
  /** String: the relay that had the room's last link. Expires. */
  roomRelay: '{%1}:relay',
  /**
   * Hash: `<publisher> <topic> <user>` -> RetainedMessage as JSON. Versions before it, and relays that do not know the user, leave out the
   * user and the space before it. Expires.
   */
  retained: '{%1}:retained',
  /**
   * Sorted set: participants that were removed or revoked, or lost the grant `publish`, and whose retained values were deleted -> when, ms
   * of Redis's clock. Expires.
   */
  barred: '{%1}:barred',

  /** Sorted set: user id -> until when it may not join, ms of Redis's clock. Expires with its last entry. */
  bans: '{%1}:bans',

  /** Sorted set, all scores 0: `<createdAt>:<room id>`. */
  rooms: 'rooms',
  /** Sorted set: room id -> when it is deleted for being empty, ms; 0 while it is being deleted. */
  emptyRooms: 'rooms:empty',

  /** Sorted set: `<room id>/<participant id>` -> deadline of its migration, ms. */
  running: 'migrations',
  /** Hash: migration id -> MigrationRecord as JSON, of the newest. */
  history: 'migrations:history',
  /** Sorted set: migration id -> when it began, ms. */
  historyOrder: 'migrations:history:order',

  /** Hash: node id -> NodeReport as JSON. The sweeper removes nodes without heartbeats. */
  nodes: 'nodes',
  /** Sorted set: node id -> time of its last heartbeat, ms of Redis's clock. */
  beats: 'nodes:beats',
  /**
   * Hash: node id -> `<state> <capacity> <cpu>`, the part of a report that placement reads; the state as in canary.lua. The CPU is that of
   * its hottest worker.
   */
  slots: 'nodes:slots',
  /**
   * Sorted set: node id -> its load, or `unplaceableLoad`; see includes/nodes.lua. An index of beats, slots and reserved, with an entry for
   * each entry of beats (%1 is empty), or for each in the state `candidate` (`:candidate`). Versions before it do not write it.
   */
  nodesByLoad: 'nodes:by-load%1',
  /** Hash: node id -> PeerScores as JSON, for the topology. */
  peerScores: 'nodes:peerScores',
  /** Hash: node id -> reserved capacity: the sum of its assignments over all rooms. */
  reserved: 'nodes:reserved',
  /** Stream of all nodes' statistics. */
  nodeStats: nodeStream,

  /** Hash: relay id -> RelayReport as JSON. */
  relays: 'relays',
  /** Sorted set: relay id -> time of its last heartbeat, ms of Redis's clock. */
  relayBeats: 'relays:beats',

  /** String that expires: the holder of a lease. */
  lease: 'lease:%1',
  /** Hash: lease -> its last term. */
  leaseTerms: 'leases:terms',

  /** Hash: process -> `<until when it is shown, ms> <OpenBreaker[] as JSON>`. Expires. */
  breakers: 'breakers',
  /**
   * Hash, while the canary is on. `record`: Canary as JSON. `evidence`: that of its leader. `order`: CanaryOrder as JSON, until it is carried
   * out. `stable`, `previous`, `candidate`, `share`, `excluded`: what placement reads.
   */
  canary: 'canary',
  /** Sorted set: ScalingRecord as JSON -> when it was made, ms; of the newest. */
  scalings: 'scalings',
  /** Hash: name -> `<end, ms> <RunningExperiment as JSON>`. Expires. */
  experiments: 'experiments',
  /** Hash: version, begin of its build (ms) and text of a snapshot. Expires. */
  snapshot: 'snapshot:%1',
  /** String that expires: who builds the snapshot. */
  snapshotLock: 'snapshot:%1:lock',

  /** Hash: the record of a session. */
  session: 'session:%1',
  /** Set: the rooms of a session. An index of the rooms' members, written by the same scripts. */
  sessionRooms: 'session:%1:rooms',
  /** String: the session behind a resume token's hash. */
  resume: 'resume:%1',
  /** Sorted set: session id -> when its token was issued, s. */
  issued: 'sessions:issued',
  /** Sorted set: session id -> when its resume window ends, ms. */
  detached: 'sessions:detached',
  /** Sorted set: gateway id -> time of its last heartbeat, ms. */
  gateways: 'gateways',
  /** Set: the sessions that are connected to a gateway. */
  gatewaySessions: 'gateway:%1:sessions',
  /** Stream of events for a gateway. Expires after its last entry. */
  gatewayStream: gatewayStream('%1'),
  /** Set: the sessions of a user. */
  userSessions: 'user:%1:sessions',
  /** Stream: the newest messages to a user. Expires. */
  inbox: 'user:%1:inbox',
  /** String that expires: tokens of this user, or of all (`*`), that were issued before it (s) are refused. */
  cutoff: 'cutoff:%1',
  /** String that expires with the token. */
  usedToken: 'token:%1',
} as const;

/**
 * Keys that neither expire nor are deleted while a fleet runs. They hold running processes, or a fixed number of entries. All others
 * have expired or will, once everybody has left and every room was deleted.
 */
const fleetKeys = [
  'nodes',
  'beats',
  'slots',
  'peerScores',
  'nodeStats',
  'relays',
  'relayBeats',
  'gateways',
  'leaseTerms',
  'canary',
  'scalings',
  'history',
  'historyOrder',
] as const satisfies readonly (keyof Templates)[];

type Templates = typeof templates;
type Ids<Template> = Template extends `${string}%2${string}`
  ? [first: string, second: string]
  : Template extends `${string}%1${string}`
    ? [id: string]
    : string extends Template
      ? [id: string]
      : [];
export type Keys = { readonly [Name in keyof Templates]: (...ids: Ids<Templates[Name]>) => string };

const fill = (template: string, ids: readonly string[]): string =>
  template.replace(/%([12])/g, (_, index: string) => ids[Number(index) - 1]!);

/** The key functions of a namespace: `keys.members(roomId)`. */
export function keysOf(namespace: string): Keys {
  return Object.fromEntries(
    Object.entries(templates).map(([name, template]) => [
      name,
      (...ids: string[]) => streamKey(namespace, fill(template, ids)),
    ]),
  ) as unknown as Keys;
}

/** The keys of a namespace that remain while nobody is in any room. */
export function fleetKeysOf(namespace: string): string[] {
  const keys = keysOf(namespace);
  const indexes = ['', ':candidate'].map((side) => keys.nodesByLoad(side));
  return [...fleetKeys.map((name) => keys[name]()), ...indexes, streamKey(namespace, broadcastStream)];
}

/** Lua that defines `key.<name>(...)` for those names; `namespace` is a local of the script. */
export function luaKeys(names: readonly string[]): string {
  const functions = names.map((name) => {
    const template = (templates as Record<string, string>)[name];
    if (template === undefined) throw new Error(`a script uses the key ${name}, which keys.ts does not have`);
    const parameters = template.includes('%2') ? 'a, b' : template.includes('%1') ? 'a' : '';
    const parts = `:${template}`.split(/(%[12])/).map((part) => ({ '%1': 'a', '%2': 'b' })[part] ?? `'${part}'`);
    return `function key.${name}(${parameters}) return namespace .. ${parts.filter((part) => part !== "''").join(' .. ')} end`;
  });
  return ['local key = {}', ...functions].join('\n');
}

export type KeyName = keyof Templates;
export const keyNames = Object.keys(templates) as readonly KeyName[];

/** A glob pattern that all keys of a name match, without the namespace. */
export const keyPattern = (name: KeyName): string => fill(templates[name], ['*', '*']);
