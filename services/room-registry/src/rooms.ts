import {
  type BanList,
  type CreateRoom,
  FlotillaError,
  idPrefixes,
  type Member,
  newId,
  type ParticipantList,
  publicParticipant,
  Room,
  RoomSettings,
  type RoomSummary,
  tenantOfRoom,
  userIdOf,
} from '@flotilla/contracts';
import { roomIdOf, type RoomStore } from '@flotilla/store';
import type { z } from 'zod';

/**
 * The rooms of the REST API, and their participants. `tenant` is that of the requester, who finds no rooms of others; undefined: it
 * is for the whole fleet, and finds rooms of tenants by their ids.
 */
export class Rooms {
  /** @param maxEmptySeconds after which every empty room is deleted, whatever was requested. Default: as requested. */
  constructor(
    private readonly store: RoomStore,
    private readonly maxEmptySeconds?: number,
  ) {}

  async create({ name, ...settings }: z.output<typeof CreateRoom>, tenant?: string): Promise<Room> {
    const requestedName = name ?? newId('room').slice(3);
    const room = Room.parse({
      id: roomIdOf(requestedName, tenant),
      name: requestedName,
      createdAt: Date.now(),
      ...RoomSettings.parse(settings),
    });
    const { emptyTimeoutSeconds } = room;
    const created = await this.store.create({ ...room, emptyTimeoutSeconds: this.#capped(emptyTimeoutSeconds) });
    return { ...created, emptyTimeoutSeconds };
  }

  /** 0 is without an end. */
  #capped(emptySeconds: number): number {
    const max = this.maxEmptySeconds;
    return max === undefined || (emptySeconds > 0 && emptySeconds <= max) ? emptySeconds : max;
  }

  list(limit: number, cursor?: string, tenant?: string): Promise<{ rooms: RoomSummary[]; next: string | null }> {
    return this.store.list(limit, cursor, tenant);
  }

  async get(ref: string, tenant?: string): Promise<RoomSummary> {
    return (await this.store.get(findRoomId(ref, tenant))) ?? notFound(ref);
  }

  async delete(ref: string, tenant?: string): Promise<void> {
    if (!(await this.store.delete(findRoomId(ref, tenant)))) notFound(ref);
  }

  /** A page of the participants. `cursor` is the `next` of the previous one. Throws ROOM_NOT_FOUND. */
  async participants(ref: string, cursor = '0', tenant?: string): Promise<ParticipantList> {
    const { members, next = null } = (await this.store.nextPage(findRoomId(ref, tenant), cursor)) ?? notFound(ref);
    return { participants: members.map(publicParticipant), next };
  }

  /** A participant with its session and node. Throws ROOM_NOT_FOUND, PARTICIPANT_NOT_FOUND. */
  async member(ref: string, participantId: string, tenant?: string): Promise<Member> {
    const { id } = await this.get(ref, tenant);
    const member = await this.store.member(id, participantId);
    if (!member) throw new FlotillaError('PARTICIPANT_NOT_FOUND');
    return member;
  }

  /** Removes a participant, and bans its user for some time, 0: not. Throws ROOM_NOT_FOUND, PARTICIPANT_NOT_FOUND. */
  async remove(ref: string, participantId: string, banSeconds: number, tenant?: string): Promise<void> {
    const { roomId, userId } = await this.member(ref, participantId, tenant);
    const ban = banSeconds > 0 ? { userId, seconds: banSeconds } : undefined;
    if (!(await this.store.remove(roomId, participantId, ban))) throw new FlotillaError('PARTICIPANT_NOT_FOUND');
  }

  /** The bans in force. `cursor` is the `next` of the previous page. Throws ROOM_NOT_FOUND. */
  async bans(ref: string, limit: number, cursor?: string, tenant?: string): Promise<BanList> {
    const { id } = await this.get(ref, tenant);
    const [, endsAt, userId] = /^(\d+):(.+)$/.exec(cursor ?? '') ?? [];
    const after = userId === undefined ? undefined : { endsAt: Number(endsAt), userId };
    const { bans, next } = await this.store.bans(id, limit, after);
    return { bans, next: next ? `${next.endsAt}:${next.userId}` : null };
  }

  /** Throws ROOM_NOT_FOUND, NOT_FOUND. */
  async liftBan(ref: string, user: string, tenant?: string): Promise<void> {
    const { id } = await this.get(ref, tenant);
    const userId = userIdOf(user, tenant ?? tenantOfRoom(id));
    if (userId === undefined || !(await this.store.liftBan(id, userId)))
      throw new FlotillaError('NOT_FOUND', `${user} is not banned`);
  }
}

const findRoomId = (ref: string, tenant: string | undefined): string =>
  roomIdOf(ref, tenant ?? (ref.startsWith(idPrefixes.room) ? tenantOfRoom(ref) : undefined));

function notFound(ref: string): never {
  throw new FlotillaError('ROOM_NOT_FOUND', `there is no room ${ref}`);
}
