import {
  type CreateRoom,
  FlotillaError,
  type Member,
  newId,
  type Participant,
  publicParticipant,
  Room,
  RoomSettings,
  type RoomSummary,
} from '@flotilla/contracts';
import { roomIdOf, type RoomStore } from '@flotilla/store';
import type { z } from 'zod';

/** The rooms of the REST API, and their participants. */
export class Rooms {
  constructor(private readonly store: RoomStore) {}

  async create({ name, ...settings }: z.output<typeof CreateRoom>): Promise<Room> {
    const requestedName = name ?? newId('room').slice(3);
    return this.store.create(
      Room.parse({
        id: roomIdOf(requestedName),
        name: requestedName,
        createdAt: Date.now(),
        ...RoomSettings.parse(settings),
      }),
    );
  }

  list(limit: number, cursor?: string): Promise<{ rooms: RoomSummary[]; next: string | null }> {
    return this.store.list(limit, cursor);
  }

  async get(ref: string): Promise<RoomSummary> {
    return (await this.store.get(roomIdOf(ref))) ?? notFound(ref);
  }

  async delete(ref: string): Promise<void> {
    if (!(await this.store.delete(roomIdOf(ref)))) notFound(ref);
  }

  async participants(ref: string): Promise<Participant[]> {
    const state = (await this.store.state(roomIdOf(ref))) ?? notFound(ref);
    return state.members.map(publicParticipant);
  }

  /** A participant with its session and node. Throws ROOM_NOT_FOUND, PARTICIPANT_NOT_FOUND. */
  async member(ref: string, participantId: string): Promise<Member> {
    const { id } = await this.get(ref);
    const member = await this.store.member(id, participantId);
    if (!member) throw new FlotillaError('PARTICIPANT_NOT_FOUND');
    return member;
  }

  /** Removes a participant, and bans its user for some time, 0: not. Throws ROOM_NOT_FOUND, PARTICIPANT_NOT_FOUND. */
  async remove(ref: string, participantId: string, banSeconds: number): Promise<void> {
    const { roomId, userId } = await this.member(ref, participantId);
    const ban = banSeconds > 0 ? { userId, seconds: banSeconds } : undefined;
    if (!(await this.store.remove(roomId, participantId, ban))) throw new FlotillaError('PARTICIPANT_NOT_FOUND');
  }

  /** Throws ROOM_NOT_FOUND, NOT_FOUND. */
  async liftBan(ref: string, userId: string): Promise<void> {
    const { id } = await this.get(ref);
    if (!(await this.store.liftBan(id, userId))) throw new FlotillaError('NOT_FOUND', `${userId} is not banned`);
  }
}

function notFound(ref: string): never {
  throw new FlotillaError('ROOM_NOT_FOUND', `there is no room ${ref}`);
}
