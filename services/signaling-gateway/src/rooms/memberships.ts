import type { CommandBus } from '@flotilla/bus';
import {
  type CommandPayload,
  FlotillaError,
  mayHaveMedia,
  type MediaSessionParameters,
  participantIdOf,
  type ReplyPayload,
  roomGrantsOf,
  type RtpCapabilities,
  sfuQueue,
  subjectOfUser,
} from '@flotilla/contracts';
import { type Logger, retry } from '@flotilla/runtime';
import { type MediaRequest, roomIdOf, type RoomStore } from '@flotilla/store';
import type { Membership, Session } from '../sessions/session.ts';
import type { RoomStreams } from './room-streams.ts';
import { participantsOf, snapshotOf } from './snapshot.ts';

/** Number of nodes to try before a join or a re-opening fails. */
const maxNodesTried = 3;
const openTimeoutMs = 4000;
/** The roll-back of a failed join is retried for this long, ms; afterwards the member stays until its session ends. */
const rollBackMs = 180_000;

export interface JoinRequest {
  readonly room: string;
  readonly name?: string | undefined;
  readonly rtpCapabilities?: RtpCapabilities | undefined;
  readonly subscribe: boolean;
}

/** Joins rooms and leaves them for sessions, and opens their media on the node that they are assigned to. */
export class Memberships {
  constructor(
    private readonly bus: CommandBus,
    private readonly rooms: RoomStore,
    private readonly streams: RoomStreams,
    private readonly maxRooms: number,
    private readonly log: Logger,
  ) {}

  async join(session: Session, request: JoinRequest): Promise<ReplyPayload<'join'>> {
    const roomId = roomIdOf(request.room, session.tenant);
    if (session.rooms.has(roomId) || session.joining.has(roomId)) throw new FlotillaError('ALREADY_IN_ROOM');
    if (session.awaitsResume && session.resumption!.rooms.includes(roomId))
      throw new FlotillaError('ALREADY_IN_ROOM', 'the session was in that room before: send `resume`');
    session.rollbacks.delete(roomId);
    if (session.rollbacks.size >= this.maxRooms) throw new FlotillaError('TOO_MANY_ROOMS');
    session.joining.add(roomId);
    try {
      return await this.#join(session, roomId, request);
    } finally {
      session.joining.delete(roomId);
    }
  }

  async #join(session: Session, roomId: string, request: JoinRequest): Promise<ReplyPayload<'join'>> {
    const { identity } = session;
    const { rtpCapabilities, subscribe } = request;
    const media = rtpCapabilities && { rtpCapabilities, subscribe };
    const joining = this.rooms.join({
      roomId,
      participantId: participantIdOf(session.id),
      sessionId: session.id,
      resumeHash: session.resumeHash,
      userId: identity.userId,
      grants: roomGrantsOf(identity.grants),
      maxPublishBitrate: identity.maxPublishBitrate,
      name: request.name ?? identity.name ?? subjectOfUser(identity.userId).slice(0, 64),
      joinedAt: Date.now(),
      excludeNodes: [],
      maxRooms: this.maxRooms,
      media,
    });
    const { member, ...state } = await joining.catch(async (error: unknown) => {
      // Without an answer, the store may have the member.
      if (FlotillaError.from(error).code === 'UNAVAILABLE') await this.#rollBack(session, roomId);
      throw error;
    });
    const membership: Membership = {
      roomId,
      participantId: member.id,
      nodeId: member.nodeId,
      reports: new Set(['first_frame']),
    };
    session.rooms.set(roomId, membership);
    const snapshot = snapshotOf(state);
    // Two who exchange media directly need no node; their capacity is kept for when a third joins.
    if (!media || !mayHaveMedia(member.grants) || snapshot.mediaMode !== 'sfu')
      return { participantId: member.id, snapshot };
    try {
      return { participantId: member.id, snapshot, media: await this.#open(session, membership, media) };
    } catch (error) {
      await this.#rollBack(session, roomId);
      throw error;
    }
  }

  /**
   * Takes the session of a failed join out of the room. Resolves after the first attempt, which is repeated while the store is
   * unreachable, until the session joins the room again.
   */
  async #rollBack(session: Session, roomId: string): Promise<void> {
    this.streams.endMembership(session, roomId);
    const rollback = {};
    session.rollbacks.set(roomId, rollback);
    const isCurrent = (): boolean => session.rollbacks.get(roomId) === rollback;
    const leave = async (): Promise<void> => {
      // A closed connection's session has ended, or may have been resumed in this room by another connection.
      if (isCurrent() && session.state !== 'closed')
        await this.rooms.leave(roomId, participantIdOf(session.id), 'failed');
    };
    const end = (): void => {
      if (isCurrent()) session.rollbacks.delete(roomId);
    };
    try {
      await leave();
      end();
    } catch {
      retry(leave, { forMs: rollBackMs })
        .catch((error: unknown) =>
          this.log.warn({ err: error, sessionId: session.id, roomId }, 'a failed join could not be rolled back'),
        )
        .finally(end);
    }
  }

  /** Opens the session's transports on its node, or on another when that one does not answer. */
  async openMedia(session: Session, membership: Membership, media: MediaRequest): Promise<MediaSessionParameters> {
    await this.rooms.describeMedia(membership.roomId, membership.participantId, media);
    const opened = await this.#open(session, membership, media);
    (membership.reports ??= new Set()).add('recovery');
    return opened;
  }

  /** A node whose breaker is open is left at once. Each further node after a timeout is taken from the budget of retries. */
  async #open(session: Session, membership: Membership, media: MediaRequest): Promise<MediaSessionParameters> {
    const { roomId, participantId } = membership;
    const payload: CommandPayload<'sfu.open_session'> = { roomId, sessionId: session.id, participantId, ...media };
    const failed: string[] = [];
    for (;;) {
      // Media that a later connection of the session has opened would be replaced.
      if (session.state === 'closed') throw new FlotillaError('SESSION_EXPIRED');
      const queue = sfuQueue(membership.nodeId);
      try {
        return await this.bus.call(queue, 'sfu.open_session', payload, { timeoutMs: openTimeoutMs });
      } catch (error) {
        const { code } = FlotillaError.from(error);
        if ((code !== 'NODE_UNAVAILABLE' && code !== 'DEADLINE_EXCEEDED') || failed.length + 1 >= maxNodesTried)
          throw error;
        if (code === 'DEADLINE_EXCEEDED' && !this.bus.mayRetry(queue)) throw error;
        failed.push(membership.nodeId);
        this.log.warn({ nodeId: membership.nodeId, roomId, sessionId: session.id, code }, 'node does not answer');
        membership.nodeId = await this.#reassign(membership, [...failed, ...this.bus.refusedInstances('sfu')]);
      }
    }
  }

  async #reassign({ roomId, participantId }: Membership, excludeNodes: readonly string[]): Promise<string> {
    try {
      return (await this.rooms.reassign(roomId, participantId, excludeNodes)).nodeId;
    } catch (error) {
      // Without another node, the one that did not answer is the one to wait for.
      if (FlotillaError.from(error).code === 'NO_CAPACITY')
        throw new FlotillaError('NODE_UNAVAILABLE', undefined, { cause: error });
      throw error;
    }
  }

  /** The participants of a room after those that the session was sent. */
  async list({ roomId }: Membership, cursor: string): Promise<ReplyPayload<'list_participants'>> {
    const page = await this.rooms.nextPage(roomId, cursor);
    if (!page) throw new FlotillaError('ROOM_NOT_FOUND');
    return participantsOf(page);
  }

  /** Takes a session out of a room. Nothing happens when it is not in it. */
  async leave(session: Session, roomId: string): Promise<void> {
    await this.rooms.leave(roomId, participantIdOf(session.id), 'left');
    this.streams.endMembership(session, roomId);
  }
}
