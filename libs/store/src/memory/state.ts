import { encodeRoomEvent, type MemoryEventLog, roomStream } from '@flotilla/bus/events';
import {
  FlotillaError,
  hottestCpu,
  type LeaveReason,
  type Member,
  type MemberWithConnection,
  type Migration,
  type NegotiationState,
  participantIdOf,
  publicParticipant,
  type PublicationRecord,
  type RemovalReason,
  type Room,
  type RoomEvent,
  roomGrantsOf,
  versionOf,
} from '@flotilla/contracts';
import { onDrawnSide, sideOf } from '../canary-side.ts';
import { chooseNode } from '../placement.ts';
import { mayBeIn, mayCallDirectly, mediaModeOf, notCovered } from '../room-record.ts';
import type { JoinRequest, MediaRequest, RoomState, SessionClaims, SessionRecord } from '../store.ts';
import type { MemoryCanary } from './canary.ts';
import type { MemoryHistory } from './history.ts';
import type { MemoryNodes } from './nodes.ts';
import type { MemoryRelays } from './relays.ts';

export interface RoomRecord {
  readonly room: Room;
  /** In the order in which they joined. */
  readonly members: Map<string, Member>;
  /** By participant: its place in that order, from 1 on. */
  readonly positions: Map<string, number>;
  /** The last position that a participant was given. */
  lastPosition: number;
  readonly mediaRequests: Map<string, MediaRequest>;
  /** By participant: the relay of its last metadata link. */
  readonly linkedRelays: Map<string, string>;
  /** Participants whose connection dropped and may resume. */
  readonly reconnecting: Set<string>;
  readonly publications: Map<string, PublicationRecord>;
  /** By `pairKey`. */
  readonly pairs: Map<string, { version: number; state: NegotiationState; record: string }>;
  /** By the participant that is migrated. */
  readonly migrations: Map<string, ActiveMigration>;
  /** By participant: the id of its last committed migration. */
  readonly committed: Map<string, string>;
  /** It had more than two participants at a time since it was last empty. */
  upgraded: boolean;
  /** By user: until when it may not join, ms. */
  readonly bans: Map<string, number>;
  emptySince: number | undefined;
}

export interface ActiveMigration {
  migration: Migration;
  /** Publications as they were before they were republished on the new node. */
  readonly previous: Map<string, PublicationRecord>;
}

export type SessionEntry = Omit<SessionRecord, 'rooms'> & {
  issuedAt: number;
  resumeHash: string;
  dueAt?: number;
  /** Id of the token that it was refreshed with last. */
  tokenId?: string;
};

/** State that rooms, migrations and sessions share: a member, its session's rooms and its reserved capacity change together. */
export class MemoryState {
  readonly rooms = new Map<string, RoomRecord>();
  readonly sessions = new Map<string, SessionEntry>();
  /** By user, or `*`: tokens issued before the time (s) are refused. */
  readonly cutoffs = new Map<string, { readonly issuedBefore: number; readonly keptUntil: number }>();
  readonly #sessionRooms = new Map<string, Set<string>>();

  constructor(
    readonly log: MemoryEventLog,
    readonly nodes: MemoryNodes,
    readonly history: MemoryHistory,
    private readonly canary: MemoryCanary,
    private readonly relays: MemoryRelays,
    readonly now: () => number,
  ) {}

  append(roomId: string, event: RoomEvent, ttlSeconds?: number): void {
    this.log.appendNow(roomStream(roomId), encodeRoomEvent(event), ttlSeconds);
  }

  /** Whether a token is refused because it was issued before the time that `revokeTokens` set for its user, or for all. */
  isRevoked(userId: string, issuedAt = 0): boolean {
    const now = this.now();
    return [userId, '*'].some((whose) => {
      const cutoff = this.cutoffs.get(whose);
      if (cutoff && cutoff.keptUntil <= now) this.cutoffs.delete(whose);
      else if (cutoff) return issuedAt < cutoff.issuedBefore;
      return false;
    });
  }

  sessionsOf(userId: string): string[] {
    return [...this.sessions.values()].filter((each) => each.userId === userId).map(({ id }) => id);
  }

  roomsOf(sessionId: string): string[] {
    return [...(this.#sessionRooms.get(sessionId) ?? [])];
  }

  join(request: JoinRequest): Member {
    const { participantId, sessionId, resumeHash, excludeNodes, maxRooms, media, ...who } = request;
    const { roomId } = request;
    const session = this.sessions.get(sessionId);
    if (!session || (resumeHash !== undefined && resumeHash !== session.resumeHash))
      throw new FlotillaError('SESSION_EXPIRED');
    if (!mayBeIn(roomId, session)) throw notCovered();
    const record = this.rooms.get(roomId);
    if (!record) throw new FlotillaError('ROOM_NOT_FOUND');
    if ((record.bans.get(request.userId) ?? 0) > this.now()) throw new FlotillaError('BANNED');
    const present = record.members.get(participantId);
    if (present) return present;
    if (record.members.size >= record.room.maxParticipants) throw new FlotillaError('ROOM_FULL');
    const joined = this.#sessionRooms.get(sessionId) ?? new Set();
    if (joined.size >= maxRooms) throw new FlotillaError('TOO_MANY_ROOMS');
    const member: Member = {
      id: participantId,
      sessionId,
      ...who,
      // Those of the request may be older.
      grants: roomGrantsOf(session.grants),
      maxPublishBitrate: session.maxPublishBitrate,
      nodeId: this.chooseNode(record, { exclude: excludeNodes }),
      joinedAfter: this.log.lastOffsetNow(roomStream(roomId)),
    };
    this.nodes.reserve(member.nodeId, 1);
    record.members.set(participantId, member);
    record.positions.set(participantId, ++record.lastPosition);
    this.relays.unbar(roomId, participantId);
    record.emptySince = undefined;
    this.#sessionRooms.set(sessionId, joined.add(roomId));
    this.append(roomId, {
      type: 'participant_joined',
      from: 'system',
      payload: { participant: publicParticipant(member) },
    });
    if (session.dueAt !== undefined) record.reconnecting.add(participantId);
    if (record.members.size > 2 || !mayCallDirectly(member.grants)) this.#useSfu(record);
    if (media && mediaModeOf(record.room, record.upgraded) === 'sfu') record.mediaRequests.set(participantId, media);
    return member;
  }

  #useSfu(record: RoomRecord): void {
    if (mediaModeOf(record.room, record.upgraded) === 'sfu') return;
    record.upgraded = true;
    record.pairs.clear();
    this.append(record.room.id, { type: 'media_mode', from: 'system', payload: { mediaMode: 'sfu' } });
  }

  /** Replaces the grants of a session's members, whose rooms it leaves when the claims do not cover them. */
  setGrants(sessionId: string, claims: SessionClaims): void {
    const participantId = participantIdOf(sessionId);
    const grants = roomGrantsOf(claims.grants);
    const { maxPublishBitrate } = claims;
    for (const roomId of this.roomsOf(sessionId)) {
      const record = this.rooms.get(roomId)!;
      const member = record.members.get(participantId)!;
      if (!mayBeIn(roomId, claims)) {
        this.leave(roomId, participantId, 'removed');
        continue;
      }
      if (member.grants.join() === grants.join() && member.maxPublishBitrate === maxPublishBitrate) continue;
      record.members.set(participantId, { ...member, grants, maxPublishBitrate });
      const payload = { participantId, grants, ...(maxPublishBitrate !== undefined && { maxPublishBitrate }) };
      this.append(roomId, { type: 'grants_changed', from: 'system', payload });
      if (grants.includes('publish')) this.relays.unbar(roomId, participantId);
      else {
        this.relays.bar(roomId, member, record.members);
        for (const each of record.publications.values())
          if (each.participantId === participantId) this.unpublish(record, participantId, each.id);
      }
      if (!mayCallDirectly(grants)) this.#useSfu(record);
    }
  }

  leave(roomId: string, participantId: string, reason: LeaveReason): boolean {
    const record = this.rooms.get(roomId);
    const member = record?.members.get(participantId);
    if (!record || !member) return false;
    record.members.delete(participantId);
    record.positions.delete(participantId);
    record.mediaRequests.delete(participantId);
    record.linkedRelays.delete(participantId);
    record.reconnecting.delete(participantId);
    record.committed.delete(participantId);
    record.pairs.clear();
    this.removeSessionRoom(member.sessionId, roomId);
    this.nodes.reserve(member.nodeId, -1);
    this.abortMigration(record, participantId);
    if (reason === 'removed' || reason === 'revoked') this.relays.bar(roomId, member, record.members);
    if (record.members.size === 0) {
      record.emptySince = this.now();
      record.upgraded = false;
    }
    const publicationIds = [...record.publications.values()]
      .filter((each) => each.participantId === participantId)
      .map(({ id }) => id);
    for (const id of publicationIds) record.publications.delete(id);
    this.append(roomId, {
      type: 'participant_left',
      from: 'system',
      payload: { participantId, reason, publicationIds },
    });
    return true;
  }

  removeSessionRoom(sessionId: string, roomId: string): void {
    const joined = this.#sessionRooms.get(sessionId);
    joined?.delete(roomId);
    if (joined?.size === 0) this.#sessionRooms.delete(sessionId);
  }

  /** Marks a session's participants as connected or reconnecting, where that changes. */
  setConnection(sessionId: string, connection: 'connected' | 'reconnecting'): void {
    const participantId = participantIdOf(sessionId);
    for (const roomId of this.roomsOf(sessionId)) {
      const { reconnecting } = this.rooms.get(roomId)!;
      if (reconnecting.has(participantId) === (connection === 'reconnecting')) continue;
      if (connection === 'reconnecting') reconnecting.add(participantId);
      else reconnecting.delete(participantId);
      this.append(roomId, { type: 'participant_connection', from: 'system', payload: { participantId, connection } });
    }
  }

  /** Throws NO_CAPACITY. */
  chooseNode(record: RoomRecord, { exclude, only }: { exclude: readonly string[]; only?: string | undefined }): string {
    const hosting = new Set([...record.members.values()].map(({ nodeId }) => nodeId));
    const { rules } = this.canary;
    const free = this.nodes
      .view()
      .filter(({ id, alive, state }) => alive && state === 'active' && !exclude.includes(id))
      .filter(({ id }) => only === undefined || id === only)
      .map(({ id, capacity, reserved, load, revision }) => ({
        id,
        side: sideOf(rules, versionOf({ revision })),
        capacity,
        reserved,
        cpu: hottestCpu(load),
        preferred: hosting.has(id) !== record.room.spread,
      }));
    const assignable = free.filter(({ side }) => side === 'stable' || side === 'candidate');
    const candidates = onDrawnSide(assignable, rules?.share ?? 0, Math.random());
    const chosen = chooseNode(candidates, [Math.random(), Math.random()]);
    if (!chosen) throw new FlotillaError('NO_CAPACITY');
    return chosen;
  }

  /** The member on another node, whose capacity is reserved already; the capacity on its old node is released. */
  assign(record: RoomRecord, member: Member, nodeId: string): Member {
    this.nodes.reserve(member.nodeId, -1);
    const moved = { ...member, nodeId };
    record.members.set(member.id, moved);
    return moved;
  }

  /** Ends a migration without moving its member: releases the capacity on its new node. */
  endMigration(record: RoomRecord, participantId: string): void {
    const active = record.migrations.get(participantId);
    if (!active) return;
    record.migrations.delete(participantId);
    this.nodes.reserve(active.migration.toNode, -1);
  }

  /** As `endMigration`, with its line in the history. */
  abortMigration(record: RoomRecord, participantId: string): void {
    const active = record.migrations.get(participantId);
    if (!active) return;
    this.endMigration(record, participantId);
    this.history.write({ ...active.migration, end: 'rolled_back', endedAt: this.now() });
  }

  unpublish(record: RoomRecord, participantId: string, publicationId: string, reason?: RemovalReason): void {
    record.publications.delete(publicationId);
    this.append(record.room.id, {
      type: 'publication_removed',
      from: participantId,
      payload: { publicationId, participantId, ...(reason && { reason }) },
    });
  }

  /** The state of a room, with some or all of its members. */
  view({ room, members, reconnecting, publications, upgraded }: RoomRecord): RoomState {
    return {
      room,
      members: [...members.values()].map((member): MemberWithConnection =>
        reconnecting.has(member.id) ? { ...member, connection: 'reconnecting' } : member,
      ),
      publications: [...publications.values()],
      mediaMode: mediaModeOf(room, upgraded),
      offset: this.log.lastOffsetNow(roomStream(room.id)),
    };
  }
}
