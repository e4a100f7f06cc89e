import type { IceServer, RoomGrant, TransportParameters } from '@flotilla/contracts';
import type { ClientDescription } from './description.ts';
import type { FleetSession } from './fleet-session.ts';

/** A WHIP or WHEP session whose media is open. */
export interface Opened {
  readonly session: FleetSession;
  readonly transport: TransportParameters;
  /** Mid of the first section, which tags the bundle. */
  readonly mid: string;
  /** The answer, or a counter-offer that `accept` takes the answer to. */
  readonly description: string;
  readonly iceServers: readonly IceServer[];
  readonly accept?: (answer: ClientDescription) => Promise<void>;
}

/** Ends the session when what it publishes or receives cannot go on. `publicationIds` is reduced by those that end. */
export function endWithMedia(
  session: FleetSession,
  media: {
    readonly grant: RoomGrant;
    readonly transportId: string;
    readonly publicationIds: Set<string>;
    /** A publication has another producer. */
    readonly onReplaced?: (publicationId: string, producerId: string) => void;
  },
): void {
  const { grant, transportId, publicationIds, onReplaced } = media;
  const remove = (ids: readonly string[]): void => {
    const removed = ids.filter((id) => publicationIds.delete(id)).length > 0;
    if (removed && publicationIds.size === 0) session.end('publication_ended');
  };
  session.onRoomEvent = ({ type, payload }) => {
    switch (type) {
      case 'transport_disconnected':
        if (payload.transportId === transportId) session.end('transport_disconnected');
        break;
      case 'grants_changed':
        if (payload.participantId === session.participantId && !payload.grants.includes(grant))
          session.end('grant_lost');
        break;
      case 'participant_left':
        return remove(payload.publicationIds);
      case 'publication_removed':
        return remove([payload.publicationId]);
      case 'publication_updated':
        if (publicationIds.has(payload.publication.id))
          onReplaced?.(payload.publication.id, payload.publication.producerId);
        break;
      default:
    }
  };
}
