import { appendNextRoomEvent } from '@flotilla/bus';
import {
  addressee,
  FlotillaError,
  type ReplyPayload,
  roomAddress,
  type RoomEvent,
  userAddress,
  userIdOf,
} from '@flotilla/contracts';
import type { Backplane } from '@flotilla/backplane';
import type { RoomBytes } from '../limits/room-bytes.ts';
import type { UserMessages } from '../messages/user-messages.ts';
import type { RoomSizes } from '../rooms/room-sizes.ts';
import type { RoomStreams } from '../rooms/room-streams.ts';
import type { Session } from '../sessions/session.ts';
import type { Received } from './request-handler.ts';

/** Sends messages to rooms, users and everybody. */
export class MessageRequests {
  constructor(
    private readonly backplane: Backplane,
    private readonly messages: UserMessages,
    private readonly streams: RoomStreams,
    private readonly sizes: RoomSizes,
    private readonly roomBytes: RoomBytes,
    /** Maximum size of a message, bytes. */
    private readonly maxBytes: number,
  ) {}

  /**
   * Throws RECIPIENT_OFFLINE, NOT_IN_ROOM, ROOM_NOT_FOUND, FORBIDDEN, BANNED, SESSION_EXPIRED, TOKEN_REVOKED, RATE_LIMITED,
   * MESSAGE_TOO_BIG, UNAVAILABLE.
   */
  async send({ session, roomId, to, payload }: Received<'message'>): Promise<ReplyPayload<'message'>> {
    this.#requireSize(payload.data);
    if (to === '*') return { seq: await this.messages.sendToEverybody(session, payload.data) };
    const user = addressee('user', to);
    if (user !== undefined) {
      const userId = userIdOf(user, session.tenant);
      // A user of another tenant is answered as one without a session.
      if (userId === undefined) throw new FlotillaError('RECIPIENT_OFFLINE');
      return { seq: await this.messages.sendToUser(session, userId, payload.data) };
    }
    const bridged = session.rooms.has(roomId) ? undefined : await this.#requireBridge(session, roomId);
    // It may have joined while the bridge was checked.
    const membership = session.rooms.get(roomId);
    const event: RoomEvent<'message'> = {
      type: 'message',
      from: membership?.participantId ?? userAddress(session.identity.userId),
      payload: { data: payload.data },
      at: Date.now(),
    };
    const bytes = Buffer.byteLength(JSON.stringify(event));
    const receivers = bridged ?? this.sizes.of(roomId);
    this.roomBytes.take(roomId, { bytes, receivers }, membership && session);
    const { offset, previous } = await appendNextRoomEvent(this.backplane.events, roomId, event);
    this.streams.deliverOwn(roomId, previous, { offset, event });
    return { seq: offset };
  }

  /** Text that is sent on may be larger than it was received: numbers such as 1e20 are written in full. */
  #requireSize(data: unknown): void {
    const bytes = Buffer.byteLength(JSON.stringify(data) ?? '');
    if (bytes <= this.maxBytes) return;
    const message = `the message has ${bytes} bytes with its numbers written in full; at most ${this.maxBytes} are accepted`;
    throw new FlotillaError('MESSAGE_TOO_BIG', message);
  }

  /** Requires that the token, the room and its bans allow messages from outside the room. Returns the number of its participants. */
  async #requireBridge(session: Session, roomId: string): Promise<number> {
    const requireClaim = (): void => {
      if (!session.identity.bridge.includes(roomId)) throw new FlotillaError('NOT_IN_ROOM');
    };
    requireClaim();
    const participants = await this.backplane.store.rooms.requireBridge(roomId, session.id, session.resumeHash);
    session.requireStill('message', roomAddress(roomId));
    requireClaim();
    return participants;
  }
}
