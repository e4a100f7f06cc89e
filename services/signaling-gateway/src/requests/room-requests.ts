import { FlotillaError, type Offset, type ReplyPayload } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Backplane } from '@flotilla/backplane';
import type { UserMessages } from '../messages/user-messages.ts';
import type { Memberships } from '../rooms/memberships.ts';
import { resumeRooms } from '../rooms/resumed-rooms.ts';
import type { RoomStreams } from '../rooms/room-streams.ts';
import type { Lifecycle } from '../sessions/lifecycle.ts';
import type { Membership, Resumption, Session } from '../sessions/session.ts';
import { type Received, ReplyThen } from './request-handler.ts';

/** Joins, resumes and leaves rooms, together with the streams of their events. */
export class RoomRequests {
  constructor(
    private readonly backplane: Backplane,
    private readonly memberships: Memberships,
    private readonly streams: RoomStreams,
    private readonly messages: UserMessages,
    private readonly lifecycle: Lifecycle,
    private readonly log: Logger,
  ) {}

  async join({ session, payload }: Received<'join'>): Promise<ReplyThen<ReplyPayload<'join'>>> {
    const reply = await this.memberships.join(session, payload);
    const { room, offset } = reply.snapshot;
    const membership = session.membership(room.id);
    return new ReplyThen(reply, () => this.#attach(session, membership, offset));
  }

  async resume({ session, payload }: Received<'resume'>): Promise<ReplyThen<ReplyPayload<'resume'>>> {
    if (!session.awaitsResume)
      throw new FlotillaError('WRONG_STATE', '`resume` is accepted once, over a connection that resumes a session');
    await this.#confirm(session, session.resumption!);
    const [missed, resumed] = await Promise.all([
      this.messages.catchUp(session, payload.offsets),
      resumeRooms(session, payload.offsets, this.streams, this.backplane),
    ]);
    session.resumeAnswered = true;
    return new ReplyThen({ rooms: resumed.map(({ reply }) => reply), missed }, () => {
      for (const { membership, attachAt } of resumed) this.#attach(session, membership, attachAt);
    });
  }

  /** Uses the resume token up that the connection was opened with. */
  async #confirm(session: Session, { usedHash }: Resumption): Promise<void> {
    session.resumeConfirmed = await this.backplane.store.sessions.confirmResume(
      session.id,
      usedHash,
      session.resumeHash,
    );
    if (session.resumeConfirmed) return;
    this.lifecycle.handle(session, 'overtaken');
    throw new FlotillaError('SESSION_EXPIRED', 'the session was resumed over another connection');
  }

  async leave({ session, roomId }: Received<'leave'>): Promise<ReplyPayload<'leave'>> {
    const membership = session.membership(roomId);
    const after = this.streams.detach(roomId, session);
    try {
      await this.memberships.leave(session, roomId);
    } catch (error) {
      if (after !== undefined) this.#attach(session, membership, after);
      throw error;
    }
    return {};
  }

  /** Sends the room's events after the offset. Closes the connection when that is not possible; a resume starts over. */
  #attach(session: Session, membership: Membership, after: Offset): void {
    const { roomId } = membership;
    // Either may have ended while the request was awaited. Events from before a membership must not be applied to it.
    if (!session.isOpen || session.rooms.get(roomId) !== membership) return;
    this.streams.attach(roomId, session, after).then(
      (complete) => complete || session.close('SERVICE_RESTART', 'events were missed, resume'),
      (error: unknown) => {
        this.log.warn({ err: error, sessionId: session.id, roomId }, 'missed events could not be read');
        session.close('SERVICE_RESTART', 'events could not be read, resume');
      },
    );
  }
}
