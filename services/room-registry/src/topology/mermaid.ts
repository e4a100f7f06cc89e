import type { Topology, TopologyVertex } from '@flotilla/contracts';

/** Maximum number of vertices of one kind that are drawn separately; the others are drawn as one. */
const mostOfAKind = 40;
/** Maximum number of edges of separately drawn rooms. Mermaid draws at most 500 in all by default. */
const mostEdges = 400;

type VertexOf<K extends TopologyVertex['kind']> = Extract<TopologyVertex, { kind: K }>;
/** Number of participants by the vertex at the other end of the edge. */
type EdgeCounts = ReadonlyMap<string, number>;

interface DrawnRoom {
  readonly label: string;
  readonly participants: number;
  readonly gateways: EdgeCounts;
  readonly nodes: EdgeCounts;
}

/**
 * The fleet as a Mermaid flowchart, from left to right: gateways, rooms, SFU nodes, with the numbers of participants on the
 * edges. The largest vertices are drawn separately and the rest as one, so that a large fleet stays legible.
 */
export function topologyMermaid({ at, vertices, truncated }: Topology): string {
  const of = <K extends TopologyVertex['kind']>(kind: K): VertexOf<K>[] =>
    vertices.filter((vertex): vertex is VertexOf<K> => vertex.kind === kind);
  const gateways = draw(of('gateway'), 'g', (each) => each.sessions, gatewayLabel, 'gateways');
  const nodes = draw(of('node'), 'n', (each) => each.reserved, nodeLabel, 'SFU nodes');
  const rooms = drawnRooms(of('room'), of('session'), of('negotiation'), gateways.names, nodes.names);
  const edges = rooms.flatMap((room, index) => [
    ...[...room.gateways].map(([gateway, participants]) => `  ${gateway} -->|${participants}| r${index}`),
    ...[...room.nodes].map(([node, participants]) => `  r${index} -->|${participants}| ${node}`),
  ]);
  return [
    'flowchart LR',
    `  %% ${new Date(at).toISOString()}${truncated ? ', truncated' : ''}`,
    ...subgraph('gateways', 'Gateways', gateways.lines),
    ...subgraph(
      'rooms',
      'Rooms',
      rooms.map(({ label }, index) => `r${index}("${label}")`),
    ),
    ...subgraph('nodes', 'SFU nodes', nodes.lines),
    ...edges,
    '  classDef down stroke:#cf2a3c,stroke-dasharray:4',
    '',
  ].join('\n');
}

const subgraph = (id: string, title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`  subgraph ${id}["${title}"]`, ...lines.map((line) => `    ${line}`), '  end'];

const amount = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
const participantCount = (count: number): string => amount(count, 'participant');

const gatewayLabel = ({ id, sessions, alive }: VertexOf<'gateway'>): string =>
  `${id}<br/>${amount(sessions, 'session')}${alive ? '' : ', not alive'}`;

function nodeLabel({ id, reserved, capacity, cpu, state, alive }: VertexOf<'node'>): string {
  const remark = alive ? (state === 'active' ? '' : `, ${state}`) : ', not alive';
  return `${id}<br/>${reserved} of ${amount(capacity, 'session')}, CPU ${Math.round(cpu * 100)} %${remark}`;
}

/** The lines of one kind of vertex, and the name of each vertex in the drawing by its id. */
function draw<T extends { readonly id: string; readonly alive: boolean }>(
  all: readonly T[],
  prefix: string,
  weight: (one: T) => number,
  label: (one: T) => string,
  noun: string,
): { lines: string[]; names: ReadonlyMap<string, string> } {
  const sorted = all.toSorted((a, b) => weight(b) - weight(a) || (a.id < b.id ? -1 : 1));
  const shown = sorted.slice(0, mostOfAKind);
  const rest = sorted.length - shown.length;
  const lines = shown.map((one, index) => `${prefix}${index}["${label(one)}"]${one.alive ? '' : ':::down'}`);
  if (rest > 0) lines.push(`${prefix}Rest["${rest} more ${noun}"]`);
  return {
    lines,
    names: new Map(sorted.map(({ id }, index) => [id, index < shown.length ? `${prefix}${index}` : `${prefix}Rest`])),
  };
}

function drawnRooms(
  rooms: readonly VertexOf<'room'>[],
  sessions: readonly VertexOf<'session'>[],
  negotiations: readonly VertexOf<'negotiation'>[],
  gatewayNames: ReadonlyMap<string, string>,
  nodeNames: ReadonlyMap<string, string>,
): DrawnRoom[] {
  const edgesOf = new Map(rooms.map(({ id }) => [id, new Map<string, number>()]));
  for (const { gatewayId, connected, rooms: joined } of sessions) {
    const gateway = gatewayNames.get(gatewayId);
    if (gateway === undefined || !connected) continue;
    for (const room of joined) add(edgesOf.get(room), gateway, 1);
  }
  const negotiating = Map.groupBy(
    negotiations.filter(({ state }) => state !== 'stable' && state !== 'closed'),
    ({ roomId }) => roomId,
  );
  const all = rooms
    .toSorted((a, b) => b.participants - a.participants || (a.name < b.name ? -1 : 1))
    .map(({ id, name, participants, assignments, mediaMode }): DrawnRoom => {
      const nodes = new Map<string, number>();
      for (const [node, count] of Object.entries(assignments)) add(nodes, nodeNames.get(node), count);
      const pairs = negotiating.get(id)?.length ?? 0;
      const remarks = [
        participantCount(participants),
        ...(mediaMode === 'peer' ? ['peer to peer'] : []),
        ...(pairs > 0 ? [`${amount(pairs, 'pair')} negotiating`] : []),
      ];
      return { label: `${name}<br/>${remarks.join(', ')}`, participants, gateways: edgesOf.get(id)!, nodes };
    });
  let edges = 0;
  const tooMany = all.findIndex((room, index) => {
    edges += room.gateways.size + room.nodes.size;
    return index >= mostOfAKind || edges > mostEdges;
  });
  return tooMany === -1 ? all : [...all.slice(0, tooMany), summedUp(all.slice(tooMany))];
}

function summedUp(rooms: readonly DrawnRoom[]): DrawnRoom {
  const total = rooms.reduce((sum, room) => sum + room.participants, 0);
  const [gateways, nodes] = [new Map<string, number>(), new Map<string, number>()];
  for (const room of rooms) {
    for (const [gateway, count] of room.gateways) add(gateways, gateway, count);
    for (const [node, count] of room.nodes) add(nodes, node, count);
  }
  return {
    label: `${amount(rooms.length, 'more room')}<br/>${participantCount(total)}`,
    participants: total,
    gateways,
    nodes,
  };
}

function add(sums: Map<string, number> | undefined, name: string | undefined, count: number): void {
  if (sums && name !== undefined) sums.set(name, (sums.get(name) ?? 0) + count);
}
