import { roomStream } from '@flotilla/bus';
import { type Offset, participantIdOf, type ReplyPayload, roomAddress } from '@flotilla/contracts';
import type { Backplane } from '@flotilla/backplane';
import { snapshotOf } from './snapshot.ts';
import type { RoomStreams } from './room-streams.ts';
import type { Session } from '../sessions/session.ts';

/** A room that a session came back to, and from where on it is told what happens there. */
export interface ResumedRoom {
  readonly reply: ReplyPayload<'resume'>['rooms'][number];
  readonly attachAt: Offset;
}

/**
 * Puts a session that came back into the rooms it was in: with the events after the offset it names, or, when some of those
 * are gone, with the room as it is. Rooms it was taken out of meanwhile are left out.
 */
export async function resumeRooms(
  session: Session,
  offsets: Readonly<Record<string, Offset>>,
  feeds: RoomStreams,
  backplane: Backplane,
): Promise<ResumedRoom[]> {
  const rooms = await Promise.all(
    [...new Set([...(session.resumedRooms ?? []), ...session.rooms.keys()])].map((roomId) =>
      resumeRoom(roomId, session, offsets[roomAddress(roomId)], feeds, backplane),
    ),
  );
  return rooms.filter((room) => room !== undefined);
}

async function resumeRoom(
  roomId: string,
  session: Session,
  seen: Offset | undefined,
  feeds: RoomStreams,
  { store, events }: Backplane,
): Promise<ResumedRoom | undefined> {
  const participantId = participantIdOf(session.id);
  const read = seen !== undefined && !feeds.isAt(roomId, seen);
  // Asked for together: many come back at once.
  const [member, migration, missed] = await Promise.all([
    store.rooms.member(roomId, participantId),
    store.migrations.of(roomId, participantId),
    read ? events.readAfter(roomStream(roomId), seen, 1) : undefined,
  ]);
  if (!member) return undefined;
  session.rooms.set(roomId, {
    roomId,
    participantId,
    nodeId: member.nodeId,
    migration: migration && { id: migration.id, toNode: migration.toNode },
  });
  if (seen !== undefined && missed !== 'trimmed')
    return { reply: { roomId, participantId, resumed: true }, attachAt: seen };
  const state = await store.rooms.state(roomId);
  if (!state) return undefined;
  return {
    reply: { roomId, participantId, resumed: false, snapshot: snapshotOf(state) },
    attachAt: state.offset,
  };
}
