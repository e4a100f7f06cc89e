import { publicParticipant, publicPublication, type ReplyPayload, type RoomSnapshot } from '@flotilla/contracts';
import type { RoomPage } from '@flotilla/store';

/** The state of a room with the first of its participants, as they may see it. */
export function snapshotOf(page: RoomPage): RoomSnapshot {
  const { room, mediaMode } = page;
  return { room, mediaMode, ...participantsOf(page) };
}

/** A page of the participants of a room, as they may see it. */
export function participantsOf(page: RoomPage): ReplyPayload<'list_participants'> {
  const { members, publications, offset, next } = page;
  return {
    participants: members.map(publicParticipant),
    publications: publications.map(publicPublication),
    offset,
    ...(next !== undefined && { next }),
  };
}
