import type { CommandBus } from '@flotilla/bus';
import {
  type CommandPayload,
  FlotillaError,
  type MediaSessionParameters,
  type Member,
  registryQueue,
  type ReplyPayload,
  type RtpCapabilities,
  sfuQueue,
} from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import { roomIdOf, type SessionStore } from '@flotilla/store';
import type { Membership, Session } from '../sessions/session.ts';

/** A node that does not answer is passed over this often before a join or a re-opening is given up. */
const maxNodesTried = 3;
const openTimeoutMs = 4000;

export interface JoinRequest {
  readonly room: string;
  readonly name?: string | undefined;
  readonly rtpCapabilities?: RtpCapabilities | undefined;
  readonly subscribe: boolean;
}

/** Takes sessions into rooms and out again, and opens their media on the node they are placed on. */
export class Memberships {
  constructor(
    private readonly bus: CommandBus,
    private readonly sessions: SessionStore,
    private readonly maxRooms: number,
    private readonly log: Logger,
  ) {}

  async join(session: Session, request: JoinRequest): Promise<ReplyPayload<'join'>> {
    const roomId = roomIdOf(request.room);
    const { identity } = session;
    if (identity.room !== undefined && roomIdOf(identity.room) !== roomId)
      throw new FlotillaError('FORBIDDEN', 'the token is for another room');
    if (session.rooms.has(roomId)) throw new FlotillaError('ALREADY_IN_ROOM');
    if (session.rooms.size >= this.maxRooms)
      throw new FlotillaError('TOO_MANY_ROOMS', `a session is in ${this.maxRooms} rooms at most`);

    const name = request.name ?? identity.name ?? identity.userId.slice(0, 64);
    const { member, snapshot } = await this.bus.call(registryQueue, 'registry.join', {
      room: request.room,
      sessionId: session.id,
      userId: identity.userId,
      name,
    });
    const membership: Membership = { roomId, participantId: member.id, nodeId: member.nodeId };
    session.rooms.set(roomId, membership);
    try {
      const [media] = await Promise.all([
        // Two who talk to each other directly need no node; their places are kept for when a third comes.
        request.rtpCapabilities &&
          snapshot.mediaMode === 'sfu' &&
          this.openMedia(session, membership, {
            rtpCapabilities: request.rtpCapabilities,
            subscribe: request.subscribe,
          }),
        this.sessions.setRoom(session.id, roomId, true),
      ]);
      return { participantId: member.id, snapshot, ...(media && { media }) };
    } catch (error) {
      await this.leave(session, roomId, 'failed').catch((leaving: unknown) =>
        this.log.warn({ err: leaving, sessionId: session.id, roomId }, 'a failed join could not be undone'),
      );
      throw error;
    }
  }

  /** Opens the session's transports on its node, or on another when that one does not answer. */
  async openMedia(
    session: Session,
    membership: Membership,
    request: { rtpCapabilities: RtpCapabilities; subscribe: boolean },
  ): Promise<MediaSessionParameters> {
    const { roomId, participantId } = membership;
    const payload: CommandPayload<'sfu.open_session'> = { roomId, sessionId: session.id, participantId, ...request };
    const gone: string[] = [];
    for (;;) {
      try {
        return await this.bus.call(sfuQueue(membership.nodeId), 'sfu.open_session', payload, {
          timeoutMs: openTimeoutMs,
        });
      } catch (error) {
        const { code } = FlotillaError.from(error);
        if ((code !== 'NODE_UNAVAILABLE' && code !== 'DEADLINE_EXCEEDED') || gone.length + 1 >= maxNodesTried)
          throw error;
        gone.push(membership.nodeId);
        this.log.warn(
          { node: membership.nodeId, roomId, sessionId: session.id, code },
          'node does not answer, taking another',
        );
        membership.nodeId = (await this.#replace(session, roomId, gone)).nodeId;
      }
    }
  }

  async #replace(session: Session, roomId: string, excludeNodes: string[]): Promise<Member> {
    try {
      return (await this.bus.call(registryQueue, 'registry.replace', { roomId, sessionId: session.id, excludeNodes }))
        .member;
    } catch (error) {
      // Without another node, the one that fell silent is the one to wait for.
      if (FlotillaError.from(error).code === 'NO_CAPACITY')
        throw new FlotillaError('NODE_UNAVAILABLE', undefined, { cause: error });
      throw error;
    }
  }

  /** Takes a session out of a room. Nothing happens when it is not in it. */
  async leave(session: Session, roomId: string, reason: 'left' | 'disconnected' | 'failed'): Promise<void> {
    await this.bus.call(registryQueue, 'registry.leave', { roomId, sessionId: session.id, reason });
    await this.sessions.setRoom(session.id, roomId, false);
    session.rooms.delete(roomId);
  }
}
