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
import {
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  SubscribeMessage,
  WebSocketGateway,
} from '@nestjs/websockets';
import { tell } from '../delivery/frames.ts';
import { Negotiations } from '../negotiation/negotiations.ts';
import type { NodeDirectory } from '../node-directory.ts';
import { comeBack } from '../rooms/coming-back.ts';
import type { Memberships } from '../rooms/memberships.ts';
import { MetadataLinks } from '../rooms/metadata-links.ts';
import { nodeFor } from '../rooms/moving.ts';
import type { Lifecycle } from '../sessions/lifecycle.ts';
import type { Session } from '../sessions/session.ts';
import type { TopologyFeed } from '../topology/topology-feed.ts';
import { sessionClaims, useToken } from './handshake.ts';
import { type Received, ReplyThen } from './request-dispatcher.ts';
import type { Connected } from './signal.adapter.ts';

/** Longer than the steps of a migration that the registry answers after. */
const rehearsalTimeoutMs = 10_000;

/** What the handlers work with. */
export interface SignalContext {
  readonly fleet: Fleet;
  readonly lifecycle: Lifecycle;
  readonly memberships: Memberships;
  readonly nodes: NodeDirectory;
  readonly topology: TopologyFeed;
  readonly verifier: TokenVerifier;
  readonly settings: { readonly resumeWindowSeconds: number; readonly heartbeatSeconds: number };
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
export class SignalGateway implements OnGatewayConnection {
  readonly #bus: CommandBus;
  readonly #negotiations: Negotiations;
  readonly #metadata: MetadataLinks;

  constructor(@Inject(SIGNAL_CONTEXT) private readonly context: SignalContext) {
    this.#bus = context.fleet.bus;
    this.#negotiations = new Negotiations(context.fleet.store.rooms);
    this.#metadata = new MetadataLinks(this.#bus, context.fleet.store.relays, context.log);
  }

  async handleConnection(session: Session, { resumeToken }: Connected): Promise<void> {
    const { resumeWindowSeconds, heartbeatSeconds } = this.context.settings;
    // Who comes back has them: they are most of this message.
    const rtpCapabilities = session.resumed ? undefined : await this.context.nodes.rtpCapabilities();
    tell(session, 'welcome', {
      sessionId: session.id,
      resumed: session.resumed,
      resumeToken,
      resumeWindowSeconds,
      heartbeatSeconds,
      expiresAt: session.identity.expiresAt,
      offsets: session.resumed
        ? {}
        : { [userAddress(session.identity.userId)]: session.inbox.after, '*': session.broadcasts.after },
      ...(rtpCapabilities && { rtpCapabilities }),
    });
  }

  @SubscribeMessage('join')
  async join(
    @ConnectedSocket() session: Session,
    @MessageBody() { payload }: Received<'join'>,
  ): Promise<ReplyThen<ReplyPayload<'join'>>> {
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
  async resume(
    @ConnectedSocket() session: Session,
    @MessageBody() { payload }: Received<'resume'>,
  ): Promise<ReplyThen<ReplyPayload<'resume'>>> {
    const { fleet, lifecycle } = this.context;
    const [missed, back] = await Promise.all([
      lifecycle.mail.catchUp(session, payload.offsets),
      comeBack(session, payload.offsets, fleet),
    ]);
    return new ReplyThen({ rooms: back.map(({ reply }) => reply), missed }, () => {
      for (const { reply, attachAt } of back) this.#attach(session, reply.roomId, attachAt);
    });
  }

  @SubscribeMessage('leave')
  async leave(
    @ConnectedSocket() session: Session,
    @MessageBody() { roomId }: Received<'leave'>,
  ): Promise<ReplyPayload<'leave'>> {
    session.membership(roomId);
    this.context.lifecycle.feeds.detach(roomId, session);
    await this.context.memberships.leave(session, roomId, 'left');
    return {};
  }

  @SubscribeMessage('open_media')
  async openMedia(
    @ConnectedSocket() session: Session,
    @MessageBody() { roomId, payload }: Received<'open_media'>,
  ): Promise<ReplyPayload<'open_media'>> {
    return this.context.memberships.openMedia(session, session.membership(roomId), payload);
  }

  @SubscribeMessage('connect_transport')
  connectTransport(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'connect_transport'>,
  ): Promise<ReplyPayload<'connect_transport'>> {
    return this.#toNode(session, 'sfu.connect_transport', received);
  }

  @SubscribeMessage('restart_ice')
  restartIce(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'restart_ice'>,
  ): Promise<ReplyPayload<'restart_ice'>> {
    return this.#toNode(session, 'sfu.restart_ice', received);
  }

  @SubscribeMessage('publish')
  publish(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'publish'>,
  ): Promise<ReplyPayload<'publish'>> {
    const { participantId } = session.membership(received.roomId);
    return this.#toNode(
      session,
      'sfu.publish',
      { ...received, payload: { ...received.payload, participantId } },
      'publish',
    );
  }

  @SubscribeMessage('unpublish')
  unpublish(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'unpublish'>,
  ): Promise<ReplyPayload<'unpublish'>> {
    return this.#toNode(session, 'sfu.unpublish', received, 'publish');
  }

  @SubscribeMessage('mute')
  mute(@ConnectedSocket() session: Session, @MessageBody() received: Received<'mute'>): Promise<ReplyPayload<'mute'>> {
    return this.#toNode(session, 'sfu.mute', received, 'publish');
  }

  @SubscribeMessage('subscribe')
  subscribe(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'subscribe'>,
  ): Promise<ReplyPayload<'subscribe'>> {
    return this.#toNode(session, 'sfu.subscribe', received, 'subscribe');
  }

  @SubscribeMessage('unsubscribe')
  unsubscribe(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'unsubscribe'>,
  ): Promise<ReplyPayload<'unsubscribe'>> {
    return this.#toNode(session, 'sfu.unsubscribe', received);
  }

  @SubscribeMessage('update_subscriptions')
  updateSubscriptions(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'update_subscriptions'>,
  ): Promise<ReplyPayload<'update_subscriptions'>> {
    return this.#toNode(session, 'sfu.update_subscriptions', received);
  }

  @SubscribeMessage('message')
  async message(
    @ConnectedSocket() session: Session,
    @MessageBody() { roomId, to, payload }: Received<'message'>,
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
    @ConnectedSocket() session: Session,
    @MessageBody() { roomId, payload }: Received<'metadata.connect'>,
  ): Promise<ReplyPayload<'metadata.connect'>> {
    return this.#metadata.connect(session, session.membership(roomId), payload);
  }

  @SubscribeMessage('metadata.disconnect')
  metadataDisconnect(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'metadata.disconnect'>,
  ): Promise<ReplyPayload<'metadata.disconnect'>> {
    return this.#toRelay(session, 'relay.disconnect', received);
  }

  @SubscribeMessage('metadata.publish')
  metadataPublish(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'metadata.publish'>,
  ): Promise<ReplyPayload<'metadata.publish'>> {
    return this.#toRelay(session, 'relay.publish', received, 'publish');
  }

  @SubscribeMessage('metadata.unpublish')
  metadataUnpublish(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'metadata.unpublish'>,
  ): Promise<ReplyPayload<'metadata.unpublish'>> {
    return this.#toRelay(session, 'relay.unpublish', received, 'publish');
  }

  @SubscribeMessage('metadata.subscribe')
  metadataSubscribe(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'metadata.subscribe'>,
  ): Promise<ReplyPayload<'metadata.subscribe'>> {
    return this.#toRelay(session, 'relay.subscribe', received, 'subscribe');
  }

  @SubscribeMessage('metadata.unsubscribe')
  metadataUnsubscribe(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'metadata.unsubscribe'>,
  ): Promise<ReplyPayload<'metadata.unsubscribe'>> {
    return this.#toRelay(session, 'relay.unsubscribe', received);
  }

  @SubscribeMessage('metadata.report')
  metadataReport(
    @ConnectedSocket() session: Session,
    @MessageBody() received: Received<'metadata.report'>,
  ): Promise<ReplyPayload<'metadata.report'>> {
    return this.#toRelay(session, 'relay.report', received);
  }

  @SubscribeMessage('refresh_token')
  async refreshToken(
    @ConnectedSocket() session: Session,
    @MessageBody() { payload }: Received<'refresh_token'>,
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
  watchTopology(@ConnectedSocket() session: Session): ReplyThen<ReplyPayload<'watch_topology'>> {
    session.requireGrant('admin');
    return new ReplyThen({}, () => this.context.topology.watch(session));
  }

  @SubscribeMessage('unwatch_topology')
  unwatchTopology(@ConnectedSocket() session: Session): ReplyPayload<'unwatch_topology'> {
    this.context.topology.unwatch(session);
    return {};
  }

  @SubscribeMessage('negotiate')
  negotiate(
    @ConnectedSocket() session: Session,
    @MessageBody() { roomId, payload }: Received<'negotiate'>,
  ): Promise<ReplyPayload<'negotiate'>> {
    return this.#negotiations.negotiate(session, roomId, payload);
  }

  @SubscribeMessage('migrated')
  async migrated(
    @ConnectedSocket() session: Session,
    @MessageBody() { roomId, payload }: Received<'migrated'>,
  ): Promise<ReplyPayload<'migrated'>> {
    const membership = session.membership(roomId);
    await this.#bus.call(registryQueue, 'registry.migrated', { ...payload, roomId, sessionId: session.id });
    // The room's stream says so as well, perhaps later than the client's next request.
    if (membership.migration?.id === payload.migrationId) membership.nodeId = membership.migration.toNode;
    return {};
  }

  @SubscribeMessage('migration_failed')
  async migrationFailed(
    @ConnectedSocket() session: Session,
    @MessageBody() { roomId, payload }: Received<'migration_failed'>,
  ): Promise<ReplyPayload<'migration_failed'>> {
    session.membership(roomId);
    return this.#bus.call(registryQueue, 'registry.migration_failed', { ...payload, roomId, sessionId: session.id });
  }

  @SubscribeMessage('migration_report')
  async migrationReport(
    @ConnectedSocket() session: Session,
    @MessageBody() { roomId, payload }: Received<'migration_report'>,
  ): Promise<ReplyPayload<'migration_report'>> {
    session.membership(roomId);
    return this.#bus.call(registryQueue, 'registry.migration_report', { ...payload, sessionId: session.id });
  }

  @SubscribeMessage('rehearse')
  async rehearse(
    @ConnectedSocket() session: Session,
    @MessageBody() { payload: rehearsal }: Received<'rehearse'>,
  ): Promise<ReplyPayload<'rehearse'>> {
    session.requireGrant('admin');
    const by = userAddress(session.identity.userId);
    return this.#bus.call(registryQueue, 'registry.rehearse', { rehearsal, by }, { timeoutMs: rehearsalTimeoutMs });
  }

  @SubscribeMessage('ping')
  ping(): ReplyPayload<'ping'> {
    return {};
  }

  /** Passes a request on to the relay it names. What the session has no link to, it can't do anything with. */
  async #toRelay<T extends RelayCommandType>(
    session: Session,
    command: T,
    { roomId, payload }: { roomId: string; payload: { relayId: string } },
    grant?: Grant,
  ): Promise<CommandReply<T>> {
    if (grant) session.requireGrant(grant);
    session.membership(roomId);
    const { relayId, ...rest } = payload;
    return this.#bus.call(relayQueue(relayId), command, { ...rest, roomId, sessionId: session.id } as never);
  }

  /** Passes a request on to the node that has the session's media in that room. */
  async #toNode<T extends SfuCommandType>(
    session: Session,
    command: T,
    { roomId, payload }: { roomId: string; payload: object },
    grant?: Grant,
  ): Promise<CommandReply<T>> {
    if (grant) session.requireGrant(grant);
    const { migrationId, ...rest } = payload as { migrationId?: string };
    const nodeId = nodeFor(session.membership(roomId), migrationId);
    return this.#bus.call(sfuQueue(nodeId), command, { ...rest, roomId, sessionId: session.id } as never);
  }
}
