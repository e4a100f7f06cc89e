import { participantIdOf, type QualityGroup } from '@flotilla/contracts';
import { amount, type Fleet, type Kind, nameOf, remarkOf, peerScoreOf, type VertexOf } from './fleet.ts';

/** Sessions are drawn one by one while there are no more than this; else those of the selected room or gateway are. */
export const mostSessions = 150;
/** Rooms drawn by themselves; the smaller ones are one vertex. */
export const mostRooms = 400;
/** The vertex that stands for the rooms that are not drawn. */
export const restId = 'rest';

export interface DrawnVertex {
  readonly id: string;
  readonly kind: Kind | 'rest';
  readonly label: string;
  /** Across, in the graph's units. */
  readonly size: number;
  readonly remark?: string | undefined;
  /** How the media of a session fares. */
  readonly group?: QualityGroup | undefined;
  /** The SFU nodes that a session has media on. */
  readonly nodes?: readonly string[] | undefined;
  /** The vertex it stands beside. */
  readonly beside?: string | undefined;
}

export interface DrawnEdge {
  readonly id: string;
  readonly source: string;
  readonly target: string;
  readonly kind: 'signal' | 'media' | 'negotiation';
  /** How many people it stands for. */
  readonly weight: number;
  readonly label?: string | undefined;
}

export interface Drawing {
  readonly vertices: readonly DrawnVertex[];
  readonly edges: readonly DrawnEdge[];
  /** Everybody is drawn. */
  readonly everybody: boolean;
}

/** What of the fleet is drawn: all of it while it is small, its outline and what is selected when it is large. */
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
      ...titled(node, `${node.reserved} of ${node.capacity}`),
      size: 46,
    })),
    ...rooms.map((room) => ({
      ...titled(room, String(room.participants)),
      size: sizeOf(room.participants, 11, 60),
      beside: mainHome(room),
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
    ...rooms.flatMap((room) => [...signalWays(fleet, room, shown), ...mediaWays(room)]),
    ...sessions.flatMap((session) => sessionWays(session, roomIds)),
    ...rooms.flatMap((room) => negotiations(fleet, room, shown)),
  ];
  const ids = new Set(vertices.map(({ id }) => id));
  return {
    vertices,
    edges: edges.filter(({ source, target }) => ids.has(source) && ids.has(target)),
    everybody: fleet.sessions.length <= mostSessions,
  };
}

function titled(vertex: Parameters<typeof nameOf>[0], more?: string): Omit<DrawnVertex, 'size'> {
  const remark = remarkOf(vertex);
  const lines = [shortened(nameOf(vertex)), ...(more === undefined ? [] : [more]), ...(remark ? [remark] : [])];
  return { id: vertex.id, kind: vertex.kind, label: lines.join('\n'), remark };
}

const shortened = (name: string): string => (name.length > 24 ? `${name.slice(0, 22)}…` : name);

/** Its area grows with the count. */
const sizeOf = (count: number, least: number, most: number): number => Math.min(most, least + Math.sqrt(count) * 6);

function shownRooms(fleet: Fleet, selectedId: string | undefined): readonly VertexOf<'room'>[] {
  if (fleet.rooms.length <= mostRooms) return fleet.rooms;
  const selected = fleet.get(selectedId);
  const wanted = new Set(selected?.kind === 'session' ? selected.rooms : [selectedId]);
  return fleet.rooms.filter(({ id }, index) => index < mostRooms || wanted.has(id));
}

function shownSessions(fleet: Fleet, selectedId: string | undefined): readonly VertexOf<'session'>[] {
  if (fleet.sessions.length <= mostSessions) return fleet.sessions;
  const selected = fleet.get(selectedId);
  switch (selected?.kind) {
    case 'room':
      return fleet.sessionsOf(selected.id).slice(0, mostSessions);
    case 'gateway': {
      const all = fleet.sessionsAt(selected.id);
      return all.length <= mostSessions ? all : [];
    }
    case 'session': {
      const around = selected.rooms.flatMap((room) => fleet.sessionsOf(room));
      return [...new Set([selected, ...around])].slice(0, mostSessions);
    }
    case 'negotiation':
      return fleet.sessionsOf(selected.roomId).slice(0, mostSessions);
    default:
      return [];
  }
}

/** The node that has most of a room's people. */
function mainHome({ assignments }: VertexOf<'room'>): string | undefined {
  return Object.entries(assignments).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0]?.[0];
}

/** The gateways of those in the room who are not drawn themselves. */
function signalWays(fleet: Fleet, { id }: VertexOf<'room'>, shown: ReadonlySet<string>): DrawnEdge[] {
  const ways = new Map<string, number>();
  for (const session of fleet.sessionsOf(id))
    if (session.connected && !shown.has(session.id))
      ways.set(session.gatewayId, (ways.get(session.gatewayId) ?? 0) + 1);
  return [...ways].map(([gateway, weight]) => edge('signal', gateway, id, weight));
}

function mediaWays({ id, assignments, mediaMode }: VertexOf<'room'>): DrawnEdge[] {
  if (mediaMode === 'peer') return [];
  const places = Object.entries(assignments);
  // Of a room on one node the number is the room's own.
  const label = places.length === 1 ? '' : undefined;
  return places.map(([node, weight]) => ({ ...edge('media', id, node, weight), label }));
}

function sessionWays(
  { id, gatewayId, rooms, connected }: VertexOf<'session'>,
  drawn: ReadonlySet<string>,
): DrawnEdge[] {
  const inRooms = rooms.filter((room) => drawn.has(room)).map((room) => edge('media', id, room, 1));
  return connected ? [edge('signal', gatewayId, id, 1), ...inRooms] : inRooms;
}

/** Between the two sessions where they are drawn, else one loop at the room for all of its pairs. */
function negotiations(fleet: Fleet, { id }: VertexOf<'room'>, shown: ReadonlySet<string>): DrawnEdge[] {
  const pairs = fleet.negotiationsIn(id);
  if (pairs.length === 0) return [];
  const sessions = new Map(fleet.sessionsOf(id).map((session) => [participantIdOf(session.id), session.id]));
  const drawn = pairs.flatMap(({ participants: [a, b], state }): DrawnEdge[] => {
    const [from, to] = [sessions.get(a), sessions.get(b)];
    if (from === undefined || to === undefined || !shown.has(from) || !shown.has(to)) return [];
    return [{ ...edge('negotiation', from, to, 1), label: state }];
  });
  const left = pairs.length - drawn.length;
  return left === 0 ? drawn : [...drawn, { ...edge('negotiation', id, id, left), label: amount(left, 'pair') }];
}

const edge = (kind: DrawnEdge['kind'], source: string, target: string, weight: number): DrawnEdge => ({
  id: `${kind} ${source} ${target}`,
  source,
  target,
  kind,
  weight,
});
