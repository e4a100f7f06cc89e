import type { Topology, TopologyVertex } from '@flotilla/contracts';

/** Vertices of one kind that are drawn by themselves; the others are summed up in one. */
const mostOfAKind = 40;
/** Edges that are drawn for rooms of their own. Mermaid draws no more than 500 in all unless it is configured to. */
const mostEdges = 400;

type VertexOf<K extends TopologyVertex['kind']> = Extract<TopologyVertex, { kind: K }>;
/** By the name of what is at the other end: how many people go that way. */
type Ways = ReadonlyMap<string, number>;

interface DrawnRoom {
  readonly label: string;
  readonly people: number;
  readonly gateways: Ways;
  readonly nodes: Ways;
}

/**
 * The fleet as a Mermaid flowchart, from left to right: gateways, rooms, SFU nodes, with the numbers of
 * people between them. What is largest is drawn by itself, the rest as one sum, so that a large fleet stays legible.
 */
export function topologyMermaid({ at, vertices, truncated }: Topology): string {
  const of = <K extends TopologyVertex['kind']>(kind: K): VertexOf<K>[] =>
    vertices.filter((vertex): vertex is VertexOf<K> => vertex.kind === kind);
  const gateways = draw(of('gateway'), 'g', (each) => each.sessions, gatewayLabel, 'gateways');
  const nodes = draw(of('node'), 'n', (each) => each.reserved, nodeLabel, 'SFU nodes');
  const rooms = drawnRooms(of('room'), of('session'), of('negotiation'), gateways.names, nodes.names);
  const edges = rooms.flatMap((room, index) => [
    ...[...room.gateways].map(([gateway, people]) => `  ${gateway} -->|${people}| r${index}`),
    ...[...room.nodes].map(([node, people]) => `  r${index} -->|${people}| ${node}`),
  ]);
  return [
    'flowchart LR',
    `  %% ${new Date(at).toISOString()}${truncated ? ', not all of it' : ''}`,
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
const people = (count: number): string => amount(count, 'person', 'people');

const gatewayLabel = ({ id, sessions, alive }: VertexOf<'gateway'>): string =>
  `${id}<br/>${amount(sessions, 'session')}${alive ? '' : ', not alive'}`;

function nodeLabel({ id, reserved, capacity, cpu, state, alive }: VertexOf<'node'>): string {
  const remark = alive ? (state === 'active' ? '' : `, ${state}`) : ', not alive';
  return `${id}<br/>${reserved} of ${amount(capacity, 'place')}, CPU ${Math.round(cpu * 100)} %${remark}`;
}

/** The lines of one kind, and for each id the name it is drawn under. */
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
  const ways = new Map(rooms.map(({ id }) => [id, new Map<string, number>()]));
  for (const { gatewayId, connected, rooms: joined } of sessions) {
    const gateway = gatewayNames.get(gatewayId);
    if (gateway === undefined || !connected) continue;
    for (const room of joined) add(ways.get(room), gateway, 1);
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
        people(participants),
        ...(mediaMode === 'peer' ? ['peer to peer'] : []),
        ...(pairs > 0 ? [`${amount(pairs, 'pair')} negotiating`] : []),
      ];
      return { label: `${name}<br/>${remarks.join(', ')}`, people: participants, gateways: ways.get(id)!, nodes };
    });
  let edges = 0;
  const tooMany = all.findIndex((room, index) => {
    edges += room.gateways.size + room.nodes.size;
    return index >= mostOfAKind || edges > mostEdges;
  });
  return tooMany === -1 ? all : [...all.slice(0, tooMany), summedUp(all.slice(tooMany))];
}

function summedUp(rooms: readonly DrawnRoom[]): DrawnRoom {
  const total = rooms.reduce((sum, room) => sum + room.people, 0);
  const [gateways, nodes] = [new Map<string, number>(), new Map<string, number>()];
  for (const room of rooms) {
    for (const [gateway, count] of room.gateways) add(gateways, gateway, count);
    for (const [node, count] of room.nodes) add(nodes, node, count);
  }
  return { label: `${amount(rooms.length, 'more room')}<br/>${people(total)}`, people: total, gateways, nodes };
}

function add(sums: Map<string, number> | undefined, name: string | undefined, count: number): void {
  if (sums && name !== undefined) sums.set(name, (sums.get(name) ?? 0) + count);
}
