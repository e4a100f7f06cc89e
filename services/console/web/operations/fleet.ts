import type { QualityGroup, TopologyVertex } from '@flotilla/contracts';

/** Kinds that are neither drawn nor selected. */
type Unlisted = 'migration' | 'breaker' | 'canary';
/** An item that is drawn, listed and can be selected. */
export type Vertex = Exclude<TopologyVertex, { kind: Unlisted }>;
export type Kind = Vertex['kind'];
export type VertexOf<K extends TopologyVertex['kind']> = Extract<TopologyVertex, { kind: K }>;

/** The fleet as of the last update, indexed. */
export class Fleet {
  readonly gateways: readonly VertexOf<'gateway'>[];
  readonly nodes: readonly VertexOf<'node'>[];
  /** The largest first. */
  readonly rooms: readonly VertexOf<'room'>[];
  /** By user id. */
  readonly sessions: readonly VertexOf<'session'>[];
  readonly negotiations: readonly VertexOf<'negotiation'>[];
  /** The newest first. */
  readonly migrations: readonly VertexOf<'migration'>[];
  /** Circuit breakers that are not closed, by target and caller. */
  readonly breakers: readonly VertexOf<'breaker'>[];
  readonly #sessionsByRoom = new Map<string, VertexOf<'session'>[]>();
  readonly #sessionsByNode = new Map<string, VertexOf<'session'>[]>();
  readonly #sessionsByGateway = new Map<string, VertexOf<'session'>[]>();
  readonly #negotiationsByRoom: ReadonlyMap<string, readonly VertexOf<'negotiation'>[]>;

  constructor(private readonly vertices: ReadonlyMap<string, TopologyVertex>) {
    const of = <K extends TopologyVertex['kind']>(kind: K): VertexOf<K>[] =>
      [...vertices.values()].filter((vertex): vertex is VertexOf<K> => vertex.kind === kind);
    this.gateways = of('gateway').sort(byId);
    this.nodes = of('node').sort(byId);
    this.rooms = of('room').sort((a, b) => b.participants - a.participants || compare(a.name, b.name));
    this.sessions = of('session').sort((a, b) => compare(a.userId, b.userId) || byId(a, b));
    this.negotiations = of('negotiation').sort(byId);
    this.migrations = of('migration').sort((a, b) => b.startedAt - a.startedAt || byId(a, b));
    this.breakers = of('breaker').sort((a, b) => compare(a.target, b.target) || byId(a, b));
    for (const session of this.sessions) {
      for (const room of session.rooms) append(this.#sessionsByRoom, room, session);
      append(this.#sessionsByGateway, session.gatewayId, session);
      for (const node of new Set(session.media.map(({ nodeId }) => nodeId)))
        append(this.#sessionsByNode, node, session);
    }
    this.#negotiationsByRoom = Map.groupBy(this.negotiations, ({ roomId }) => roomId);
  }

  get(id: string | undefined): Vertex | undefined {
    const vertex = id === undefined ? undefined : this.vertices.get(id);
    const isUnlisted = vertex?.kind === 'migration' || vertex?.kind === 'breaker' || vertex?.kind === 'canary';
    return isUnlisted ? undefined : vertex;
  }

  sessionsOf(roomId: string): readonly VertexOf<'session'>[] {
    return this.#sessionsByRoom.get(roomId) ?? [];
  }

  /** Sessions with media on a node, the lowest score first. */
  sessionsOn(nodeId: string): readonly VertexOf<'session'>[] {
    const score = ({ media }: VertexOf<'session'>): number => peerScoreOf(media, nodeId)?.score ?? 1;
    return (this.#sessionsByNode.get(nodeId) ?? []).toSorted((a, b) => score(a) - score(b));
  }

  sessionsAt(gatewayId: string): readonly VertexOf<'session'>[] {
    return this.#sessionsByGateway.get(gatewayId) ?? [];
  }

  negotiationsIn(roomId: string): readonly VertexOf<'negotiation'>[] {
    return this.#negotiationsByRoom.get(roomId) ?? [];
  }

  /** The open breakers of calls to a node. */
  breakersTo(nodeId: string): readonly VertexOf<'breaker'>[] {
    return this.breakers.filter(({ target }) => target === nodeId);
  }

  roomsOn(nodeId: string): readonly VertexOf<'room'>[] {
    return this.rooms.filter(({ assignments }) => (assignments[nodeId] ?? 0) > 0);
  }

  /** Searches names and ids. Exact names come first, then prefixes, other parts of names, and ids. */
  search(text: string, limit: number): Vertex[] {
    const wanted = text.trim().toLowerCase();
    if (wanted === '') return [];
    const found: { vertex: Vertex; rank: number }[] = [];
    for (const vertex of [...this.rooms, ...this.sessions, ...this.gateways, ...this.nodes]) {
      const name = nameOf(vertex).toLowerCase();
      const at = name.indexOf(wanted);
      if (name === wanted) found.push({ vertex, rank: 0 });
      else if (at === 0) found.push({ vertex, rank: 1 });
      else if (at > 0) found.push({ vertex, rank: 2 });
      else if (
        vertex.id.includes(wanted) ||
        (vertex.kind === 'session' && vertex.userId.toLowerCase().includes(wanted))
      )
        found.push({ vertex, rank: 3 });
    }
    return found
      .sort((a, b) => a.rank - b.rank)
      .slice(0, limit)
      .map(({ vertex }) => vertex);
  }
}

/** Display name. */
export function nameOf(vertex: Vertex): string {
  switch (vertex.kind) {
    case 'room':
      return vertex.name;
    case 'session':
      return vertex.name ?? vertex.userId;
    default:
      return vertex.id;
  }
}

/** What is unusual about it; undefined when nothing is. */
export function remarkOf(vertex: Vertex): string | undefined {
  switch (vertex.kind) {
    case 'gateway':
      return vertex.alive ? undefined : notAlive;
    case 'node':
      if (!vertex.alive) return notAlive;
      if (vertex.drain) return `draining, ${vertex.drain.left} left`;
      return vertex.state === 'active' ? undefined : vertex.state;
    case 'room':
      return vertex.mediaMode === 'peer' ? 'direct call' : undefined;
    case 'session':
      return vertex.connected ? degradationOf(vertex) : 'reconnecting';
    case 'negotiation':
      return vertex.state;
  }
}

type PeerScore = VertexOf<'session'>['media'][number];

/** The lowest score of a session's media, on the given node or on any. */
export function peerScoreOf(media: readonly PeerScore[], nodeId?: string): PeerScore | undefined {
  const of = nodeId === undefined ? media : media.filter((each) => each.nodeId === nodeId);
  return of.reduce<PeerScore | undefined>(
    (worst, each) => (worst && worst.score <= each.score ? worst : each),
    undefined,
  );
}

/** The quality group and the score, which is from 0 (worst) to 1. */
export const peerScoreText = ({ score, group }: PeerScore): string => `${groupNames[group]}, score ${score.toFixed(2)}`;

function degradationOf({ media }: VertexOf<'session'>): string | undefined {
  const peerScore = peerScoreOf(media);
  return peerScore && peerScore.group !== 'stable' ? peerScoreText(peerScore) : undefined;
}

/** Remark on a node or gateway whose heartbeats have stopped. */
export const notAlive = 'not alive';

/** Whether calls are refused, or one is tried. */
export const breakerText = ({ state }: VertexOf<'breaker'>): string =>
  state === 'open' ? 'breaker open' : 'breaker half open';

/** Quality groups: `move` is a peer that is to be migrated. */
export const groupNames: Record<QualityGroup, string> = { stable: 'stable', watch: 'degraded', move: 'to move' };

export const kindNames: Record<Kind, string> = {
  gateway: 'Gateway',
  node: 'SFU node',
  room: 'Room',
  session: 'Session',
  negotiation: 'Direct call',
};

export const amount = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byId = (a: { id: string }, b: { id: string }): number => compare(a.id, b.id);

function append<T>(lists: Map<string, T[]>, key: string, one: T): void {
  const list = lists.get(key);
  if (list) list.push(one);
  else lists.set(key, [one]);
}
