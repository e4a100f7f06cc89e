import type { TokenVerifier } from '@flotilla/auth';
import { appendNextRoomEvent, type CommandBus } from '@flotilla/bus';
import {
  addressee,
  type CommandReply,
  FlotillaError,
  type Grant,
  registryQueue,
  type RelayCommandType,
  relayQueue,
  type ReplyPayload,
  type RoomEvent,
  type SfuCommandType,
  sfuQueue,
  userAddress,
} from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Fleet } from '@flotilla/store';
import { type ArgumentsHost, Catch, type ExceptionFilter, Inject, UseFilters } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Negotiations } from '../negotiation/negotiations.ts';
import { resumeRooms } from '../rooms/resumed-rooms.ts';
import type { Memberships } from '../rooms/memberships.ts';
import { MetadataLinks } from '../rooms/metadata-links.ts';
import { nodeFor } from '../rooms/migration-routing.ts';
import type { Lifecycle } from '../sessions/lifecycle.ts';
import type { Session } from '../sessions/session.ts';
import type { TopologyStream } from '../topology/topology-stream.ts';
import { sessionClaims, useToken } from './handshake.ts';
import { type Received, ReplyThen } from './request-dispatcher.ts';

/** Longer than the steps of a migration that the registry answers after. */
const drillTimeoutMs = 10_000;

/** What the handlers work with. */
export interface SignalContext {
  readonly fleet: Fleet;
  readonly lifecycle: Lifecycle;
  readonly memberships: Memberships;
  readonly topology: TopologyStream;
  readonly verifier: TokenVerifier;
  readonly log: Logger;
}
export const SIGNAL_CONTEXT = Symbol('signal context');

/** Lets failures through to the dispatcher, which answers them; Nest would answer in a shape of its own. */
@Catch()
class PassOn implements ExceptionFilter {
  catch(error: unknown, _host: ArgumentsHost): never {
    throw error;
  }
}

/** The requests of protocol flotilla.v1: each is checked against its session and passed to who can answer it. */
@WebSocketGateway()
@UseFilters(PassOn)
export class SignalGateway {
  readonly #bus: CommandBus;
  readonly #negotiations: Negotiations;
  readonly #metadata: MetadataLinks;

  constructor(@Inject(SIGNAL_CONTEXT) private readonly context: SignalContext) {
    this.#bus = context.fleet.bus;
    this.#negotiations = new Negotiations(context.fleet.store.rooms);
    this.#metadata = new MetadataLinks(this.#bus, context.fleet.store.relays, context.log);
  }

  @SubscribeMessage('join')
  async join(@MessageBody() { session, payload }: Received<'join'>): Promise<ReplyThen<ReplyPayload<'join'>>> {
    const reply = await this.context.memberships.join(session, payload);
    const { room, offset } = reply.snapshot;
    return new ReplyThen(reply, () => this.#attach(session, room.id, offset));
  }

  /** Sends what happens in the room from the offset on. If even that is gone already, the session has to begin again. */
  #attach(session: Session, roomId: string, offset: string): void {
    if (!session.isOpen || !session.rooms.has(roomId)) return;
    this.context.lifecycle.feeds.attach(roomId, session, offset).then(
      (complete) => complete || session.close('SERVICE_RESTART', 'events were missed, resume'),
      (error: unknown) => {
        this.context.log.warn({ err: error, sessionId: session.id, roomId }, 'missed events could not be read');
        session.close('SERVICE_RESTART', 'events could not be read, resume');
      },
    );
  }

  @SubscribeMessage('resume')
  async resume(@MessageBody() { session, payload }: Received<'resume'>): Promise<ReplyThen<ReplyPayload<'resume'>>> {
    const { fleet, lifecycle } = this.context;
    const [missed, back] = await Promise.all([
      lifecycle.mail.catchUp(session, payload.offsets),
      resumeRooms(session, payload.offsets, lifecycle.feeds, fleet),
    ]);
    return new ReplyThen({ rooms: back.map(({ reply }) => reply), missed }, () => {
      for (const { reply, attachAt } of back) this.#attach(session, reply.roomId, attachAt);
    });
  }

  @SubscribeMessage('leave')
  async leave(@MessageBody() { session, roomId }: Received<'leave'>): Promise<ReplyPayload<'leave'>> {
    session.membership(roomId);
    this.context.lifecycle.feeds.detach(roomId, session);
    await this.context.memberships.leave(session, roomId, 'left');
    return {};
  }

  @SubscribeMessage('open_media')
  async openMedia(
    @MessageBody() { session, roomId, payload }: Received<'open_media'>,
  ): Promise<ReplyPayload<'open_media'>> {
    return this.context.memberships.openMedia(session, session.membership(roomId), payload);
  }

  @SubscribeMessage('connect_transport')
  connectTransport(@MessageBody() received: Received<'connect_transport'>): Promise<ReplyPayload<'connect_transport'>> {
    return this.#toNode('sfu.connect_transport', received);
  }

  @SubscribeMessage('restart_ice')
  restartIce(@MessageBody() received: Received<'restart_ice'>): Promise<ReplyPayload<'restart_ice'>> {
    return this.#toNode('sfu.restart_ice', received);
  }

  @SubscribeMessage('publish')
  publish(@MessageBody() received: Received<'publish'>): Promise<ReplyPayload<'publish'>> {
    const { participantId } = received.session.membership(received.roomId);
    return this.#toNode('sfu.publish', { ...received, payload: { ...received.payload, participantId } }, 'publish');
  }

  @SubscribeMessage('unpublish')
  unpublish(@MessageBody() received: Received<'unpublish'>): Promise<ReplyPayload<'unpublish'>> {
    return this.#toNode('sfu.unpublish', received, 'publish');
  }

  @SubscribeMessage('mute')
  mute(@MessageBody() received: Received<'mute'>): Promise<ReplyPayload<'mute'>> {
    return this.#toNode('sfu.mute', received, 'publish');
  }

  @SubscribeMessage('subscribe')
  subscribe(@MessageBody() received: Received<'subscribe'>): Promise<ReplyPayload<'subscribe'>> {
    return this.#toNode('sfu.subscribe', received, 'subscribe');
  }

  @SubscribeMessage('unsubscribe')
  unsubscribe(@MessageBody() received: Received<'unsubscribe'>): Promise<ReplyPayload<'unsubscribe'>> {
    return this.#toNode('sfu.unsubscribe', received);
  }

  @SubscribeMessage('update_subscriptions')
  updateSubscriptions(
    @MessageBody() received: Received<'update_subscriptions'>,
  ): Promise<ReplyPayload<'update_subscriptions'>> {
    return this.#toNode('sfu.update_subscriptions', received);
  }

  @SubscribeMessage('message')
  async message(
    @MessageBody() { session, roomId, to, payload }: Received<'message'>,
  ): Promise<ReplyPayload<'message'>> {
    const { mail } = this.context.lifecycle;
    if (to === '*') {
      session.requireGrant('broadcast');
      return { seq: await mail.sendToEverybody(session, payload.data) };
    }
    session.requireGrant('data');
    const userId = addressee('user', to);
    if (userId !== undefined) return { seq: await mail.sendToUser(session, userId, payload.data) };
    const membership = session.rooms.get(roomId);
    if (!membership) await this.#requireBridge(session, roomId);
    const event: RoomEvent<'message'> = {
      type: 'message',
      from: membership?.participantId ?? userAddress(session.identity.userId),
      payload: { data: payload.data },
      at: Date.now(),
    };
    const { offset, previous } = await appendNextRoomEvent(this.context.fleet.events, roomId, event);
    this.context.lifecycle.feeds.offer(roomId, previous, { offset, event });
    return { seq: offset };
  }

  /** Into a room one is not in: both the token and the room must allow it. Throws NOT_IN_ROOM, ROOM_NOT_FOUND, FORBIDDEN. */
  async #requireBridge(session: Session, roomId: string): Promise<void> {
    if (!session.identity.bridge.includes(roomId)) throw new FlotillaError('NOT_IN_ROOM');
    const room = await this.context.fleet.store.rooms.get(roomId);
    if (!room) throw new FlotillaError('ROOM_NOT_FOUND');
    if (!room.acceptBridged) throw new FlotillaError('FORBIDDEN', 'this room takes no messages from outside');
  }

  @SubscribeMessage('metadata.connect')
  metadataConnect(
    @MessageBody() { session, roomId, payload }: Received<'metadata.connect'>,
  ): Promise<ReplyPayload<'metadata.connect'>> {
    return this.#metadata.connect(session, session.membership(roomId), payload);
  }

  @SubscribeMessage('metadata.disconnect')
  metadataDisconnect(
    @MessageBody() received: Received<'metadata.disconnect'>,
  ): Promise<ReplyPayload<'metadata.disconnect'>> {
    return this.#toRelay('relay.disconnect', received);
  }

  @SubscribeMessage('metadata.publish')
  metadataPublish(@MessageBody() received: Received<'metadata.publish'>): Promise<ReplyPayload<'metadata.publish'>> {
    return this.#toRelay('relay.publish', received, 'publish');
  }

  @SubscribeMessage('metadata.unpublish')
  metadataUnpublish(
    @MessageBody() received: Received<'metadata.unpublish'>,
  ): Promise<ReplyPayload<'metadata.unpublish'>> {
    return this.#toRelay('relay.unpublish', received, 'publish');
  }

  @SubscribeMessage('metadata.subscribe')
  metadataSubscribe(
    @MessageBody() received: Received<'metadata.subscribe'>,
  ): Promise<ReplyPayload<'metadata.subscribe'>> {
    return this.#toRelay('relay.subscribe', received, 'subscribe');
  }

  @SubscribeMessage('metadata.unsubscribe')
  metadataUnsubscribe(
    @MessageBody() received: Received<'metadata.unsubscribe'>,
  ): Promise<ReplyPayload<'metadata.unsubscribe'>> {
    return this.#toRelay('relay.unsubscribe', received);
  }

  @SubscribeMessage('metadata.report')
  metadataReport(@MessageBody() received: Received<'metadata.report'>): Promise<ReplyPayload<'metadata.report'>> {
    return this.#toRelay('relay.report', received);
  }

  @SubscribeMessage('refresh_token')
  async refreshToken(
    @MessageBody() { session, payload }: Received<'refresh_token'>,
  ): Promise<ReplyPayload<'refresh_token'>> {
    const { sessions } = this.context.fleet.store;
    const claims = await this.context.verifier.verifyRefresh(payload.token, session.identity);
    await useToken(sessions, claims);
    const granted = sessionClaims(claims);
    await sessions.refresh(session.id, granted);
    session.identity = { id: session.id, userId: session.identity.userId, ...granted };
    session.warnedOfExpiry = false;
    return { expiresAt: granted.expiresAt };
  }

  @SubscribeMessage('watch_topology')
  watchTopology(@MessageBody() { session }: Received<'watch_topology'>): ReplyThen<ReplyPayload<'watch_topology'>> {
    session.requireGrant('admin');
    return new ReplyThen({}, () => this.context.topology.watch(session));
  }

  @SubscribeMessage('unwatch_topology')
  unwatchTopology(@MessageBody() { session }: Received<'watch_topology'>): ReplyPayload<'unwatch_topology'> {
    this.context.topology.unwatch(session);
    return {};
  }

  @SubscribeMessage('negotiate')
  negotiate(@MessageBody() { session, roomId, payload }: Received<'negotiate'>): Promise<ReplyPayload<'negotiate'>> {
    return this.#negotiations.negotiate(session, roomId, payload);
  }

  @SubscribeMessage('migrated')
  async migrated(@MessageBody() { session, roomId, payload }: Received<'migrated'>): Promise<ReplyPayload<'migrated'>> {
    const membership = session.membership(roomId);
    await this.#bus.call(registryQueue, 'registry.migrated', { ...payload, roomId, sessionId: session.id });
    // The room's stream says so as well, perhaps later than the client's next request.
    if (membership.migration?.id === payload.migrationId) membership.nodeId = membership.migration.toNode;
    return {};
  }

  @SubscribeMessage('migration_failed')
  async migrationFailed(
    @MessageBody() { session, roomId, payload }: Received<'migration_failed'>,
  ): Promise<ReplyPayload<'migration_failed'>> {
    session.membership(roomId);
    return this.#bus.call(registryQueue, 'registry.migration_failed', { ...payload, roomId, sessionId: session.id });
  }

  @SubscribeMessage('migration_report')
  async migrationReport(
    @MessageBody() { session, roomId, payload }: Received<'migration_report'>,
  ): Promise<ReplyPayload<'migration_report'>> {
    session.membership(roomId);
    return this.#bus.call(registryQueue, 'registry.migration_report', { ...payload, sessionId: session.id });
  }

  @SubscribeMessage('drill')
  async drill(@MessageBody() { session, payload: drill }: Received<'drill'>): Promise<ReplyPayload<'drill'>> {
    session.requireGrant('admin');
    const by = userAddress(session.identity.userId);
    return this.#bus.call(registryQueue, 'registry.drill', { drill, by }, { timeoutMs: drillTimeoutMs });
  }

  @SubscribeMessage('ping')
  ping(): ReplyPayload<'ping'> {
    return {};
  }

  /** Passes a request on to the relay it names. What the session has no link to, it can't do anything with. */
  async #toRelay<T extends RelayCommandType>(
    command: T,
    { session, roomId, payload }: { session: Session; roomId: string; payload: { relayId: string } },
    grant?: Grant,
  ): Promise<CommandReply<T>> {
    if (grant) session.requireGrant(grant);
    session.membership(roomId);
    const { relayId, ...rest } = payload;
    return this.#bus.call(relayQueue(relayId), command, { ...rest, roomId, sessionId: session.id } as never);
  }

  /** Passes a request on to the node that has the session's media in that room. */
  async #toNode<T extends SfuCommandType>(
    command: T,
    { session, roomId, payload }: { session: Session; roomId: string; payload: object },
    grant?: Grant,
  ): Promise<CommandReply<T>> {
    if (grant) session.requireGrant(grant);
    const { migrationId, ...rest } = payload as { migrationId?: string };
    const nodeId = nodeFor(session.membership(roomId), migrationId);
    return this.#bus.call(sfuQueue(nodeId), command, { ...rest, roomId, sessionId: session.id } as never);
  }
}
