import { publicParticipant, publicPublication, type RoomSnapshot } from '@flotilla/contracts';
import type { RoomState } from '@flotilla/store';

/** The state of a room as its participants may see it. */
export function snapshotOf({ room, mediaMode, members, publications, offset }: RoomState): RoomSnapshot {
  return {
    room,
    mediaMode,
    participants: members.map(publicParticipant),
    publications: publications.map(publicPublication),
    offset,
  };
}
