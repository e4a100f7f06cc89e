import { roomStream } from '@flotilla/bus';
import { compareOffsets, type Offset, participantIdOf, type ReplyPayload, roomAddress } from '@flotilla/contracts';
import type { Backplane } from '@flotilla/backplane';
import { snapshotOf } from './snapshot.ts';
import type { RoomStreams } from './room-streams.ts';
import type { Membership, Session } from '../sessions/session.ts';

/** A room that a session resumed, and the offset after which its events are sent. */
export interface ResumedRoom {
  readonly reply: ReplyPayload<'resume'>['rooms'][number];
  readonly membership: Membership;
  readonly attachAt: Offset;
}

/**
 * Puts a resumed session back into its rooms: with the events after the offset that it names, or with a snapshot when some of
 * those were trimmed, or are older than its membership. Rooms that it was removed from meanwhile are left out.
 */
export async function resumeRooms(
  session: Session,
  offsets: Readonly<Record<string, Offset>>,
  streams: RoomStreams,
  backplane: Backplane,
): Promise<ResumedRoom[]> {
  const rooms = await Promise.all(
    (session.resumption?.rooms ?? []).map((roomId) =>
      resumeRoom(roomId, session, offsets[roomAddress(roomId)], streams, backplane),
    ),
  );
  return rooms.filter((room) => room !== undefined);
}

async function resumeRoom(
  roomId: string,
  session: Session,
  seen: Offset | undefined,
  streams: RoomStreams,
  { store, events }: Backplane,
): Promise<ResumedRoom | undefined> {
  const participantId = participantIdOf(session.id);
  /** Undefined when the session is not in the room any more. */
  const restore = async (): Promise<{ membership: Membership; joinedAfter: Offset | undefined } | undefined> => {
    const known = session.rooms.get(roomId);
    const [member, migration] = await Promise.all([
      store.rooms.member(roomId, participantId),
      store.migrations.of(roomId, participantId),
    ]);
    // It left meanwhile.
    if (session.rooms.get(roomId) !== known) return undefined;
    if (!member) {
      streams.endMembership(session, roomId);
      return undefined;
    }
    const { nodeId, joinedAfter } = member;
    const running = migration && { id: migration.id, toNode: migration.toNode };
    const membership: Membership = { roomId, participantId, nodeId, migration: running };
    session.rooms.set(roomId, membership);
    return { membership, joinedAfter };
  };
  const readsMissed = seen !== undefined && !streams.isAt(roomId, seen);
  const [restored, missed] = await Promise.all([
    restore(),
    readsMissed ? events.readAfter(roomStream(roomId), seen, 1) : undefined,
  ]);
  if (!restored) return undefined;
  const { membership, joinedAfter } = restored;
  const mayRead = seen !== undefined && joinedAfter !== undefined && compareOffsets(seen, joinedAfter) >= 0;
  if (mayRead && missed !== 'trimmed')
    return { reply: { roomId, participantId, resumed: true }, membership, attachAt: seen };
  const state = await store.rooms.firstPage(roomId, participantId);
  if (!state) {
    streams.endMembership(session, roomId);
    return undefined;
  }
  // Read again: events up to the offset of the snapshot are not applied to the membership.
  const current = await restore();
  if (!current) return undefined;
  return {
    reply: { roomId, participantId, resumed: false, snapshot: snapshotOf(state) },
    membership: current.membership,
    attachAt: state.offset,
  };
}
