import type { CommandBus } from '@flotilla/bus';
import {
  type CommandReply,
  type RelayCommandType,
  relayQueue,
  type SfuCommandType,
  sfuQueue,
} from '@flotilla/contracts';
import { targetNode } from '../rooms/migration-routing.ts';
import type { Session } from '../sessions/session.ts';

interface RoomRequest<P> {
  readonly session: Session;
  readonly roomId: string;
  readonly payload: P;
}

/** Forwards requests to the SFU node or the metadata relay that they are about. */
export class NodeRequests {
  constructor(private readonly bus: CommandBus) {}

  /** Forwards a request to the SFU node of the session's media in the room. Throws NOT_IN_ROOM, MIGRATION_NOT_ACTIVE. */
  async toSfu<T extends SfuCommandType>(
    command: T,
    { session, roomId, payload }: RoomRequest<object>,
  ): Promise<CommandReply<T>> {
    const { migrationId, ...rest } = payload as { migrationId?: string };
    const nodeId = targetNode(session.membership(roomId), migrationId);
    return this.bus.call(sfuQueue(nodeId), command, { ...rest, roomId, sessionId: session.id } as never);
  }

  /** Forwards a request to the relay that it names. The relay refuses a session without a link to it. Throws NOT_IN_ROOM. */
  async toRelay<T extends RelayCommandType>(
    command: T,
    { session, roomId, payload }: RoomRequest<{ readonly relayId: string }>,
  ): Promise<CommandReply<T>> {
    session.membership(roomId);
    const { relayId, ...rest } = payload;
    return this.bus.call(relayQueue(relayId), command, { ...rest, roomId, sessionId: session.id } as never);
  }
}
