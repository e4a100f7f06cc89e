import { encodeRoomEvent } from '@flotilla/bus';
import {
  FlotillaError,
  PublicationRecord,
  type LeaveReason,
  type MediaMode,
  Member,
  publicParticipant,
  publicPublication,
  Room,
  type RoomSummary,
} from '@flotilla/contracts';
import { injectTrace } from '@flotilla/runtime';
import { listKey, sameSettings } from '../memory.ts';
import {
  type JoinRequest,
  type PairChange,
  pairKey,
  type PairState,
  type RoomState,
  type RoomStore,
} from '../store.ts';
import type { Keys } from './keys.ts';
import type { ScriptClient } from './script-client.ts';

/** How long a deleted room's stream is kept, so that those who were in it hear of it, in seconds. */
const deletedStreamSeconds = 300;

const parseMembers = (texts: readonly string[]): Member[] => texts.map((text) => Member.parse(JSON.parse(text)));
const parsePublications = (texts: readonly string[]): PublicationRecord[] =>
  texts.map((text) => PublicationRecord.parse(JSON.parse(text)));

/** How long a publication that moved is kept as it was: longer than any migration takes. */
const formerSeconds = 60;

export class RedisRooms implements RoomStore {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {}

  async create(room: Room): Promise<Room> {
    const { keys } = this;
    const known = await this.client.run<string | null>(
      'createRoom',
      keys.room(room.id),
      keys.rooms(),
      keys.emptyRooms(),
      keys.events(room.id),
      JSON.stringify(room),
      listKey(room),
      room.id,
      room.emptyTimeoutSeconds * 1000,
    );
    return known === null ? room : sameSettings(Room.parse(JSON.parse(known)), room);
  }

  async get(roomId: string): Promise<RoomSummary | undefined> {
    return (await this.#summaries([roomId]))[0];
  }

  async #summaries(ids: readonly string[]): Promise<RoomSummary[]> {
    if (ids.length === 0) return [];
    const answers = await this.client.do(async (redis) => {
      const pipeline = redis.pipeline();
      for (const id of ids) pipeline.get(this.keys.room(id)).hlen(this.keys.members(id));
      return (await pipeline.exec())!;
    });
    return ids.flatMap((_id, index) => {
      const text = answers[index * 2]![1] as string | null;
      return text === null
        ? []
        : [{ ...Room.parse(JSON.parse(text)), participants: answers[index * 2 + 1]![1] as number }];
    });
  }

  async list(limit: number, cursor?: string): Promise<{ rooms: RoomSummary[]; next: string | null }> {
    const from = cursor === undefined ? '-' : `(${cursor}`;
    const found = await this.client.do((redis) =>
      redis.zrangebylex(this.keys.rooms(), from, '+', 'LIMIT', 0, limit + 1),
    );
    const page = found.slice(0, limit);
    const rooms = await this.#summaries(page.map((key) => key.slice(key.indexOf(':') + 1)));
    return { rooms, next: found.length > limit ? page.at(-1)! : null };
  }

  async delete(roomId: string): Promise<boolean> {
    const { keys } = this;
    const room = await this.get(roomId);
    if (!room) return false;
    const deleted = await this.client.run<number>(
      'deleteRoom',
      keys.room(roomId),
      keys.members(roomId),
      keys.homes(roomId),
      keys.publications(roomId),
      keys.events(roomId),
      keys.rooms(),
      keys.emptyRooms(),
      keys.reserved(),
      keys.upgraded(roomId),
      keys.pairs(roomId),
      keys.migrations(roomId),
      keys.retained(roomId),
      keys.roomRelay(roomId),
      roomId,
      listKey(room),
      encodeRoomEvent({ type: 'room_deleted', from: 'system', payload: {} }),
      keys.publicationsOf(roomId, ''),
      deletedStreamSeconds,
    );
    return deleted === 1;
  }

  async join(request: JoinRequest): Promise<RoomState & { member: Member }> {
    const { keys } = this;
    const { roomId, participantId, excludeNodes, ...who } = request;
    const member = { id: participantId, roomId, ...who };
    const answer = await this.client.run<[string, string, string[], string[], string, MediaMode] | string>(
      'join',
      keys.room(roomId),
      keys.members(roomId),
      keys.homes(roomId),
      keys.publications(roomId),
      keys.events(roomId),
      keys.emptyRooms(),
      keys.beats(),
      keys.slots(),
      keys.reserved(),
      keys.upgraded(roomId),
      keys.pairs(roomId),
      roomId,
      participantId,
      JSON.stringify(member),
      encodeRoomEvent({
        type: 'participant_joined',
        from: 'system',
        payload: { participant: publicParticipant({ ...member, nodeId: '' }) },
      }),
      JSON.stringify(excludeNodes),
      Math.random(),
      Math.random(),
      encodeRoomEvent({ type: 'media_mode', from: 'system', payload: { mediaMode: 'sfu' } }),
    );
    if (typeof answer === 'string') throw new FlotillaError(answer as 'ROOM_NOT_FOUND' | 'ROOM_FULL' | 'NO_CAPACITY');
    const [room, joined, members, publications, offset, mediaMode] = answer;
    return {
      room: Room.parse(JSON.parse(room)),
      member: Member.parse(JSON.parse(joined)),
      members: parseMembers(members),
      publications: parsePublications(publications),
      mediaMode,
      offset,
    };
  }

  async leave(roomId: string, participantId: string, reason: LeaveReason): Promise<boolean> {
    const { keys } = this;
    const left = await this.client.run<number>(
      'leave',
      keys.room(roomId),
      keys.members(roomId),
      keys.homes(roomId),
      keys.publications(roomId),
      keys.publicationsOf(roomId, participantId),
      keys.events(roomId),
      keys.emptyRooms(),
      keys.reserved(),
      keys.upgraded(roomId),
      keys.pairs(roomId),
      keys.migrations(roomId),
      keys.running(),
      keys.former(roomId, participantId),
      roomId,
      participantId,
      reason,
      traceField(),
    );
    return left === 1;
  }

  async replace(roomId: string, participantId: string, excludeNodes: readonly string[]): Promise<Member> {
    const { keys } = this;
    const answer = await this.client.run<[string] | string>(
      'replace',
      keys.room(roomId),
      keys.members(roomId),
      keys.homes(roomId),
      keys.beats(),
      keys.slots(),
      keys.reserved(),
      keys.events(roomId),
      keys.migrations(roomId),
      keys.running(),
      keys.former(roomId, participantId),
      roomId,
      participantId,
      JSON.stringify(excludeNodes),
      Math.random(),
      Math.random(),
    );
    if (typeof answer === 'string') throw new FlotillaError(answer as 'NOT_IN_ROOM' | 'NO_CAPACITY');
    return Member.parse(JSON.parse(answer[0]));
  }

  async state(roomId: string): Promise<RoomState | undefined> {
    const { keys } = this;
    // One transaction: what is read belongs to the offset read with it.
    const answers = await this.client.do((redis) =>
      redis
        .multi()
        .get(keys.room(roomId))
        .hvals(keys.members(roomId))
        .hvals(keys.publications(roomId))
        .xrevrange(keys.events(roomId), '+', '-', 'COUNT', 1)
        .exists(keys.upgraded(roomId))
        .exec(),
    );
    const [text, members, publications, newest, upgraded] = answers!.map(([, value]) => value) as [
      string | null,
      string[],
      string[],
      [string, string[]][],
      number,
    ];
    if (text === null) return undefined;
    const room = Room.parse(JSON.parse(text));
    return {
      room,
      members: parseMembers(members),
      publications: parsePublications(publications),
      mediaMode: mediaModeOf(room, upgraded),
      offset: newest[0]?.[0] ?? '0-0',
    };
  }

  async member(roomId: string, participantId: string): Promise<Member | undefined> {
    const text = await this.client.do((redis) => redis.hget(this.keys.members(roomId), participantId));
    return text === null ? undefined : Member.parse(JSON.parse(text));
  }

  async putPublication(roomId: string, publication: PublicationRecord): Promise<void> {
    const { keys } = this;
    const { id, participantId, nodeId } = publication;
    const event = (type: 'publication_added' | 'publication_updated'): string =>
      encodeRoomEvent({ type, from: participantId, payload: { publication: publicPublication(publication) } });
    const put = await this.client.run<number>(
      'putPublication',
      keys.members(roomId),
      keys.publications(roomId),
      keys.publicationsOf(roomId, participantId),
      keys.events(roomId),
      keys.migrations(roomId),
      keys.former(roomId, participantId),
      participantId,
      id,
      nodeId,
      JSON.stringify(publication),
      event('publication_added'),
      event('publication_updated'),
      formerSeconds,
    );
    if (put === 0) throw new FlotillaError('NOT_IN_ROOM');
    if (put === -1) throw new FlotillaError('PUBLICATION_NOT_FOUND');
  }

  async removePublication(roomId: string, participantId: string, publicationId: string): Promise<boolean> {
    const { keys } = this;
    const removed = await this.client.run<number>(
      'removePublication',
      keys.publications(roomId),
      keys.publicationsOf(roomId, participantId),
      keys.events(roomId),
      publicationId,
      encodeRoomEvent({ type: 'publication_removed', from: participantId, payload: { publicationId, participantId } }),
    );
    return removed === 1;
  }

  async pair(roomId: string, from: string, to: string): Promise<PairState> {
    const { keys } = this;
    const answers = await this.client.do((redis) =>
      redis
        .multi()
        .get(keys.room(roomId))
        .exists(keys.upgraded(roomId))
        .hget(keys.members(roomId), to)
        .hget(keys.pairs(roomId), pairKey(from, to))
        .exec(),
    );
    const [room, upgraded, peer, pair] = answers!.map(([, value]) => value) as [
      string | null,
      number,
      string | null,
      string | null,
    ];
    if (room === null) throw new FlotillaError('ROOM_NOT_FOUND');
    const [, version = '0', , record] = /^(\d+) (\S+) (.*)$/s.exec(pair ?? '') ?? [];
    return {
      mediaMode: mediaModeOf(Room.parse(JSON.parse(room)), upgraded),
      peer: peer === null ? undefined : Member.parse(JSON.parse(peer)),
      version: Number(version),
      record,
    };
  }

  async putPair(roomId: string, change: PairChange): Promise<boolean> {
    const { keys } = this;
    const { pair, participants, expectedVersion, update, event } = change;
    const put = await this.client.run<number>(
      'putPair',
      keys.room(roomId),
      keys.members(roomId),
      keys.upgraded(roomId),
      keys.pairs(roomId),
      keys.events(roomId),
      pair,
      ...participants,
      expectedVersion,
      update ? `${update.state} ${update.record}` : '',
      event,
    );
    return put === 1;
  }

  async publications(roomId: string, ids: readonly string[]): Promise<PublicationRecord[]> {
    if (ids.length === 0) return [];
    const texts = await this.client.do((redis) => redis.hmget(this.keys.publications(roomId), ...ids));
    return parsePublications(texts.filter((text) => text !== null));
  }

  async deleteExpired(): Promise<string[]> {
    const due = await this.client.run<string[]>('expiredRooms', this.keys.emptyRooms(), 100);
    for (const id of due) {
      // A room that vanished otherwise leaves only its entry here.
      if (!(await this.delete(id))) await this.client.do((redis) => redis.zrem(this.keys.emptyRooms(), id));
    }
    return due;
  }
}

function mediaModeOf(room: Room, upgraded: number): MediaMode {
  return room.peerToPeer && upgraded === 0 ? 'peer' : 'sfu';
}

/** The active trace as a further field of an event that a script writes; nothing where tracing is off. */
function traceField(): string {
  const trace = injectTrace();
  return Object.keys(trace).length > 0 ? `,"trace":${JSON.stringify(trace)}` : '';
}
