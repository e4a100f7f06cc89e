import type { Migration, NodeView } from '@flotilla/contracts';
import type { RoomState, SessionRecord, Store } from './store.ts';

const roomsPerPage = 100;
/** Maximum number of migrations to read. */
const mostMigrations = 10_000;

/** The contents of a store. */
export interface Inventory {
  readonly rooms: readonly RoomState[];
  readonly nodes: readonly NodeView[];
  readonly migrations: readonly Migration[];
  /** The existing sessions of the rooms' members. */
  readonly sessions: ReadonlyMap<string, SessionRecord>;
}

/** Reads the whole store, in several steps. While it changes, the result may be inconsistent: repeat it before you report. */
export async function takeInventory(store: Store): Promise<Inventory> {
  const rooms: RoomState[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.rooms.list(roomsPerPage, cursor);
    for (const { id } of page.rooms) {
      const state = await store.rooms.state(id);
      if (state) rooms.push(state);
    }
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  const sessions = new Map<string, SessionRecord>();
  for (const { sessionId } of rooms.flatMap(({ members }) => members)) {
    const session = await store.sessions.get(sessionId);
    if (session) sessions.set(sessionId, session);
  }
  const [nodes, migrations] = [await store.nodes.list(), await store.migrations.running(mostMigrations)];
  return { rooms, nodes, migrations, sessions };
}

/**
 * Violated invariants of a store at rest, one sentence each: members have sessions and sessions their members, reserved capacity
 * equals members and migrations, publications have publishers, migrations have members.
 */
export function brokenInvariants({ rooms, nodes, migrations, sessions }: Inventory): string[] {
  const broken: string[] = [];
  const inUse = new Map<string, number>();
  const count = (nodeId: string): void => void inUse.set(nodeId, (inUse.get(nodeId) ?? 0) + 1);
  const moving = new Map(migrations.map((migration) => [`${migration.roomId}/${migration.participantId}`, migration]));
  const members = new Set<string>();
  const inRoom = new Map<string, string[]>();

  for (const state of rooms) {
    const roomId = state.room.id;
    const here = new Map(state.members.map((member) => [member.id, member]));
    for (const { id, sessionId, nodeId } of state.members) {
      members.add(`${roomId}/${id}`);
      count(nodeId);
      inRoom.set(sessionId, [...(inRoom.get(sessionId) ?? []), roomId]);
      const session = sessions.get(sessionId);
      if (!session) broken.push(`${id} is in ${roomId} for the session ${sessionId}, which does not exist`);
      else if (!session.rooms.includes(roomId))
        broken.push(`${id} is in ${roomId}, its session does not list the room`);
    }
    const producers = new Set<string>();
    for (const { id, participantId, nodeId, producerId } of state.publications) {
      const member = here.get(participantId);
      const { toNode } = moving.get(`${roomId}/${participantId}`) ?? {};
      if (!member) broken.push(`${id} is published by ${participantId}, which is not in ${roomId}`);
      else if (nodeId !== member.nodeId && nodeId !== toNode)
        broken.push(`${id} is on ${nodeId}, its publisher ${participantId} on ${member.nodeId}`);
      if (producers.has(producerId)) broken.push(`the producer ${producerId} is published twice in ${roomId}`);
      producers.add(producerId);
    }
  }
  for (const [key, { id, fromNode, toNode }] of moving) {
    count(toNode);
    if (!members.has(key)) broken.push(`${id} moves ${key}, which is not a member`);
    if (fromNode === toNode) broken.push(`${id} moves from ${fromNode} to itself`);
  }
  for (const [sessionId, { rooms: known }] of sessions)
    for (const roomId of known)
      if (!inRoom.get(sessionId)?.includes(roomId))
        broken.push(`${sessionId} is in ${roomId}, which has no such member`);
  const reserved = new Map(nodes.map((node) => [node.id, node.reserved]));
  for (const nodeId of new Set([...reserved.keys(), ...inUse.keys()])) {
    const [kept, needed] = [reserved.get(nodeId) ?? 0, inUse.get(nodeId) ?? 0];
    if (kept !== needed) broken.push(`${nodeId} has ${kept} reserved, ${needed} are in use`);
  }
  return broken;
}
