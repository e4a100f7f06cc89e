import {
  encodeRoomEvent,
  gatewayStream,
  type LogEntry,
  MemoryEventLog,
  nextOffset,
  nodeStream,
  roomStream,
} from '@flotilla/bus';
import {
  FlotillaError,
  type PublicationRecord,
  type LeaveReason,
  type MediaMode,
  type MediaSessionParameters,
  type Member,
  type Migration,
  type NegotiationState,
  type NodeReport,
  type NodeView,
  type Offset,
  type PeerQuality,
  type PeerScore,
  publicParticipant,
  publicPublication,
  type Room,
  type RoomEvent,
  type RoomSummary,
  startOfStream,
  type Topology,
  type TopologyVertex,
} from '@flotilla/contracts';
import { chooseNode } from './placement.ts';
import { missedMessages } from './inbox.ts';
import { MemoryHistory } from './memory-history.ts';
import { MemoryLeases } from './memory-leases.ts';
import { MemoryRelays } from './memory-relays.ts';
import { statsOf } from './node-stats.ts';
import {
  type JoinRequest,
  keptMessagesPerUser,
  type MigrationRequest,
  type MigrationStore,
  type NodeStore,
  nodeTimeoutMs,
  type PairChange,
  pairKey,
  type PairState,
  type RoomState,
  type RoomStore,
  type SessionClaims,
  type SessionRecord,
  type SessionStore,
  type Store,
} from './store.ts';
import { gatewayLateMs, mediaOf, migrationVertex, negotiationVertex, nodeVertex, topologyOf } from './topology.ts';

interface RoomRecord {
  readonly room: Room;
  readonly members: Map<string, Member>;
  readonly publications: Map<string, PublicationRecord>;
  /** By `pairKey`. */
  readonly pairs: Map<string, { version: number; state: NegotiationState; record: string }>;
  /** By the participant that is being moved. */
  readonly migrations: Map<string, { migration: Migration; former: Map<string, PublicationRecord> }>;
  /** More than two have been in it since it was last empty. */
  upgraded: boolean;
  emptySince: number | undefined;
}

/** The fleet's state within one process. It ends with it. */
export class MemoryStore implements Store {
  readonly rooms: MemoryRooms;
  readonly nodes: MemoryNodes;
  readonly sessions: MemorySessions;
  readonly migrations: MigrationStore;
  readonly history: MemoryHistory;
  readonly leases: MemoryLeases;
  readonly relays: MemoryRelays;

  constructor(
    log: MemoryEventLog,
    private readonly now: () => number = Date.now,
  ) {
    this.nodes = new MemoryNodes(log, now);
    this.relays = new MemoryRelays(now);
    this.rooms = new MemoryRooms(log, this.nodes, this.relays, now);
    this.sessions = new MemorySessions(log, now);
    this.migrations = this.rooms;
    this.history = new MemoryHistory(now);
    this.leases = new MemoryLeases(now);
  }

  async topology(): Promise<Topology> {
    const migrations = await this.history.recent();
    const [gateways, sessions] = this.sessions.vertices(mediaOf(this.nodes.peerScores(), migrations));
    return topologyOf(this.now(), [
      gateways,
      this.nodes.view().map(nodeVertex),
      this.rooms.vertices(),
      sessions,
      this.rooms.negotiations(),
      migrations.map(migrationVertex),
    ]);
  }

  async pulse(): Promise<TopologyVertex[]> {
    const migrations = await this.history.recent();
    return [...this.nodes.view().map(nodeVertex), ...migrations.map(migrationVertex)];
  }

  problem(): string | undefined {
    return undefined;
  }

  async close(): Promise<void> {}
}

class MemoryNodes implements NodeStore {
  readonly #nodes = new Map<string, { report: NodeReport; peerScores: readonly PeerScore[]; lastSeenAt: number }>();
  readonly #reserved = new Map<string, number>();

  constructor(
    private readonly log: MemoryEventLog,
    private readonly now: () => number,
  ) {}

  async report(
    report: NodeReport,
    peers: readonly PeerQuality[] = [],
    peerScores: readonly PeerScore[] = [],
  ): Promise<void> {
    this.#nodes.set(report.id, { report, peerScores, lastSeenAt: this.now() });
    this.log.appendNow(nodeStream, JSON.stringify(statsOf(report, peers)));
  }

  async list(): Promise<NodeView[]> {
    return this.view();
  }

  view(): NodeView[] {
    const oldest = this.now() - nodeTimeoutMs;
    return [...this.#nodes.values()].map(({ report, lastSeenAt }) => ({
      ...report,
      reserved: this.#reserved.get(report.id) ?? 0,
      lastSeenAt,
      alive: lastSeenAt >= oldest,
    }));
  }

  /** What the nodes that are alive say of their peers. */
  peerScores(): [string, readonly PeerScore[]][] {
    const oldest = this.now() - nodeTimeoutMs;
    return [...this.#nodes].flatMap(([id, { peerScores, lastSeenAt }]) =>
      lastSeenAt >= oldest ? [[id, peerScores]] : [],
    );
  }

  reserve(nodeId: string, places: 1 | -1): void {
    this.#reserved.set(nodeId, Math.max(0, (this.#reserved.get(nodeId) ?? 0) + places));
  }

  async remove(nodeId: string): Promise<void> {
    this.#nodes.delete(nodeId);
    if (this.#reserved.get(nodeId) === 0) this.#reserved.delete(nodeId);
  }
}

class MemoryRooms implements RoomStore, MigrationStore {
  readonly #rooms = new Map<string, RoomRecord>();

  constructor(
    private readonly log: MemoryEventLog,
    private readonly nodes: MemoryNodes,
    private readonly relays: MemoryRelays,
    private readonly now: () => number,
  ) {}

  #tell(roomId: string, event: RoomEvent): void {
    this.log.appendNow(roomStream(roomId), encodeRoomEvent(event));
  }

  async create(room: Room): Promise<Room> {
    const known = this.#rooms.get(room.id)?.room;
    if (known) return sameSettings(known, room);
    this.#rooms.set(room.id, {
      room,
      members: new Map(),
      publications: new Map(),
      pairs: new Map(),
      migrations: new Map(),
      upgraded: false,
      emptySince: this.now(),
    });
    return room;
  }

  async get(roomId: string): Promise<RoomSummary | undefined> {
    const record = this.#rooms.get(roomId);
    return record && { ...record.room, participants: record.members.size };
  }

  async list(limit: number, cursor?: string): Promise<{ rooms: RoomSummary[]; next: string | null }> {
    const all = [...this.#rooms.values()]
      .map(({ room, members }) => ({ key: listKey(room), summary: { ...room, participants: members.size } }))
      .filter(({ key }) => cursor === undefined || key > cursor)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const page = all.slice(0, limit);
    return { rooms: page.map(({ summary }) => summary), next: all.length > limit ? page.at(-1)!.key : null };
  }

  async delete(roomId: string): Promise<boolean> {
    const record = this.#rooms.get(roomId);
    if (!record) return false;
    for (const { nodeId } of record.members.values()) this.nodes.reserve(nodeId, -1);
    for (const { migration } of record.migrations.values()) this.nodes.reserve(migration.toNode, -1);
    this.#rooms.delete(roomId);
    this.relays.dropRoom(roomId);
    this.#tell(roomId, { type: 'room_deleted', from: 'system', payload: {} });
    return true;
  }

  async join(request: JoinRequest): Promise<RoomState & { member: Member }> {
    const { roomId, participantId, excludeNodes, ...who } = request;
    const record = this.#rooms.get(roomId);
    if (!record) throw new FlotillaError('ROOM_NOT_FOUND');
    const present = record.members.get(participantId);
    if (present) return { ...this.#state(roomId, record), member: present };
    if (record.members.size >= record.room.maxParticipants) throw new FlotillaError('ROOM_FULL');
    const member: Member = { id: participantId, roomId, ...who, nodeId: this.#place(record, excludeNodes) };
    this.nodes.reserve(member.nodeId, 1);
    record.members.set(participantId, member);
    record.emptySince = undefined;
    this.#tell(roomId, {
      type: 'participant_joined',
      from: 'system',
      payload: { participant: publicParticipant(member) },
    });
    if (mediaModeOf(record) === 'peer' && record.members.size > 2) {
      record.upgraded = true;
      record.pairs.clear();
      this.#tell(roomId, { type: 'media_mode', from: 'system', payload: { mediaMode: 'sfu' } });
    }
    return { ...this.#state(roomId, record), member };
  }

  #place(record: RoomRecord, excludeNodes: readonly string[]): string {
    const hosting = new Set([...record.members.values()].map(({ nodeId }) => nodeId));
    const candidates = this.nodes
      .view()
      .filter(({ id, alive, state }) => alive && state === 'active' && !excludeNodes.includes(id))
      .map(({ id, capacity, reserved, load }) => ({
        id,
        capacity,
        reserved,
        cpu: load.cpu,
        hosting: !record.room.spread && hosting.has(id),
      }));
    const place = chooseNode(candidates, [Math.random(), Math.random()]);
    if (!place) throw new FlotillaError('NO_CAPACITY');
    return place;
  }

  async leave(roomId: string, participantId: string, reason: LeaveReason): Promise<boolean> {
    const record = this.#rooms.get(roomId);
    const member = record?.members.get(participantId);
    if (!record || !member) return false;
    record.members.delete(participantId);
    this.#dropMigration(record, participantId);
    record.pairs.clear();
    if (record.members.size === 0) {
      record.emptySince = this.now();
      record.upgraded = false;
    }
    this.nodes.reserve(member.nodeId, -1);
    const publicationIds = [...record.publications.values()]
      .filter((each) => each.participantId === participantId)
      .map(({ id }) => id);
    for (const id of publicationIds) record.publications.delete(id);
    this.#tell(roomId, {
      type: 'participant_left',
      from: 'system',
      payload: { participantId, reason, publicationIds },
    });
    return true;
  }

  async replace(roomId: string, participantId: string, excludeNodes: readonly string[]): Promise<Member> {
    const record = this.#rooms.get(roomId);
    const member = record?.members.get(participantId);
    if (!record || !member) throw new FlotillaError('NOT_IN_ROOM');
    const nodeId = this.#place(record, excludeNodes);
    this.#dropMigration(record, participantId);
    const moved = this.#home(record, member, nodeId);
    this.nodes.reserve(nodeId, 1);
    this.#tell(roomId, { type: 'participant_moved', from: 'system', payload: { participantId, nodeId } });
    return moved;
  }

  /** The member on its new node, where a place is reserved. */
  #home(record: RoomRecord, member: Member, nodeId: string): Member {
    this.nodes.reserve(member.nodeId, -1);
    const moved = { ...member, nodeId };
    record.members.set(member.id, moved);
    return moved;
  }

  /** A migration that ends without the member being moved gives its place back. */
  #dropMigration(record: RoomRecord, participantId: string): void {
    const running = record.migrations.get(participantId);
    if (!running) return;
    record.migrations.delete(participantId);
    this.nodes.reserve(running.migration.toNode, -1);
  }

  async begin({ toNode, ...request }: MigrationRequest): Promise<Migration> {
    const { roomId, participantId } = request;
    const record = this.#rooms.get(roomId);
    const member = record?.members.get(participantId);
    if (!record || !member) throw new FlotillaError('NOT_IN_ROOM');
    if (record.migrations.has(participantId)) throw new FlotillaError('MIGRATION_RUNNING');
    const others = toNode === undefined ? [] : this.nodes.view().flatMap(({ id }) => (id === toNode ? [] : [id]));
    const place = this.#place(record, [...others, member.nodeId]);
    this.nodes.reserve(place, 1);
    const migration: Migration = { ...request, fromNode: member.nodeId, toNode: place, step: 'reserved' };
    record.migrations.set(participantId, { migration, former: new Map() });
    return migration;
  }

  async prepared({ id, roomId, participantId }: Migration, media: MediaSessionParameters): Promise<boolean> {
    const running = this.#running(roomId, participantId, id);
    if (!running) return false;
    const { sessionId, deadline, reason } = running.migration;
    running.migration = { ...running.migration, step: 'prepared' };
    this.#tell(roomId, {
      type: 'migrate',
      from: 'system',
      only: [sessionId],
      payload: { migrationId: id, media, deadline, reason },
    });
    return true;
  }

  #running(
    roomId: string,
    participantId: string,
    migrationId: string,
  ): { migration: Migration; former: Map<string, PublicationRecord> } | undefined {
    const running = this.#rooms.get(roomId)?.migrations.get(participantId);
    return running?.migration.id === migrationId ? running : undefined;
  }

  async commit(roomId: string, participantId: string, migrationId: string): Promise<boolean> {
    const record = this.#rooms.get(roomId);
    const running = this.#running(roomId, participantId, migrationId);
    if (!record || !running) return false;
    const { toNode: nodeId } = running.migration;
    this.#home(record, record.members.get(participantId)!, nodeId);
    record.migrations.delete(participantId);
    this.#tell(roomId, { type: 'participant_moved', from: 'system', payload: { participantId, nodeId, migrationId } });
    return true;
  }

  async rollBack(roomId: string, participantId: string, migrationId: string): Promise<boolean> {
    const record = this.#rooms.get(roomId);
    const running = this.#running(roomId, participantId, migrationId);
    if (!record || !running) return false;
    for (const [id, publication] of running.former) {
      // One that was withdrawn meanwhile stays so.
      if (!record.publications.has(id)) continue;
      record.publications.set(id, publication);
      this.#tell(roomId, {
        type: 'publication_updated',
        from: participantId,
        payload: { publication: publicPublication(publication) },
      });
    }
    this.#dropMigration(record, participantId);
    this.#tell(roomId, {
      type: 'migration_rolled_back',
      from: 'system',
      only: [running.migration.sessionId],
      payload: { migrationId },
    });
    return true;
  }

  async of(roomId: string, participantId: string): Promise<Migration | undefined> {
    return this.#rooms.get(roomId)?.migrations.get(participantId)?.migration;
  }

  async running(limit: number): Promise<Migration[]> {
    return [...this.#rooms.values()]
      .flatMap(({ migrations }) => [...migrations.values()].map(({ migration }) => migration))
      .sort((a, b) => a.deadline - b.deadline)
      .slice(0, limit);
  }

  async state(roomId: string): Promise<RoomState | undefined> {
    const record = this.#rooms.get(roomId);
    return record && this.#state(roomId, record);
  }

  #state(roomId: string, record: RoomRecord): RoomState {
    const { room, members, publications } = record;
    return {
      room,
      members: [...members.values()],
      publications: [...publications.values()],
      mediaMode: mediaModeOf(record),
      offset: this.log.lastOffsetNow(roomStream(roomId)),
    };
  }

  async member(roomId: string, participantId: string): Promise<Member | undefined> {
    return this.#rooms.get(roomId)?.members.get(participantId);
  }

  async putPublication(roomId: string, publication: PublicationRecord): Promise<void> {
    const record = this.#rooms.get(roomId);
    const { id, participantId, nodeId } = publication;
    const home = record?.members.get(participantId)?.nodeId;
    if (!record || home === undefined) throw new FlotillaError('NOT_IN_ROOM');
    const known = record.publications.get(id);
    if (known && known.participantId !== participantId) throw new FlotillaError('PUBLICATION_NOT_FOUND');
    if (home !== nodeId) {
      const running = record.migrations.get(participantId);
      if (running?.migration.toNode !== nodeId) throw new FlotillaError('NOT_IN_ROOM');
      if (known && !running.former.has(id)) running.former.set(id, known);
    }
    const type = known ? 'publication_updated' : 'publication_added';
    record.publications.set(publication.id, publication);
    this.#tell(roomId, {
      type,
      from: publication.participantId,
      payload: { publication: publicPublication(publication) },
    });
  }

  async removePublication(roomId: string, participantId: string, publicationId: string): Promise<boolean> {
    const record = this.#rooms.get(roomId);
    if (record?.publications.get(publicationId)?.participantId !== participantId) return false;
    record.publications.delete(publicationId);
    this.#tell(roomId, { type: 'publication_removed', from: participantId, payload: { publicationId, participantId } });
    return true;
  }

  async pair(roomId: string, from: string, to: string): Promise<PairState> {
    const room = this.#rooms.get(roomId);
    if (!room) throw new FlotillaError('ROOM_NOT_FOUND');
    const { version, record } = room.pairs.get(pairKey(from, to)) ?? { version: 0, record: undefined };
    return { mediaMode: mediaModeOf(room), peer: room.members.get(to), version, record };
  }

  async putPair(roomId: string, { pair, participants, expectedVersion, update, event }: PairChange): Promise<boolean> {
    const room = this.#rooms.get(roomId);
    if (!room || mediaModeOf(room) !== 'peer' || !participants.every((id) => room.members.has(id))) return false;
    if ((room.pairs.get(pair)?.version ?? 0) !== expectedVersion) return false;
    if (update) room.pairs.set(pair, { version: expectedVersion + 1, ...update });
    this.log.appendNow(roomStream(roomId), event);
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
      const homes: Record<string, number> = {};
      for (const { nodeId } of members.values()) homes[nodeId] = (homes[nodeId] ?? 0) + 1;
      return {
        kind: 'room',
        id: room.id,
        name: room.name,
        mediaMode: mediaModeOf(record),
        participants: members.size,
        homes,
      };
    });
  }

  async deleteExpired(): Promise<string[]> {
    const now = this.now();
    const due = [...this.#rooms.values()].filter(
      ({ room, emptySince }) =>
        emptySince !== undefined && room.emptyTimeoutSeconds > 0 && emptySince + room.emptyTimeoutSeconds * 1000 <= now,
    );
    for (const { room } of due) await this.delete(room.id);
    return due.map(({ room }) => room.id);
  }
}

class MemorySessions implements SessionStore {
  readonly #sessions = new Map<string, SessionRecord & { resumeHash: string; dueAt?: number }>();
  readonly #byResumeHash = new Map<string, string>();
  readonly #usedTokens = new Map<string, number>();
  readonly #gateways = new Map<string, number>();
  readonly #inboxes = new Map<string, LogEntry[]>();

  constructor(
    private readonly log: MemoryEventLog,
    private readonly now: () => number,
  ) {}

  async useTokenOnce(jti: string, expiresAt: number): Promise<boolean> {
    const now = this.now();
    for (const [id, expires] of this.#usedTokens) {
      // Tokens live about equally long, so the oldest are first.
      if (expires > now) break;
      this.#usedTokens.delete(id);
    }
    if ((this.#usedTokens.get(jti) ?? 0) > now) return false;
    this.#usedTokens.set(jti, expiresAt);
    return true;
  }

  async open(session: Omit<SessionRecord, 'rooms'>, resumeHash: string): Promise<Offset> {
    this.#sessions.set(session.id, { ...session, rooms: [], resumeHash });
    this.#byResumeHash.set(resumeHash, session.id);
    return this.#inboxes.get(session.userId)?.at(-1)?.offset ?? startOfStream;
  }

  async refresh(sessionId: string, { name, room, grants, bridge, expiresAt }: SessionClaims): Promise<void> {
    const session = this.#sessions.get(sessionId);
    if (session) this.#sessions.set(sessionId, { ...session, name, room, grants, bridge, expiresAt });
  }

  async ofUser(userId: string): Promise<SessionRecord[]> {
    return [...this.#sessions.values()].filter((each) => each.userId === userId).map((each) => withoutSecrets(each)!);
  }

  async sendToUser(userId: string, message: string): Promise<Offset> {
    const now = this.now();
    const sessions = [...this.#sessions.values()].filter((each) => each.userId === userId);
    if (!sessions.some(({ dueAt }) => dueAt === undefined || dueAt > now)) throw new FlotillaError('RECIPIENT_OFFLINE');
    const kept = this.#inboxes.get(userId) ?? [];
    const offset = nextOffset(kept.at(-1)?.offset ?? startOfStream, now);
    this.#inboxes.set(userId, [...kept, { offset, data: message }].slice(-keptMessagesPerUser));
    const gateways = new Set(sessions.flatMap(({ dueAt, gatewayId }) => (dueAt === undefined ? [gatewayId] : [])));
    for (const gateway of gateways) {
      this.log.appendNow(
        gatewayStream(gateway),
        `{"type":"user_message","userId":"${userId}","seq":"${offset}","message":${message}}`,
      );
    }
    return offset;
  }

  async messagesToUser(userId: string, after: Offset): Promise<{ complete: boolean; entries: LogEntry[] }> {
    return missedMessages(this.#inboxes.get(userId) ?? [], after);
  }

  async setRoom(sessionId: string, roomId: string, inRoom: boolean): Promise<void> {
    const session = this.#sessions.get(sessionId);
    if (!session) return;
    const others = session.rooms.filter((id) => id !== roomId);
    this.#sessions.set(sessionId, { ...session, rooms: inRoom ? [...others, roomId] : others });
  }

  async get(sessionId: string): Promise<SessionRecord | undefined> {
    return withoutSecrets(this.#sessions.get(sessionId));
  }

  async detach(sessionId: string, resumeHash: string, windowMs: number): Promise<void> {
    const session = this.#sessions.get(sessionId);
    if (session?.resumeHash === resumeHash) this.#sessions.set(sessionId, { ...session, dueAt: this.now() + windowMs });
  }

  async resume(resumeHash: string, nextHash: string, gatewayId: string): Promise<SessionRecord | undefined> {
    const session = this.#resumable(resumeHash);
    if (!session) return undefined;
    this.#byResumeHash.delete(resumeHash);
    this.#byResumeHash.set(nextHash, session.id);
    const { dueAt: _ended, ...rest } = session;
    this.#sessions.set(session.id, { ...rest, gatewayId, resumeHash: nextHash });
    return withoutSecrets(session);
  }

  #resumable(resumeHash: string): (SessionRecord & { resumeHash: string; dueAt?: number }) | undefined {
    const session = this.#sessions.get(this.#byResumeHash.get(resumeHash) ?? '');
    return session && (session.dueAt ?? Infinity) > this.now() ? session : undefined;
  }

  async isResumable(resumeHash: string): Promise<boolean> {
    return this.#resumable(resumeHash) !== undefined;
  }

  async close(sessionId: string): Promise<void> {
    const session = this.#sessions.get(sessionId);
    if (!session) return;
    this.#sessions.delete(sessionId);
    this.#byResumeHash.delete(session.resumeHash);
    if ((await this.ofUser(session.userId)).length === 0) this.#inboxes.delete(session.userId);
  }

  async gatewayAlive(gatewayId: string): Promise<boolean> {
    const known = this.#gateways.has(gatewayId);
    this.#gateways.set(gatewayId, this.now());
    return known;
  }

  async reattach(sessionIds: readonly string[], gatewayId: string): Promise<void> {
    for (const id of sessionIds) {
      const session = this.#sessions.get(id);
      if (session?.gatewayId !== gatewayId) continue;
      const { dueAt: _due, ...rest } = session;
      this.#sessions.set(id, rest);
    }
  }

  async detachOrphaned(silentMs: number, windowMs: number): Promise<number> {
    let detached = 0;
    for (const [gatewayId, seenAt] of this.#gateways) {
      if (seenAt > this.now() - silentMs) continue;
      this.#gateways.delete(gatewayId);
      for (const session of this.#sessions.values()) {
        if (session.gatewayId !== gatewayId || session.dueAt !== undefined) continue;
        await this.detach(session.id, session.resumeHash, windowMs);
        detached++;
      }
    }
    return detached;
  }

  /** The gateways, and the sessions that are connected or may come back. */
  vertices(media: ReturnType<typeof mediaOf>): [TopologyVertex[], TopologyVertex[]] {
    const now = this.now();
    const connectedTo = new Map<string, number>();
    const sessions: TopologyVertex[] = [];
    for (const { id, userId, name, gatewayId, rooms, dueAt } of this.#sessions.values()) {
      if (dueAt !== undefined && dueAt <= now) continue;
      const connected = dueAt === undefined;
      if (connected) connectedTo.set(gatewayId, (connectedTo.get(gatewayId) ?? 0) + 1);
      sessions.push({
        kind: 'session',
        id,
        userId,
        ...(name !== undefined && { name }),
        gatewayId,
        connected,
        rooms: rooms.toSorted(),
        media: media.get(id) ?? [],
      });
    }
    const gateways = [...this.#gateways].map(([id, seenAt]): TopologyVertex => {
      return { kind: 'gateway', id, alive: seenAt >= now - gatewayLateMs, sessions: connectedTo.get(id) ?? 0 };
    });
    return [gateways, sessions];
  }

  async due(limit: number): Promise<SessionRecord[]> {
    const now = this.now();
    return [...this.#sessions.values()]
      .filter(({ dueAt }) => dueAt !== undefined && dueAt <= now)
      .slice(0, limit)
      .map((each) => withoutSecrets(each)!);
  }
}

function withoutSecrets(
  session: (SessionRecord & { resumeHash: string; dueAt?: number }) | undefined,
): SessionRecord | undefined {
  if (!session) return undefined;
  const { resumeHash: _resumeHash, dueAt: _dueAt, ...record } = session;
  return record;
}

function mediaModeOf({ room, upgraded }: RoomRecord): MediaMode {
  return room.peerToPeer && !upgraded ? 'peer' : 'sfu';
}

/** Rooms are listed in this order: by creation, then by id. */
export const listKey = (room: Room): string => `${String(room.createdAt).padStart(15, '0')}:${room.id}`;

/** The room there is, when it has the settings asked for. */
export function sameSettings(known: Room, wanted: Room): Room {
  const settings = ({ maxParticipants, spread, peerToPeer, acceptBridged, emptyTimeoutSeconds }: Room): string =>
    JSON.stringify([maxParticipants, spread, peerToPeer, acceptBridged, emptyTimeoutSeconds]);
  if (settings(known) === settings(wanted)) return known;
  throw new FlotillaError('ROOM_EXISTS', `room ${known.name} exists with other settings`);
}
