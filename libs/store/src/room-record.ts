import { FlotillaError, type MediaMode, type Room } from '@flotilla/contracts';

/** Key that rooms are sorted by in lists: by creation, then by id. */
export const listKey = (room: Pick<Room, 'id' | 'createdAt'>): string =>
  `${String(room.createdAt).padStart(15, '0')}:${room.id}`;

/** The existing room when it has the requested settings. Throws ROOM_EXISTS otherwise. */
export function sameSettings(known: Room, requested: Room): Room {
  const settings = ({ maxParticipants, spread, peerToPeer, acceptBridged, emptyTimeoutSeconds }: Room): string =>
    JSON.stringify([maxParticipants, spread, peerToPeer, acceptBridged, emptyTimeoutSeconds]);
  if (settings(known) === settings(requested)) return known;
  throw new FlotillaError('ROOM_EXISTS', `room ${known.name} exists with other settings`);
}

/** `upgraded`: the room had more than two participants at a time since it was last empty. */
export function mediaModeOf(room: Pick<Room, 'peerToPeer'>, upgraded: boolean): MediaMode {
  return room.peerToPeer && !upgraded ? 'peer' : 'sfu';
}
