import { appendNextRoomEvent } from '@flotilla/bus';
import {
  addressee,
  FlotillaError,
  type ReplyPayload,
  type RoomEvent,
  userAddress,
  userIdOf,
} from '@flotilla/contracts';
import type { Backplane } from '@flotilla/backplane';
import type { RoomBytes } from '../limits/room-bytes.ts';
import type { UserMessages } from '../messages/user-messages.ts';
import type { RoomStreams } from '../rooms/room-streams.ts';
import type { Session } from '../sessions/session.ts';
import type { Received } from './request-handler.ts';

/** Sends messages to rooms, users and everybody. */
export class MessageRequests {
  constructor(
    private readonly backplane: Backplane,
    private readonly messages: UserMessages,
    private readonly streams: RoomStreams,
    private readonly roomBytes: RoomBytes,
  ) {}

  /** Throws RECIPIENT_OFFLINE, NOT_IN_ROOM, ROOM_NOT_FOUND, FORBIDDEN, RATE_LIMITED, UNAVAILABLE. */
  async send({ session, roomId, to, payload }: Received<'message'>): Promise<ReplyPayload<'message'>> {
    if (to === '*') return { seq: await this.messages.sendToEverybody(session, payload.data) };
    const user = addressee('user', to);
    if (user !== undefined) {
      const userId = userIdOf(user, session.tenant);
      // A user of another tenant is answered as one without a session.
      if (userId === undefined) throw new FlotillaError('RECIPIENT_OFFLINE');
      return { seq: await this.messages.sendToUser(session, userId, payload.data) };
    }
    const membership = session.rooms.get(roomId);
    if (!membership) await this.#requireBridge(session, roomId);
    this.roomBytes.take(roomId, Buffer.byteLength(JSON.stringify(payload.data)), membership);
    const event: RoomEvent<'message'> = {
      type: 'message',
      from: membership?.participantId ?? userAddress(session.identity.userId),
      payload: { data: payload.data },
      at: Date.now(),
    };
    const { offset, previous } = await appendNextRoomEvent(this.backplane.events, roomId, event);
    this.streams.deliverOwn(roomId, previous, { offset, event });
    return { seq: offset };
  }

  /** Requires that both the token and the room allow messages from outside the room. */
  async #requireBridge(session: Session, roomId: string): Promise<void> {
    if (!session.identity.bridge.includes(roomId)) throw new FlotillaError('NOT_IN_ROOM');
    const room = await this.backplane.store.rooms.get(roomId);
    if (!room) throw new FlotillaError('ROOM_NOT_FOUND');
    if (!room.acceptBridged) throw new FlotillaError('FORBIDDEN', 'this room takes no messages from outside');
  }
}
