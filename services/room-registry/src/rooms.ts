import {
  type CommandPayload,
  type CommandReply,
  type CreateRoom,
  FlotillaError,
  type LeaveReason,
  type Member,
  newId,
  type Participant,
  participantIdOf,
  publicParticipant,
  publicPublication,
  Room,
  type RoomSnapshot,
  RoomSettings,
  type RoomSummary,
} from '@flotilla/contracts';
import { roomIdOf, type RoomState, type RoomStore } from '@flotilla/store';
import type { z } from 'zod';

/** Rooms and who is in them. */
export class Rooms {
  constructor(private readonly store: RoomStore) {}

  async create({ name, ...settings }: z.output<typeof CreateRoom>): Promise<Room> {
    const wanted = name ?? newId('room').slice(3);
    return this.store.create(
      Room.parse({ id: roomIdOf(wanted), name: wanted, createdAt: Date.now(), ...RoomSettings.parse(settings) }),
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

  /** A member with what only the fleet knows. Throws ROOM_NOT_FOUND, PARTICIPANT_NOT_FOUND. */
  async member(ref: string, participantId: string): Promise<Member> {
    const { id } = await this.get(ref);
    const member = await this.store.member(id, participantId);
    if (!member) throw new FlotillaError('PARTICIPANT_NOT_FOUND');
    return member;
  }

  async remove(ref: string, participantId: string): Promise<void> {
    const { id } = await this.get(ref);
    if (!(await this.store.leave(id, participantId, 'removed'))) throw new FlotillaError('PARTICIPANT_NOT_FOUND');
  }

  async join({
    room,
    sessionId,
    userId,
    name,
    excludeNodes = [],
  }: CommandPayload<'registry.join'>): Promise<CommandReply<'registry.join'>> {
    const request = {
      roomId: roomIdOf(room),
      participantId: participantIdOf(sessionId),
      sessionId,
      userId,
      name,
      joinedAt: Date.now(),
      excludeNodes,
    };
    const { member, ...state } = await this.store.join(request);
    return { member, snapshot: snapshotOf(state) };
  }

  async leave(roomId: string, sessionId: string, reason: LeaveReason): Promise<void> {
    await this.store.leave(roomId, participantIdOf(sessionId), reason);
  }

  async replace(
    roomId: string,
    sessionId: string,
    excludeNodes: readonly string[],
  ): Promise<CommandReply<'registry.replace'>> {
    return { member: await this.store.replace(roomId, participantIdOf(sessionId), excludeNodes) };
  }
}

function snapshotOf({ room, members, publications, mediaMode, offset }: RoomState): RoomSnapshot {
  return {
    room,
    mediaMode,
    participants: members.map(publicParticipant),
    publications: publications.map(publicPublication),
    offset,
  };
}

function notFound(ref: string): never {
  throw new FlotillaError('ROOM_NOT_FOUND', `there is no room ${ref}`);
}
