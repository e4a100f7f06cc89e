import { roomStream } from '@flotilla/bus/events';
import {
  FlotillaError,
  type LeaveReason,
  type Member,
  type Offset,
  participantIdOf,
  publicPublication,
  type PublicationRecord,
  type RemovalReason,
  type Room,
  type RoomSummary,
  type TopologyVertex,
} from '@flotilla/contracts';
import {
  deletedStreamSeconds,
  isAfter,
  lacksGrant,
  listKey,
  maxTenantScan,
  mediaModeOf,
  notBridged,
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
  maxBans,
  maxPublications,
  type MediaRequest,
  nextPageLimits,
  type OwnPage,
  type PageLimits,
  type PairChange,
  pairKey,
  type PairState,
  type RoomPage,
  type RoomStateWithMigrations,
  type RoomStore,
} from '../store.ts';
import { negotiationVertex } from '../topology.ts';
import type { MemoryRelays } from './relays.ts';
import { pagePart } from './room-pages.ts';
import type { MemoryState, RoomRecord } from './state.ts';

export class MemoryRooms implements RoomStore {
  readonly #rooms: Map<string, RoomRecord>;

  constructor(
    private readonly shared: MemoryState,
    private readonly relays: MemoryRelays,
  ) {
    this.#rooms = shared.rooms;
  }

  async create(room: Room): Promise<Room> {
    const known = this.#rooms.get(room.id)?.room;
    if (known) return sameSettings(known, room);
    this.#rooms.set(room.id, {
      room,
      members: new Map(),
      positions: new Map(),
      lastPosition: 0,
      mediaRequests: new Map(),
      linkedRelays: new Map(),
      reconnecting: new Set(),
      publications: new Map(),
      pairs: new Map(),
      migrations: new Map(),
      committed: new Map(),
      upgraded: false,
      bans: new Map(),
      emptySince: this.shared.now(),
    });
    return room;
  }

  async get(roomId: string): Promise<RoomSummary | undefined> {
    const record = this.#rooms.get(roomId);
    return record && { ...record.room, participants: record.members.size };
  }

  async list(limit: number, cursor?: string, tenant?: string): Promise<{ rooms: RoomSummary[]; next: string | null }> {
    const all = [...this.#rooms.values()]
      .map(({ room }) => listKey(room))
      .filter((key) => cursor === undefined || key > cursor)
      .toSorted();
    const read = tenant === undefined ? limit : maxTenantScan;
    const page = { keys: all.slice(0, read), next: all.length > read ? all[read - 1] : undefined };
    const { keys, next } = tenant === undefined ? page : pageOfTenant(page, limit, tenant);
    const records = keys.map((key) => this.#rooms.get(roomIdOfListKey(key))!);
    return { rooms: records.map(({ room, members }) => ({ ...room, participants: members.size })), next: next ?? null };
  }

  async delete(roomId: string): Promise<boolean> {
    const record = this.#rooms.get(roomId);
    if (!record) return false;
    for (const { id, sessionId, nodeId } of record.members.values()) {
      this.shared.nodes.reserve(nodeId, -1);
      this.shared.abortMigration(record, id);
      this.shared.removeSessionRoom(sessionId, roomId);
    }
    this.#rooms.delete(roomId);
    this.relays.dropRoom(roomId);
    this.shared.append(roomId, { type: 'room_deleted', from: 'system', payload: {} }, deletedStreamSeconds);
    return true;
  }

  async join(request: JoinRequest): Promise<RoomPage & { member: Member }> {
    const member = this.shared.join(request);
    return { ...this.#page(this.#rooms.get(request.roomId)!, '0', firstPageLimits, member.id), member };
  }

  #page(record: RoomRecord, cursor: string, limits: PageLimits, own?: string): RoomPage {
    const { next, ...part } = pagePart(record, cursor, limits, own);
    return { ...this.shared.view({ ...record, ...part }), next };
  }

  async firstPage(roomId: string, participantId: string): Promise<OwnPage | undefined> {
    const record = this.#rooms.get(roomId);
    const migration = record?.migrations.get(participantId)?.migration;
    return record && { ...this.#page(record, '0', firstPageLimits, participantId), migration };
  }

  async nextPage(roomId: string, cursor: string): Promise<RoomPage | undefined> {
    const record = this.#rooms.get(roomId);
    return record && this.#page(record, cursor, nextPageLimits);
  }

  async leave(roomId: string, participantId: string, reason: LeaveReason): Promise<boolean> {
    return this.shared.leave(roomId, participantId, reason);
  }

  async remove(roomId: string, participantId: string, ban: Ban | undefined): Promise<boolean> {
    if (!this.shared.leave(roomId, participantId, 'removed')) return false;
    const bans = this.#rooms.get(roomId)?.bans;
    if (!ban || !bans) return true;
    for (const sessionId of this.shared.sessionsOf(ban.userId))
      this.shared.leave(roomId, participantIdOf(sessionId), 'removed');
    const now = this.shared.now();
    for (const [userId, until] of bans) if (until <= now) bans.delete(userId);
    const first = [...bans].toSorted(([, one], [, other]) => one - other)[0];
    if (bans.size >= maxBans && first) bans.delete(first[0]);
    bans.set(ban.userId, now + ban.seconds * 1000);
    return true;
  }

  async liftBan(roomId: string, userId: string): Promise<boolean> {
    return this.#rooms.get(roomId)?.bans.delete(userId) ?? false;
  }

  async requireBridge(roomId: string, sessionId: string, resumeHash: string): Promise<number> {
    const session = this.shared.sessions.get(sessionId);
    if (session?.resumeHash !== resumeHash) throw new FlotillaError('SESSION_EXPIRED');
    if (this.shared.isRevoked(session.userId, session.issuedAt)) throw new FlotillaError('TOKEN_REVOKED');
    const record = this.#rooms.get(roomId);
    if (!record) throw new FlotillaError('ROOM_NOT_FOUND');
    if (!record.room.acceptBridged) throw notBridged();
    if ((record.bans.get(session.userId) ?? 0) > this.shared.now()) throw new FlotillaError('BANNED');
    return record.members.size;
  }

  async bans(
    roomId: string,
    limit: number,
    after?: ActiveBan,
  ): Promise<{ bans: ActiveBan[]; next: ActiveBan | undefined }> {
    const all = [...(this.#rooms.get(roomId)?.bans ?? [])].map(([userId, endsAt]): ActiveBan => ({ userId, endsAt }));
    const found = all
      .filter((ban) => ban.endsAt > this.shared.now() && isAfter(ban, after))
      .toSorted((one, other) => (isAfter(one, other) ? 1 : -1));
    return pageOfBans(found, limit);
  }

  async reassign(roomId: string, participantId: string, excludeNodes: readonly string[]): Promise<Member> {
    const { record, member } = this.#member(roomId, participantId);
    const nodeId = this.shared.chooseNode(record, { exclude: excludeNodes });
    this.shared.nodes.reserve(nodeId, 1);
    this.shared.abortMigration(record, participantId);
    const moved = this.shared.assign(record, member, nodeId);
    this.shared.append(roomId, { type: 'participant_moved', from: 'system', payload: { participantId, nodeId } });
    return moved;
  }

  #member(roomId: string, participantId: string): { record: RoomRecord; member: Member } {
    const record = this.#rooms.get(roomId);
    const member = record?.members.get(participantId);
    if (!record || !member) throw new FlotillaError('NOT_IN_ROOM');
    return { record, member };
  }

  async describeMedia(roomId: string, participantId: string, media: MediaRequest): Promise<void> {
    this.#member(roomId, participantId).record.mediaRequests.set(participantId, media);
  }

  async linkRelay(roomId: string, participantId: string, relayId: string): Promise<void> {
    this.#member(roomId, participantId).record.linkedRelays.set(participantId, relayId);
  }

  async linkedRelay(roomId: string, participantId: string): Promise<string | undefined> {
    return this.#rooms.get(roomId)?.linkedRelays.get(participantId);
  }

  async state(roomId: string): Promise<RoomStateWithMigrations | undefined> {
    const record = this.#rooms.get(roomId);
    if (!record) return undefined;
    const migrations = [...record.migrations.values()].map(({ migration }) => migration);
    return { ...this.shared.view(record), migrations };
  }

  async member(roomId: string, participantId: string): Promise<Member | undefined> {
    return this.#rooms.get(roomId)?.members.get(participantId);
  }

  async memberAt(roomId: string, participantId: string): Promise<{ member: Member; offset: Offset } | undefined> {
    const member = await this.member(roomId, participantId);
    return member && { member, offset: this.shared.log.lastOffsetNow(roomStream(roomId)) };
  }

  async absent(roomId: string, participantIds: readonly string[]): Promise<string[]> {
    const members = this.#rooms.get(roomId)?.members;
    return participantIds.filter((id) => !members?.has(id));
  }

  async reconnecting(roomId: string): Promise<string[]> {
    return [...(this.#rooms.get(roomId)?.reconnecting ?? [])];
  }

  async putPublication(roomId: string, publication: PublicationRecord): Promise<void> {
    const { id, participantId, nodeId } = publication;
    const { record, member } = this.#member(roomId, participantId);
    const known = record.publications.get(id);
    if (!member.grants.includes('publish')) throw lacksGrant('publish');
    if (known && known.participantId !== participantId) throw new FlotillaError('PUBLICATION_NOT_FOUND');
    const own = [...record.publications.values()].filter((each) => each.participantId === participantId);
    if (!known && own.length >= maxPublications)
      throw new FlotillaError('RATE_LIMITED', `at most ${maxPublications} publications are allowed`);
    const active = record.migrations.get(participantId);
    const isElsewhere = known !== undefined && known.nodeId !== nodeId;
    if (member.nodeId !== nodeId) {
      if (active?.migration.toNode !== nodeId) throw new FlotillaError('NOT_IN_ROOM');
      if (isElsewhere && !active.previous.has(id)) active.previous.set(id, known);
    } else if (isElsewhere && known.nodeId === active?.migration.toNode) {
      throw new FlotillaError('MIGRATION_RUNNING');
    }
    record.publications.set(id, publication);
    this.shared.append(roomId, {
      type: known ? 'publication_updated' : 'publication_added',
      from: participantId,
      payload: { publication: publicPublication(publication) },
    });
  }

  async removePublication(
    roomId: string,
    participantId: string,
    publicationId: string,
    reason?: RemovalReason,
  ): Promise<boolean> {
    const record = this.#rooms.get(roomId);
    if (record?.publications.get(publicationId)?.participantId !== participantId) return false;
    this.shared.unpublish(record, participantId, publicationId, reason);
    return true;
  }

  async pair(roomId: string, from: string, to: string): Promise<PairState> {
    const room = this.#rooms.get(roomId);
    if (!room) throw new FlotillaError('ROOM_NOT_FOUND');
    const { version, record } = room.pairs.get(pairKey(from, to)) ?? { version: 0, record: undefined };
    return { mediaMode: mediaModeOf(room.room, room.upgraded), peer: room.members.get(to), version, record };
  }

  async putPair(roomId: string, { pair, participants, expectedVersion, update, event }: PairChange): Promise<boolean> {
    const room = this.#rooms.get(roomId);
    if (!room || mediaModeOf(room.room, room.upgraded) !== 'peer' || !participants.every((id) => room.members.has(id)))
      return false;
    if ((room.pairs.get(pair)?.version ?? 0) !== expectedVersion) return false;
    if (update) room.pairs.set(pair, { version: expectedVersion + 1, ...update });
    this.shared.log.appendNow(roomStream(roomId), event);
    return true;
  }

  async publications(roomId: string, ids: readonly string[]): Promise<PublicationRecord[]> {
    const record = this.#rooms.get(roomId);
    return ids.map((id) => record?.publications.get(id)).filter((each) => each !== undefined);
  }

  negotiations(): TopologyVertex[] {
    return [...this.#rooms].flatMap(([roomId, { pairs }]) =>
      [...pairs].map(([pair, { state }]) => negotiationVertex(roomId, pair, state)),
    );
  }

  vertices(): TopologyVertex[] {
    return [...this.#rooms.values()].map((record) => {
      const { room, members } = record;
      const assignments: Record<string, number> = {};
      for (const { nodeId } of members.values()) assignments[nodeId] = (assignments[nodeId] ?? 0) + 1;
      return {
        kind: 'room',
        id: room.id,
        name: room.name,
        mediaMode: mediaModeOf(room, record.upgraded),
        participants: members.size,
        assignments,
      };
    });
  }

  async deleteExpired(): Promise<{ deleted: string[]; failed: FailedRecord[] }> {
    const now = this.shared.now();
    const due = [...this.#rooms.values()].filter(
      ({ room, emptySince }) =>
        emptySince !== undefined && room.emptyTimeoutSeconds > 0 && emptySince + room.emptyTimeoutSeconds * 1000 <= now,
    );
    for (const { room } of due) await this.delete(room.id);
    return { deleted: due.map(({ room }) => room.id), failed: [] };
  }

  async repair(): Promise<{ removed: number; failed: FailedRecord[]; next: string | undefined }> {
    let removed = 0;
    for (const [roomId, { members }] of this.#rooms) {
      for (const { id, sessionId } of members.values()) {
        if (!this.shared.sessions.has(sessionId) && this.shared.leave(roomId, id, 'disconnected')) removed++;
      }
    }
    return { removed, failed: [], next: undefined };
  }
}
