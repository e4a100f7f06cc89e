import { participantIdOf, type QualityGroup } from '@flotilla/contracts';
import { amount, breakerText, type Fleet, type Kind, nameOf, remarkOf, peerScoreOf, type VertexOf } from './fleet.ts';

/** Up to this number all sessions are drawn; above it, those of the selected room or gateway. */
export const maxSessions = 150;
/** Rooms drawn as single vertices at most; one more vertex stands for the smaller ones. */
export const maxRooms = 400;
/** Id of the vertex that stands for the rooms that are not drawn. */
export const restId = 'rest';

export interface DrawnVertex {
  readonly id: string;
  readonly kind: Kind | 'rest';
  readonly label: string;
  /** Width in the graph's units. */
  readonly size: number;
  readonly remark?: string | undefined;
  /** Quality group of a session. */
  readonly group?: QualityGroup | undefined;
  /** The SFU nodes that a session has media on. */
  readonly nodes?: readonly string[] | undefined;
  /** The vertex that it is placed around. */
  readonly beside?: string | undefined;
}

export interface DrawnEdge {
  readonly id: string;
  readonly source: string;
  readonly target: string;
  readonly kind: 'signal' | 'media' | 'negotiation';
  /** Number of participants that it stands for. */
  readonly weight: number;
  readonly label?: string | undefined;
}

export interface Drawing {
  readonly vertices: readonly DrawnVertex[];
  readonly edges: readonly DrawnEdge[];
  /** All sessions are drawn. */
  readonly isComplete: boolean;
}

/** Selects what is drawn: everything of a small fleet; of a large one, gateways, nodes, rooms and the selected sessions. */
export function draw(fleet: Fleet, selectedId: string | undefined): Drawing {
  const rooms = shownRooms(fleet, selectedId);
  const sessions = shownSessions(fleet, selectedId);
  const shown = new Set(sessions.map(({ id }) => id));
  const roomIds = new Set(rooms.map(({ id }) => id));
  const vertices: DrawnVertex[] = [
    ...fleet.gateways.map((gateway) => ({
      ...titled(gateway, amount(gateway.sessions, 'session')),
      size: sizeOf(gateway.sessions, 34, 64),
    })),
    ...fleet.nodes.map((node) => ({
      ...titled(node, nodeLines(fleet, node)),
      size: 46,
    })),
    ...rooms.map((room) => ({
      ...titled(room, String(room.participants)),
      size: sizeOf(room.participants, 11, 60),
      beside: mainNodeOf(room),
    })),
    ...sessions.map((session) => ({
      ...titled(session),
      size: 13,
      group: peerScoreOf(session.media)?.group,
      nodes: session.media.map(({ nodeId }) => nodeId),
      beside: session.rooms.find((id) => roomIds.has(id)) ?? session.gatewayId,
    })),
  ];
  const hidden = fleet.rooms.length - rooms.length;
  if (hidden > 0) vertices.push({ id: restId, kind: 'rest', label: amount(hidden, 'smaller room'), size: 44 });
  const edges = [
    ...rooms.flatMap((room) => [...signalEdges(fleet, room, shown), ...mediaEdges(room)]),
    ...sessions.flatMap((session) => sessionEdges(session, roomIds)),
    ...rooms.flatMap((room) => negotiationEdges(fleet, room, shown)),
  ];
  const ids = new Set(vertices.map(({ id }) => id));
  return {
    vertices,
    edges: edges.filter(({ source, target }) => ids.has(source) && ids.has(target)),
    isComplete: fleet.sessions.length <= maxSessions,
  };
}

function nodeLines(fleet: Fleet, { id, reserved, capacity }: VertexOf<'node'>): string {
  const [breaker] = fleet.breakersTo(id);
  return `${reserved} of ${capacity}${breaker ? `\n${breakerText(breaker)}` : ''}`;
}

function titled(vertex: Parameters<typeof nameOf>[0], more?: string): Omit<DrawnVertex, 'size'> {
  const remark = remarkOf(vertex);
  const lines = [shortened(nameOf(vertex)), ...(more === undefined ? [] : [more]), ...(remark ? [remark] : [])];
  return { id: vertex.id, kind: vertex.kind, label: lines.join('\n'), remark };
}

const shortened = (name: string): string => (name.length > 24 ? `${name.slice(0, 22)}…` : name);

/** The area grows with the count. */
const sizeOf = (count: number, min: number, max: number): number => Math.min(max, min + Math.sqrt(count) * 6);

function shownRooms(fleet: Fleet, selectedId: string | undefined): readonly VertexOf<'room'>[] {
  if (fleet.rooms.length <= maxRooms) return fleet.rooms;
  const selected = fleet.get(selectedId);
  const wanted = new Set(selected?.kind === 'session' ? selected.rooms : [selectedId]);
  return fleet.rooms.filter(({ id }, index) => index < maxRooms || wanted.has(id));
}

function shownSessions(fleet: Fleet, selectedId: string | undefined): readonly VertexOf<'session'>[] {
  if (fleet.sessions.length <= maxSessions) return fleet.sessions;
  const selected = fleet.get(selectedId);
  switch (selected?.kind) {
    case 'room':
      return fleet.sessionsOf(selected.id).slice(0, maxSessions);
    case 'gateway': {
      const all = fleet.sessionsAt(selected.id);
      return all.length <= maxSessions ? all : [];
    }
    case 'session': {
      const around = selected.rooms.flatMap((room) => fleet.sessionsOf(room));
      return [...new Set([selected, ...around])].slice(0, maxSessions);
    }
    case 'negotiation':
      return fleet.sessionsOf(selected.roomId).slice(0, maxSessions);
    default:
      return [];
  }
}

/** The node with most participants of a room. */
function mainNodeOf({ assignments }: VertexOf<'room'>): string | undefined {
  return Object.entries(assignments).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0]?.[0];
}

/** Edges to the gateways of a room's sessions that are not drawn. */
function signalEdges(fleet: Fleet, { id }: VertexOf<'room'>, shown: ReadonlySet<string>): DrawnEdge[] {
  const sessions = new Map<string, number>();
  for (const session of fleet.sessionsOf(id))
    if (session.connected && !shown.has(session.id))
      sessions.set(session.gatewayId, (sessions.get(session.gatewayId) ?? 0) + 1);
  return [...sessions].map(([gateway, weight]) => edge('signal', gateway, id, weight));
}

function mediaEdges({ id, assignments, mediaMode }: VertexOf<'room'>): DrawnEdge[] {
  if (mediaMode === 'peer') return [];
  const nodes = Object.entries(assignments);
  // With one node, the number is that of the room's label.
  const label = nodes.length === 1 ? '' : undefined;
  return nodes.map(([node, weight]) => ({ ...edge('media', id, node, weight), label }));
}

function sessionEdges(
  { id, gatewayId, rooms, connected }: VertexOf<'session'>,
  drawn: ReadonlySet<string>,
): DrawnEdge[] {
  const inRooms = rooms.filter((room) => drawn.has(room)).map((room) => edge('media', id, room, 1));
  return connected ? [edge('signal', gatewayId, id, 1), ...inRooms] : inRooms;
}

/** An edge for each pair of sessions that are drawn, and one loop at the room for the other pairs. */
function negotiationEdges(fleet: Fleet, { id }: VertexOf<'room'>, shown: ReadonlySet<string>): DrawnEdge[] {
  const pairs = fleet.negotiationsIn(id);
  if (pairs.length === 0) return [];
  const sessions = new Map(fleet.sessionsOf(id).map((session) => [participantIdOf(session.id), session.id]));
  const drawn = pairs.flatMap(({ participants: [a, b], state }): DrawnEdge[] => {
    const [from, to] = [sessions.get(a), sessions.get(b)];
    if (from === undefined || to === undefined || !shown.has(from) || !shown.has(to)) return [];
    return [{ ...edge('negotiation', from, to, 1), label: state }];
  });
  const hidden = pairs.length - drawn.length;
  return hidden === 0 ? drawn : [...drawn, { ...edge('negotiation', id, id, hidden), label: amount(hidden, 'pair') }];
}

const edge = (kind: DrawnEdge['kind'], source: string, target: string, weight: number): DrawnEdge => ({
  id: `${kind} ${source} ${target}`,
  source,
  target,
  kind,
  weight,
});
