import { roomIdOf } from '@flotilla/store';
import type { Negotiations } from '../negotiation/negotiations.ts';
import type { IceServers } from '../rooms/ice-servers.ts';
import { observeMediaReport } from '../rooms/media-reports.ts';
import type { Memberships } from '../rooms/memberships.ts';
import type { MetadataLinks } from '../rooms/metadata-links.ts';
import type { TopologyStream } from '../topology/topology-stream.ts';
import type { MessageRequests } from './message-requests.ts';
import type { MigrationRequests } from './migration-requests.ts';
import type { NodeRequests } from './node-requests.ts';
import { ReplyThen, type RequestHandlers } from './request-handler.ts';
import type { RoomChanges } from '../rooms/room-changes.ts';
import type { RoomRequests } from './room-requests.ts';
import type { TokenRequests } from './token-requests.ts';

export interface RequestServices {
  readonly rooms: RoomRequests;
  readonly memberships: Memberships;
  readonly nodes: NodeRequests;
  readonly messages: MessageRequests;
  readonly migrations: MigrationRequests;
  readonly negotiations: Negotiations;
  readonly metadata: MetadataLinks;
  readonly tokens: TokenRequests;
  readonly topology: TopologyStream;
  readonly iceServers: IceServers;
  readonly changes: RoomChanges;
}

interface AboutRoom {
  readonly roomId: string;
}
/** Requests that change the membership of a room, or depend on it. */
const inRoom = ({ roomId }: AboutRoom): string => `room ${roomId}`;
/** Apart from `inRoom`: media must not wait for a relay that does not answer. */
const onMetadataLink = ({ roomId }: AboutRoom): string => `metadata ${roomId}`;
const inNegotiation = ({ roomId, payload }: AboutRoom & { readonly payload: { readonly peer: string } }): string =>
  `negotiation ${roomId} ${payload.peer}`;
/** Requests about one publication: the last of `mute: true, mute: false` decides. */
const onPublication = ({ payload }: { readonly payload: { readonly publicationId: string } }): string =>
  `publication ${payload.publicationId}`;

/** All requests of protocol flotilla.v1. */
export function requestHandlers(services: RequestServices): RequestHandlers {
  const { rooms, memberships, nodes, messages, migrations, negotiations, metadata, tokens, topology } = services;
  const { iceServers, changes } = services;
  return {
    join: {
      orderKey: ({ session, payload }) => inRoom({ roomId: roomIdOf(payload.room, session.tenant) }),
      handle: async (received) => {
        const roomId = roomIdOf(received.payload.room, received.session.tenant);
        const { payload, afterwards } = await changes.run('join', { ...received, roomId }, () => rooms.join(received));
        return new ReplyThen({ ...payload, ...iceServers.of(received.session) }, afterwards);
      },
    },
    resume: { orderKey: () => 'resume', handle: (received) => rooms.resume(received) },
    list_participants: {
      handle: ({ session, roomId, payload }) => memberships.list(session.membership(roomId), payload.cursor),
    },
    leave: { orderKey: inRoom, handle: (received) => rooms.leave(received) },
    open_media: {
      orderKey: inRoom,
      handle: async ({ session, roomId, payload }) => ({
        ...(await memberships.openMedia(session, session.membership(roomId), payload)),
        ...iceServers.of(session),
      }),
    },
    connect_transport: { handle: (received) => nodes.toSfu('sfu.connect_transport', received) },
    restart_ice: { handle: (received) => nodes.toSfu('sfu.restart_ice', received) },
    publish: {
      handle: (received) => changes.run('publish', received, () => nodes.toSfu('sfu.publish', received)),
    },
    unpublish: { orderKey: onPublication, handle: (received) => nodes.toSfu('sfu.unpublish', received) },
    mute: {
      orderKey: onPublication,
      handle: (received) => changes.run('mute', received, () => nodes.toSfu('sfu.mute', received)),
    },
    subscribe: { handle: (received) => nodes.toSfu('sfu.subscribe', received) },
    unsubscribe: { handle: (received) => nodes.toSfu('sfu.unsubscribe', received) },
    update_subscriptions: { handle: (received) => nodes.toSfu('sfu.update_subscriptions', received) },
    message: { handle: (received) => messages.send(received) },
    migrated: { handle: (received) => migrations.migrated(received) },
    migration_failed: { handle: (received) => migrations.failed(received) },
    migration_report: { handle: (received) => migrations.report(received) },
    media_report: {
      handle: ({ session, roomId, payload }) => {
        observeMediaReport(session.membership(roomId), payload);
        return {};
      },
    },
    negotiate: {
      orderKey: inNegotiation,
      handle: ({ session, roomId, payload }) => negotiations.negotiate(session, roomId, payload),
    },
    'metadata.connect': {
      orderKey: onMetadataLink,
      handle: ({ session, roomId, payload }) => metadata.connect(session, session.membership(roomId), payload),
    },
    'metadata.disconnect': {
      orderKey: onMetadataLink,
      handle: (received) => nodes.toRelay('relay.disconnect', received),
    },
    'metadata.publish': { handle: (received) => nodes.toRelay('relay.publish', received) },
    'metadata.unpublish': { handle: (received) => nodes.toRelay('relay.unpublish', received) },
    'metadata.subscribe': { handle: (received) => nodes.toRelay('relay.subscribe', received) },
    'metadata.unsubscribe': { handle: (received) => nodes.toRelay('relay.unsubscribe', received) },
    'metadata.report': { handle: (received) => nodes.toRelay('relay.report', received) },
    refresh_token: {
      orderKey: () => 'token',
      handle: async (received) => ({ ...(await tokens.refresh(received)), ...iceServers.of(received.session) }),
    },
    watch_topology: { handle: ({ session }) => new ReplyThen({}, () => topology.watch(session)) },
    unwatch_topology: {
      handle: ({ session }) => {
        topology.unwatch(session);
        return {};
      },
    },
    drill: { handle: (received) => migrations.drill(received) },
    ping: { handle: () => ({}) },
  };
}
