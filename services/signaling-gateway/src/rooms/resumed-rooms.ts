import { roomStream } from '@flotilla/bus';
import { type Offset, participantIdOf, type ReplyPayload, roomAddress } from '@flotilla/contracts';
import type { Backplane } from '@flotilla/backplane';
import { snapshotOf } from './snapshot.ts';
import type { RoomStreams } from './room-streams.ts';
import type { Session } from '../sessions/session.ts';

/** A room that a session resumed, and the offset after which its events are sent. */
export interface ResumedRoom {
  readonly reply: ReplyPayload<'resume'>['rooms'][number];
  readonly attachAt: Offset;
}

/**
 * Puts a resumed session back into its rooms: with the events after the offset that it names, or with a snapshot when some of
 * those were trimmed. Rooms that it was removed from meanwhile are left out.
 */
export async function resumeRooms(
  session: Session,
  offsets: Readonly<Record<string, Offset>>,
  streams: RoomStreams,
  backplane: Backplane,
): Promise<ResumedRoom[]> {
  const rooms = await Promise.all(
    [...new Set([...(session.resumption?.rooms ?? []), ...session.rooms.keys()])].map((roomId) =>
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
  /** False when the session is not in the room any more. */
  const restore = async (): Promise<boolean> => {
    const [member, migration] = await Promise.all([
      store.rooms.member(roomId, participantId),
      store.migrations.of(roomId, participantId),
    ]);
    if (!member) {
      session.rooms.delete(roomId);
      return false;
    }
    session.rooms.set(roomId, {
      roomId,
      participantId,
      nodeId: member.nodeId,
      migration: migration && { id: migration.id, toNode: migration.toNode },
    });
    return true;
  };
  const readsMissed = seen !== undefined && !streams.isAt(roomId, seen);
  const [isMember, missed] = await Promise.all([
    restore(),
    readsMissed ? events.readAfter(roomStream(roomId), seen, 1) : undefined,
  ]);
  if (!isMember) return undefined;
  if (seen !== undefined && missed !== 'trimmed')
    return { reply: { roomId, participantId, resumed: true }, attachAt: seen };
  const state = await store.rooms.state(roomId);
  // Read again: events up to the offset of the snapshot are not applied to the membership.
  if (!state || !(await restore())) return undefined;
  return {
    reply: { roomId, participantId, resumed: false, snapshot: snapshotOf(state) },
    attachAt: state.offset,
  };
}
