import type { RoomEventEntry } from '@flotilla/bus';
import { compareOffsets, mayHaveMedia, type Member, migrationLingerMs, type RoomEvent } from '@flotilla/contracts';
import type { RoomStateWithMigrations } from '@flotilla/store';
import type { MediaSession, MediaSessions } from './media-session.ts';

export interface SessionUpdateHandlers {
  /** The participant of a session was moved to another node. Called once per session. */
  readonly onMoved: (session: MediaSession) => void;
  /** The maximum bit rate of a session changed. */
  readonly onLimitChanged: (session: MediaSession) => void;
  /** A session was closed. */
  readonly onClosed: () => void;
}

/**
 * Applies what happens in a room to its sessions on this node: media of a participant that left, of the previous side of a migration,
 * and what lost its grant is closed.
 */
export class SessionUpdates {
  constructor(
    private readonly sessions: MediaSessions,
    private readonly nodeId: string,
    private readonly handlers: SessionUpdateHandlers,
  ) {}

  /** Applies an event that concerns the session, unless the session was opened, or last compared with the state, after it. */
  apply(session: MediaSession, { offset, event }: RoomEventEntry): void {
    if (compareOffsets(offset, session.stateAt) <= 0) return;
    switch (event.type) {
      case 'participant_moved':
        if (event.payload.nodeId === this.nodeId) session.isIncoming = false;
        else this.#onMoved(session);
        break;
      case 'migration_rolled_back':
        if (session.isIncoming) this.#close(session);
        else session.subscribedMeanwhile.clear();
        break;
      case 'grants_changed':
        this.#applyGrants(session, event.payload);
        break;
      case 'participant_left':
      case 'room_deleted':
        this.#close(session);
        break;
      default:
    }
  }

  /** Applies a state of the room in place of events that were missed; undefined closes all sessions. */
  applyState(state: RoomStateWithMigrations | undefined): void {
    for (const session of [...this.sessions.values()]) {
      if (state && compareOffsets(state.offset, session.stateAt) <= 0) continue;
      // Events up to the state that arrive after it have their effect already.
      if (state) session.stateAt = state.offset;
      const { participantId } = session.media;
      const member = state?.members.find(({ id }) => id === participantId);
      const isComing = state?.migrations.some(
        (each) => each.participantId === participantId && each.toNode === this.nodeId,
      );
      if (!member) this.#close(session);
      else if (member.nodeId === this.nodeId) session.isIncoming = false;
      else if (session.isIncoming && !isComing) this.#close(session);
      else if (!session.isIncoming) this.#onMoved(session);
      if (member) this.#applyGrants(session, member);
    }
  }

  /** Closes what the grants do not cover any more, and applies another maximum bit rate. */
  #applyGrants(
    session: MediaSession,
    { grants, maxPublishBitrate }: Pick<Member, 'grants' | 'maxPublishBitrate'>,
  ): void {
    session.grants = grants;
    const isOtherLimit = session.maxPublishBitrate !== maxPublishBitrate;
    session.maxPublishBitrate = maxPublishBitrate;
    if (isOtherLimit) this.handlers.onLimitChanged(session);
    if (!mayHaveMedia(grants)) return this.#close(session);
    if (!grants.includes('publish')) session.media.closeProducers();
    if (!grants.includes('subscribe')) session.media.closeConsumers();
  }

  /** The participant was moved to another node. Its media here stays until the other participants have changed over. */
  #onMoved(session: MediaSession): void {
    if (session.isLeft) return;
    session.isLeft = true;
    this.handlers.onMoved(session);
    setTimeout(() => this.#close(session), migrationLingerMs).unref();
  }

  #close(session: MediaSession): void {
    session.media.close();
    if (this.sessions.get(session.media.id) === session) this.sessions.delete(session.media.id);
    this.handlers.onClosed();
  }
}

/** Whether an event may change or end the media of a session. */
export function concerns(
  event: RoomEvent,
  { sessionId, participantId }: { readonly sessionId: string; readonly participantId: string },
): boolean {
  switch (event.type) {
    case 'grants_changed':
    case 'participant_left':
    case 'participant_moved':
      return event.payload.participantId === participantId;
    case 'migration_rolled_back':
      return event.only?.includes(sessionId) ?? false;
    default:
      return event.type === 'room_deleted';
  }
}
