import { roomStream, streamKey } from '@flotilla/bus';

/**
 * Every key of the store. Room keys carry the room id in braces, so that a room lives in one cluster slot. A join also
 * touches the node keys, which no hash tag can put beside every room: the store wants one Redis (with replicas and
 * Sentinel, not Cluster); the event streams alone may be moved to a cluster.
 */
export class Keys {
  constructor(private readonly namespace: string) {}

  /** String: the Room as JSON. */
  room = (id: string): string => `${this.namespace}:{${id}}:room`;
  /** Hash: participant id -> Member as JSON. */
  members = (id: string): string => `${this.namespace}:{${id}}:members`;
  /** Hash: node id -> how many members are homed there. */
  homes = (id: string): string => `${this.namespace}:{${id}}:homes`;
  /** Hash: publication id -> PublicationRecord as JSON. */
  publications = (id: string): string => `${this.namespace}:{${id}}:publications`;
  /** Set: ids of a participant's publications. */
  publicationsOf = (id: string, participantId: string): string =>
    `${this.namespace}:{${id}}:publications:${participantId}`;
  /** String, there while more than two have been in a peer-to-peer room since it was last empty. */
  upgraded = (id: string): string => `${this.namespace}:{${id}}:upgraded`;
  /** Hash: pair of participants -> `<version> <state> <record>` of their peer-to-peer negotiation. */
  pairs = (id: string): string => `${this.namespace}:{${id}}:pairs`;
  /** Hash: participant id -> Migration as JSON, while it is moved. */
  migrations = (id: string): string => `${this.namespace}:{${id}}:migrations`;
  /** Hash: publication id -> PublicationRecord as JSON, as it was before it moved. */
  former = (id: string, participantId: string): string => `${this.namespace}:{${id}}:former:${participantId}`;
  /** Sorted set: `<room id>/<participant id>` -> deadline of its migration, ms. */
  running = (): string => `${this.namespace}:migrations`;
  /** Hash: migration id -> MigrationRecord as JSON, of the last ones. */
  history = (): string => `${this.namespace}:migrations:history`;
  /** Sorted set: migration id -> when it began, ms. */
  historyOrder = (): string => `${this.namespace}:migrations:history:order`;
  /** Any stream of the event log. */
  stream = (name: string): string => streamKey(this.namespace, name);
  /** Stream of the room's events. */
  events = (id: string): string => this.stream(roomStream(id));

  /** Sorted set, all scores 0: `<createdAt>:<room id>`. */
  rooms = (): string => `${this.namespace}:rooms`;
  /** Sorted set: room id -> when it is deleted for being empty, ms. */
  emptyRooms = (): string => `${this.namespace}:rooms:empty`;

  /** Hash: node id -> NodeReport as JSON. */
  nodes = (): string => `${this.namespace}:nodes`;
  /** Sorted set: node id -> when it last reported, ms of Redis's clock. */
  beats = (): string => `${this.namespace}:nodes:beats`;
  /** Hash: node id -> `<state> <capacity> <cpu>`, the part of a report that placement reads. */
  slots = (): string => `${this.namespace}:nodes:slots`;
  /** Hash: node id -> PeerScores as JSON: what the topology tells of its peers. */
  peerScores = (): string => `${this.namespace}:nodes:peerScores`;
  /** Hash: node id -> reserved places. */
  reserved = (): string => `${this.namespace}:nodes:reserved`;

  /** Hash: relay id -> RelayReport as JSON. */
  relays = (): string => `${this.namespace}:relays`;
  /** Sorted set: relay id -> when it last reported, ms of Redis's clock. */
  relayBeats = (): string => `${this.namespace}:relays:beats`;
  /** String: the relay that had the room's last link. */
  roomRelay = (id: string): string => `${this.namespace}:{${id}}:relay`;
  /** Hash: `<publisher> <topic>` -> RetainedMessage as JSON. */
  retained = (id: string): string => `${this.namespace}:{${id}}:retained`;

  /** String that expires: who holds a lease. */
  lease = (name: string): string => `${this.namespace}:lease:${name}`;
  /** Hash: lease -> its last term. */
  leaseTerms = (): string => `${this.namespace}:leases:terms`;

  /** Hash: the record of a session. */
  session = (id: string): string => `${this.namespace}:session:${id}`;
  /** Set: the rooms of a session. */
  sessionRooms = (id: string): string => `${this.namespace}:session:${id}:rooms`;
  /** String: the session behind a resume token's hash. */
  resume = (hash: string): string => `${this.namespace}:resume:${hash}`;
  /** Sorted set: session id -> when its resume window ends, ms. */
  detached = (): string => `${this.namespace}:sessions:detached`;
  /** Sorted set: gateway id -> when it was last alive, ms. */
  gateways = (): string => `${this.namespace}:gateways`;
  /** Set: the sessions a gateway has. */
  gatewaySessions = (id: string): string => `${this.namespace}:gateway:${id}:sessions`;
  /** Set: the sessions of a user. */
  userSessions = (userId: string): string => `${this.namespace}:user:${userId}:sessions`;
  /** Stream: the newest messages to a user. */
  inbox = (userId: string): string => `${this.namespace}:user:${userId}:inbox`;
  /** String that expires with the token. */
  usedToken = (jti: string): string => `${this.namespace}:token:${jti}`;
}
