import {
  FlotillaError,
  idPrefixes,
  type MediaMode,
  type Room,
  type RoomGrant,
  roomGrantsOf,
  tenantOfRoom,
} from '@flotilla/contracts';
import type { ActiveBan, SessionClaims } from './store.ts';

/** Time in seconds for which a deleted room's stream is kept, so that its participants receive `room_deleted`. */
export const deletedStreamSeconds = 300;

/** Key that rooms are sorted by in lists: by creation, then by id. */
export const listKey = (room: Pick<Room, 'id' | 'createdAt'>): string =>
  `${String(room.createdAt).padStart(15, '0')}:${room.id}`;

/** List keys that are read for a page of a tenant's rooms. */
export const maxTenantScan = 1000;

/** List keys of a page of rooms. `next` is undefined on the last. */
export interface ListPage {
  readonly keys: readonly string[];
  readonly next: string | undefined;
}

/** The page of a tenant's rooms in a part of the list of all. */
export function pageOfTenant({ keys, next }: ListPage, limit: number, tenant: string): ListPage {
  const own = keys.filter((key) => tenantOfRoom(roomIdOfListKey(key)) === tenant);
  if (own.length > limit) return { keys: own.slice(0, limit), next: own[limit - 1] };
  // Not the last key, which may be that of another tenant's room: one in front of all that were created in the same millisecond.
  const before = next && listKey({ id: `${idPrefixes.room}${'z'.repeat(60)}`, createdAt: parseInt(next, 10) - 1 });
  return { keys: own.filter((key) => before === undefined || key <= before), next: before };
}

export const roomIdOfListKey = (key: string): string => key.slice(key.indexOf(':') + 1);

/** The existing room when it has the requested settings. Throws ROOM_EXISTS otherwise. */
export function sameSettings(known: Room, requested: Room): Room {
  const settings = (room: Room): string => {
    const { maxParticipants, spread, peerToPeer, acceptBridged, maxPublishBitrate, emptyTimeoutSeconds } = room;
    return JSON.stringify([maxParticipants, spread, peerToPeer, acceptBridged, maxPublishBitrate, emptyTimeoutSeconds]);
  };
  if (settings(known) === settings(requested)) return known;
  throw new FlotillaError('ROOM_EXISTS', `room ${known.name} exists with other settings`);
}

/** `upgraded`: the room had more than two participants at a time since it was last empty. */
export function mediaModeOf(room: Pick<Room, 'peerToPeer'>, upgraded: boolean): MediaMode {
  return room.peerToPeer && !upgraded ? 'peer' : 'sfu';
}

/** Whether a session may be in a room: its claim `room` covers the room, and it has a grant that applies in rooms. */
export const mayBeIn = (roomId: string, { room, grants }: Pick<SessionClaims, 'room' | 'grants'>): boolean =>
  (room === '*' || room === roomId) && roomGrantsOf(grants).length > 0;

/** The refusal of a join that the claims of its session do not cover. */
export const notCovered = (): FlotillaError =>
  new FlotillaError(
    'FORBIDDEN',
    'the token does not cover this room: its claim `room` must name it or be `*`, with one of the grants publish, subscribe and data',
  );

/** The refusal of a message from outside a room that accepts none. */
export const notBridged = (): FlotillaError =>
  new FlotillaError('FORBIDDEN', 'this room takes no messages from outside: it was created without `acceptBridged`');

/** The refusal of what a participant lacks a grant for. */
export const lacksGrant = (grant: RoomGrant): FlotillaError =>
  new FlotillaError('FORBIDDEN', `the participant does not have the grant "${grant}"`);

/** Only those who may both publish and subscribe exchange media directly: the SFU enforces the grants of the others. */
export const mayCallDirectly = (grants: readonly RoomGrant[]): boolean =>
  grants.includes('publish') && grants.includes('subscribe');

/** Whether a ban follows another in lists: they are sorted by their end, then by their user. */
export const isAfter = (ban: ActiveBan, other: ActiveBan | undefined): boolean =>
  other === undefined || ban.endsAt > other.endsAt || (ban.endsAt === other.endsAt && ban.userId > other.userId);

/** A page of bans. `found` has at least one more than `limit` unless the page is the last. */
export function pageOfBans(
  found: readonly ActiveBan[],
  limit: number,
): { bans: ActiveBan[]; next: ActiveBan | undefined } {
  return { bans: found.slice(0, limit), next: found.length > limit ? found[limit - 1] : undefined };
}
