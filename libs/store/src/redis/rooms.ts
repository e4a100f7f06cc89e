import { encodeRoomEvent } from '@flotilla/bus/events';
import {
  FlotillaError,
  type LeaveReason,
  type Member,
  Migration,
  publicParticipant,
  publicPublication,
  type PublicationRecord,
  type Offset,
  type RemovalReason,
  Room,
  roomGrants,
  type RoomSummary,
  startOfStream,
} from '@flotilla/contracts';
import {
  isAfter,
  lacksGrant,
  listKey,
  type ListPage,
  maxTenantScan,
  mediaModeOf,
  notBridged,
  notCovered,
  pageOfBans,
  pageOfTenant,
  roomIdOfListKey,
  sameSettings,
} from '../room-record.ts';
import {
  type ActiveBan,
  type Ban,
  type FailedRecord,
  firstPageLimits,
  type JoinRequest,
  maxPublications,
  type MediaRequest,
  nextPageLimits,
  type OwnPage,
  type PageLimits,
  type PairChange,
  type PairState,
  type RoomPage,
  type RoomStateWithMigrations,
  type RoomStore,
} from '../store.ts';
import { forEachRecord } from '../each-record.ts';
import { grantsText, parseGrants } from './grants-text.ts';
import type { Keys } from './keys.ts';
import { RedisPairs } from './pairs.ts';
import { readable } from './readable.ts';
import { RoomDeletion } from './room-deletion.ts';
import { parseMember, parseMembers, parsePublications } from './room-records.ts';
import { answersOf, requireAnswers, type ScriptClient } from './script-client.ts';
import { traceField } from './trace-field.ts';

/** Time for which the previous record of a republished publication is kept, s. Longer than any migration. */
const previousSeconds = 60;
const roomsPerRepair = 20;
/** What decides on the rights of a member. */
type HeldGrants = Pick<JoinRequest, 'grants' | 'maxPublishBitrate'>;

const limitsOf = ({ members, bytes }: PageLimits): { maxMembers: number; maxBytes: number } => ({
  maxMembers: members,
  maxBytes: bytes,
});

/** Attempts of a join while the grants of its session change. */
const maxJoinAttempts = 3;

export class RedisRooms implements RoomStore {
  readonly #pairs: RedisPairs;
  readonly #deletion: RoomDeletion;

  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
  ) {
    this.#pairs = new RedisPairs(client, keys);
    this.#deletion = new RoomDeletion(client, keys);
  }

  async create(room: Room): Promise<Room> {
    const values = {
      roomId: room.id,
      room: JSON.stringify(room),
      listKey: listKey(room),
      emptyTimeoutMs: room.emptyTimeoutSeconds * 1000,
    };
    for (;;) {
      const [outcome, known] = await this.client.run('createRoom', values);
      if (outcome === 'created') return room;
      if (outcome === 'known') return sameSettings(Room.parse(JSON.parse(known)), room);
      await this.delete(room.id);
    }
  }

  async get(roomId: string): Promise<RoomSummary | undefined> {
    return (await this.#summaries([roomId]))[0];
  }

  async #summaries(ids: readonly string[]): Promise<RoomSummary[]> {
    if (ids.length === 0) return [];
    const answers = await this.client.do(async (redis) => {
      const pipeline = redis.pipeline();
      for (const id of ids) pipeline.get(this.keys.room(id)).hlen(this.keys.members(id));
      return answersOf(await pipeline.exec());
    });
    return ids.flatMap((_id, index) => {
      const [text, members] = answers.slice(index * 2, index * 2 + 2);
      const room = typeof text === 'string' ? readable(Room, text) : undefined;
      return room ? [{ ...room, participants: typeof members === 'number' ? members : 0 }] : [];
    });
  }

  async list(limit: number, cursor?: string, tenant?: string): Promise<{ rooms: RoomSummary[]; next: string | null }> {
    const page = await this.#pageOfRooms(tenant === undefined ? limit : maxTenantScan, cursor);
    const { keys, next } = tenant === undefined ? page : pageOfTenant(page, limit, tenant);
    return { rooms: await this.#summaries(keys.map(roomIdOfListKey)), next: next ?? null };
  }

  async #pageOfRooms(limit: number, cursor?: string): Promise<ListPage> {
    const from = cursor === undefined ? '-' : `(${cursor}`;
    const found = await this.client.do((redis) =>
      redis.zrangebylex(this.keys.rooms(), from, '+', 'LIMIT', 0, limit + 1),
    );
    const keys = found.slice(0, limit);
    return { keys, next: found.length > limit ? keys.at(-1) : undefined };
  }

  delete(roomId: string): Promise<boolean> {
    return this.#deletion.delete(roomId);
  }

  async join(request: JoinRequest): Promise<RoomPage & { member: Member }> {
    let held: HeldGrants = request;
    let isOrdered = false;
    for (let attempt = 0; attempt < maxJoinAttempts; attempt++) {
      const joined = await this.#tryJoin(request, held, isOrdered);
      if (joined === 'UNORDERED') {
        await this.#orderMembers(request.roomId);
        isOrdered = true;
      } else if ('member' in joined) return joined;
      else held = joined;
    }
    throw new FlotillaError('UNAVAILABLE', 'the grants of the session keep changing, try again');
  }

  /** Restores the order of members that versions before it added or removed, see orderMembers.lua. */
  async #orderMembers(roomId: string): Promise<void> {
    let [cursor, position] = ['0', '0'];
    while (cursor !== '-' || position !== '-')
      [cursor, position] = await this.client.run('orderMembers', { roomId, cursor, position });
  }

  /** Returns the grants that the session has, when those given are not current. `isOrdered`: `orderMembers` was run. */
  async #tryJoin(
    request: JoinRequest,
    held: HeldGrants,
    isOrdered: boolean,
  ): Promise<(RoomPage & { member: Member }) | HeldGrants | 'UNORDERED'> {
    const {
      roomId,
      participantId,
      resumeHash = '',
      excludeNodes,
      maxRooms,
      media,
      grants: _believed,
      maxPublishBitrate: _believedToo,
      ...who
    } = request;
    const member = { id: participantId, roomId, ...who };
    const answer = await this.client.run('join', {
      roomId,
      participantId,
      sessionId: request.sessionId,
      resumeHash,
      userId: request.userId,
      grants: grantsText(held) || '-',
      member: JSON.stringify(member),
      mediaRequest: media ? JSON.stringify(media) : '',
      joinedEvent: encodeRoomEvent({
        type: 'participant_joined',
        from: 'system',
        payload: { participant: publicParticipant({ ...member, nodeId: '', grants: [...held.grants] }) },
      }),
      excludeNodes: JSON.stringify(excludeNodes),
      random1: Math.random(),
      random2: Math.random(),
      draw: Math.random(),
      maxRooms,
      ...limitsOf(firstPageLimits),
      anyOrder: isOrdered ? 'yes' : '',
    });
    if (answer === 'FORBIDDEN') throw notCovered();
    if (answer === 'UNORDERED') return answer;
    if (typeof answer === 'string') throw new FlotillaError(answer);
    if (answer.length === 1) return parseGrants(answer[0], roomGrants);
    const [room, joined, members, publications, reconnecting, next, offset, mediaMode] = answer;
    return {
      room: Room.parse(JSON.parse(room)),
      member: parseMember(joined),
      members: parseMembers(members, reconnecting),
      publications: parsePublications(publications),
      next: next === '' ? undefined : next,
      mediaMode,
      offset,
    };
  }

  async leave(roomId: string, participantId: string, reason: LeaveReason): Promise<boolean> {
    const values = { roomId, participantId, reason, trace: traceField(), banUser: '', banSeconds: 0 };
    return (await this.client.run('leave', values)) === 1;
  }

  async remove(roomId: string, participantId: string, ban: Ban | undefined): Promise<boolean> {
    const banned = { banUser: ban?.userId ?? '', banSeconds: ban?.seconds ?? 0 };
    const values = { roomId, participantId, reason: 'removed', trace: traceField(), ...banned };
    return (await this.client.run('leave', values)) === 1;
  }

  async requireBridge(roomId: string, sessionId: string, resumeHash: string): Promise<number> {
    const answer = await this.client.run('requireBridge', { roomId, sessionId, resumeHash });
    if (answer === 'FORBIDDEN') throw notBridged();
    if (typeof answer === 'string') throw new FlotillaError(answer);
    return answer;
  }

  async liftBan(roomId: string, userId: string): Promise<boolean> {
    return (await this.client.do((redis) => redis.zrem(this.keys.bans(roomId), userId))) === 1;
  }

  async bans(
    roomId: string,
    limit: number,
    after?: ActiveBan,
  ): Promise<{ bans: ActiveBan[]; next: ActiveBan | undefined }> {
    const found: ActiveBan[] = [];
    // Bans that end at the same time are in the order of their users. Those that the previous page had are read again and dropped.
    for (let skip = 0, isLast = false; found.length <= limit && !isLast; skip += limit + 1) {
      const flat = await this.client.run('listBans', { roomId, from: after?.endsAt ?? 0, skip, limit: limit + 1 });
      const read = Array.from({ length: flat.length / 2 }, (_, index) => {
        return { userId: flat[index * 2]!, endsAt: Number(flat[index * 2 + 1]) };
      });
      found.push(...read.filter((ban) => isAfter(ban, after)));
      isLast = read.length <= limit;
    }
    return pageOfBans(found, limit);
  }

  async reassign(roomId: string, participantId: string, excludeNodes: readonly string[]): Promise<Member> {
    const answer = await this.client.run('reassign', {
      roomId,
      participantId,
      excludeNodes: JSON.stringify(excludeNodes),
      fromNode: '',
      toNode: '',
      random1: Math.random(),
      random2: Math.random(),
      draw: Math.random(),
      migration: '',
      migrationId: '',
      startedAt: 0,
      lostAfterMs: 0,
      term: '',
      trace: traceField(),
    });
    if (answer === 'NODE_ALIVE' || answer === 'NOT_ON_NODE') throw new FlotillaError('INTERNAL');
    if (typeof answer === 'string') throw new FlotillaError(answer);
    return parseMember(answer[0]);
  }

  async describeMedia(roomId: string, participantId: string, media: MediaRequest): Promise<void> {
    const values = { roomId, participantId, mediaRequest: JSON.stringify(media) };
    if ((await this.client.run('describeMedia', values)) === 0) throw new FlotillaError('NOT_IN_ROOM');
  }

  async linkRelay(roomId: string, participantId: string, relayId: string): Promise<void> {
    const values = { roomId, participantId, relayId };
    if ((await this.client.run('linkRelay', values)) === 0) throw new FlotillaError('NOT_IN_ROOM');
  }

  async linkedRelay(roomId: string, participantId: string): Promise<string | undefined> {
    const key = this.keys.linkedRelays(roomId);
    return (await this.client.do((redis) => redis.hget(key, participantId))) ?? undefined;
  }

  firstPage(roomId: string, participantId: string): Promise<OwnPage | undefined> {
    return this.#page(roomId, { participantId, cursor: '0', ...limitsOf(firstPageLimits) });
  }

  nextPage(roomId: string, cursor: string): Promise<RoomPage | undefined> {
    return this.#page(roomId, { participantId: '', cursor, ...limitsOf(nextPageLimits) });
  }

  async #page(
    roomId: string,
    values: { participantId: string; cursor: string; maxMembers: number; maxBytes: number },
  ): Promise<OwnPage | undefined> {
    let answer = await this.client.run('roomPage', { roomId, ...values, anyOrder: '' });
    if (answer === 'UNORDERED') {
      await this.#orderMembers(roomId);
      answer = await this.client.run('roomPage', { roomId, ...values, anyOrder: 'yes' });
    }
    if (answer === null || answer === 'UNORDERED') return undefined;
    const [text, members, publications, reconnecting, next, offset, mediaMode, migration] = answer;
    const room = readable(Room, text);
    return (
      room && {
        room,
        members: parseMembers(members, reconnecting),
        publications: parsePublications(publications),
        mediaMode,
        offset,
        next: next === '' ? undefined : next,
        migration: migration === '' ? undefined : readable(Migration, migration),
      }
    );
  }

  async state(roomId: string): Promise<RoomStateWithMigrations | undefined> {
    const { keys } = this;
    // One transaction: what is read belongs to the offset read with it.
    const answers = await this.client.do(async (redis) =>
      requireAnswers(
        await redis
          .multi()
          .get(keys.room(roomId))
          .hvals(keys.members(roomId))
          .hvals(keys.publications(roomId))
          .smembers(keys.reconnecting(roomId))
          .xrevrange(keys.events(roomId), '+', '-', 'COUNT', 1)
          .exists(keys.upgraded(roomId))
          .hvals(keys.migrations(roomId))
          .exec(),
      ),
    );
    const [text, members, publications, reconnecting, newest, upgraded, migrations] = answers as [
      string | null,
      string[],
      string[],
      string[],
      [string, string[]][],
      number,
      string[],
    ];
    const room = text === null ? undefined : readable(Room, text);
    if (!room) return undefined;
    return {
      room,
      members: parseMembers(members, reconnecting),
      publications: parsePublications(publications),
      mediaMode: mediaModeOf(room, upgraded === 1),
      migrations: migrations.map((each) => readable(Migration, each)).filter((each) => each !== undefined),
      offset: newest[0]?.[0] ?? startOfStream,
    };
  }

  async member(roomId: string, participantId: string): Promise<Member | undefined> {
    const text = await this.client.do((redis) => redis.hget(this.keys.members(roomId), participantId));
    return text === null ? undefined : parseMembers([text], [])[0];
  }

  async memberAt(roomId: string, participantId: string): Promise<{ member: Member; offset: Offset } | undefined> {
    const { keys } = this;
    const answers = await this.client.do(async (redis) =>
      requireAnswers(
        await redis
          .multi()
          .hget(keys.members(roomId), participantId)
          .xrevrange(keys.events(roomId), '+', '-', 'COUNT', 1)
          .exec(),
      ),
    );
    const [text, newest] = answers as [string | null, [string, string[]][]];
    const [member] = parseMembers(text === null ? [] : [text], []);
    return member && { member, offset: newest[0]?.[0] ?? startOfStream };
  }

  async absent(roomId: string, participantIds: readonly string[]): Promise<string[]> {
    if (participantIds.length === 0) return [];
    const records = await this.client.do((redis) => redis.hmget(this.keys.members(roomId), ...participantIds));
    return participantIds.filter((_id, index) => records[index] === null);
  }

  async reconnecting(roomId: string): Promise<string[]> {
    return this.client.do((redis) => redis.smembers(this.keys.reconnecting(roomId)));
  }

  async putPublication(roomId: string, publication: PublicationRecord): Promise<void> {
    const { id, participantId, nodeId } = publication;
    const shown = publicPublication(publication);
    const event = (type: 'publication_added' | 'publication_updated'): string =>
      encodeRoomEvent({ type, from: participantId, payload: { publication: shown } });
    const outcome = await this.client.run('putPublication', {
      roomId,
      participantId,
      publicationId: id,
      nodeId,
      publication: JSON.stringify(shown),
      addedEvent: event('publication_added'),
      updatedEvent: event('publication_updated'),
      maxPublications,
      previousSeconds,
    });
    if (outcome === 'RATE_LIMITED')
      throw new FlotillaError('RATE_LIMITED', `at most ${maxPublications} publications are allowed`);
    if (outcome === 'FORBIDDEN') throw lacksGrant('publish');
    if (outcome !== 'put') throw new FlotillaError(outcome);
  }

  async removePublication(
    roomId: string,
    participantId: string,
    publicationId: string,
    reason: RemovalReason | '' = '',
  ): Promise<boolean> {
    return (await this.client.run('removePublication', { roomId, participantId, publicationId, reason })) === 1;
  }

  pair(roomId: string, from: string, to: string): Promise<PairState> {
    return this.#pairs.read(roomId, from, to);
  }

  putPair(roomId: string, change: PairChange): Promise<boolean> {
    return this.#pairs.put(roomId, change);
  }

  async publications(roomId: string, ids: readonly string[]): Promise<PublicationRecord[]> {
    if (ids.length === 0) return [];
    const texts = await this.client.do((redis) => redis.hmget(this.keys.publications(roomId), ...ids));
    return parsePublications(texts.filter((text) => text !== null));
  }

  deleteExpired(): Promise<{ deleted: string[]; failed: FailedRecord[] }> {
    return this.#deletion.deleteExpired();
  }

  async repair(cursor?: string): Promise<{ removed: number; failed: FailedRecord[]; next: string | undefined }> {
    const { keys, next } = await this.#pageOfRooms(roomsPerRepair, cursor);
    let removed = 0;
    const damaged: FailedRecord[] = [];
    const failed = await forEachRecord(keys, async (listKey) => {
      const roomId = roomIdOfListKey(listKey);
      let at = '0';
      do {
        const [following, count, members] = await this.client.run('repairRoom', { roomId, listKey, cursor: at });
        at = following;
        removed += count;
        for (const member of members) {
          const error = new FlotillaError('INTERNAL', 'a key of the member or of its session has the wrong type');
          damaged.push({ record: `${roomId}/${member}`, error });
        }
      } while (at !== '0');
      await this.#orderMembers(roomId);
    });
    return { removed, failed: [...failed, ...damaged], next };
  }
}
