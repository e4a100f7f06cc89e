import {
  addressee,
  type Event,
  FlotillaError,
  type RoomEventPayload,
  type RoomEventType,
  roomEvents,
  safeRead,
} from '@flotilla/contracts';
import type { RoomMetadata } from '../metadata/room-metadata.ts';
import { sessionRevoked } from '../signaling/index.ts';
import type { StreamEvent } from './participant-pages.ts';
import type { RoomMedia } from './room-media.ts';
import type { RoomState } from './room-state.ts';

type Handlers = { readonly [T in RoomEventType]: (payload: RoomEventPayload<T>, from: string) => void };

/** Returns the handler of events that the server sends. Events of other rooms and of unknown types are dropped. */
export function roomEventHandler(state: RoomState, media: RoomMedia, metadata: RoomMetadata): (event: Event) => void {
  const handlers = roomEventHandlers(state, media, metadata);
  return ({ type, to, from, payload, seq }) => {
    if (!state.isOpen || addressee('room', to) !== state.info?.id || !Object.hasOwn(roomEvents, type)) return;
    const parsed = safeRead(roomEvents[type as RoomEventType], payload);
    if (!parsed.success) return;
    if (seq !== undefined) state.pages.note({ seq, type, payload: parsed.data } as StreamEvent);
    (handlers[type as RoomEventType] as (payload: unknown, from: string) => void)(parsed.data, from);
  };
}

function roomEventHandlers(state: RoomState, media: RoomMedia, metadata: RoomMetadata): Handlers {
  return {
    participant_joined: ({ participant }) => state.addParticipant(participant),
    participant_left: ({ participantId, reason }) => {
      if (participantId !== state.me.id) return state.removeParticipant(participantId, reason);
      // The connection is closed with the same error; either may come first.
      if (reason === 'revoked') return state.close(sessionRevoked());
      const removed = reason === 'removed' ? 'you were removed from the room' : 'you are no longer in the room';
      state.close(new FlotillaError('NOT_IN_ROOM', removed));
    },
    participant_connection: ({ participantId, connection }) =>
      state.setParticipantConnection(participantId, connection),
    grants_changed: ({ participantId, grants }) => state.setGrants(participantId, grants),
    publication_added: ({ publication }) => state.putPublication(publication),
    publication_updated: ({ publication }) => state.putPublication(publication),
    publication_removed: ({ participantId, publicationId, reason }) => {
      if (participantId !== state.me.id) state.removePublication(participantId, publicationId);
      else if (reason) media.localPublications.endedByServer(publicationId, reason);
    },
    speakers: ({ nodeId, speakers }) =>
      state.setSpeakers(nodeId, new Map(speakers.map(({ participantId, level }) => [participantId, level]))),
    active_speaker: ({ participantId }) => state.emit('activeSpeakerChanged', participantId),
    message: ({ data }, from) => state.emit('message', data, from, state.participants.get(from)),
    media_lost: ({ participantIds, nodeId }) => {
      // A node that is reserved but not used yet is replaced when it is needed.
      if (state.mediaMode === 'sfu' && participantIds.includes(state.me.id)) media.sfu.mediaLost(nodeId);
    },
    media_mode: ({ mediaMode }) => {
      if (mediaMode === 'sfu') media.changeToSfu();
    },
    negotiation: (part, from) => media.directCall?.receive(from, part),
    migrate: (migration) => void media.sfu.migrate(migration),
    migration_rolled_back: ({ migrationId }) => media.sfu.migrationRolledBack(migrationId),
    participant_moved: ({ participantId, migrationId }) => {
      // Without a migration, its node was lost: media_lost follows.
      if (participantId === state.me.id && migrationId) media.sfu.migrationCommitted(migrationId);
    },
    subscriptions_ended: ({ nodeId, publicationIds }) => media.sfu.subscriptionsEnded(nodeId, publicationIds),
    subscribed_layers: (layers) => media.sfu.subscribedLayers.apply(layers),
    subscriptions_limited: ({ transportId, publicationIds }) =>
      media.sfu.subscriptionsLimited(transportId, publicationIds),
    // The peer connections of the SDK detect it as well, and restart ICE.
    transport_disconnected: () => undefined,
    metadata_moved: ({ relayId, reason }) => void metadata.moved(relayId, reason),
    room_deleted: () => state.close(new FlotillaError('ROOM_NOT_FOUND', 'the room was deleted')),
  };
}
