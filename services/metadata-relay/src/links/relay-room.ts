import {
  type EventLog,
  type RoomEventEntry,
  type StreamSubscription,
  subscribeToRoom,
  roomStream,
} from '@flotilla/bus';
import {
  type ChannelKind,
  compareOffsets,
  FlotillaError,
  type LeaveReason,
  type LinkReport,
  type Offset,
  mayHaveMedia,
  mediaGrants,
  type RoomEventPayload,
  type RoomGrant,
  startOfStream,
  type TopicDeclaration,
  type TopicInfo,
  type TopicSelection,
} from '@flotilla/contracts';
import type { PooledWorker } from '@flotilla/media';
import { type Logger, retry } from '@flotilla/runtime';
import type { RelayStore, RoomStore } from '@flotilla/store';
import type { DataProducer, DirectTransport, DtlsParameters, Router } from 'mediasoup/types';
import { RoomExchange } from '../peers/room-exchange.ts';
import { RetainedWriter } from '../peers/retained-writer.ts';
import type { Outlet } from '../routing/outlet.ts';
import type { LinkLimits } from '../routing/link-state.ts';
import type { RoutingClock } from '../routing/link-channels.ts';
import { RoomRouting } from '../routing/room-routing.ts';
import { asBuffer, ClientLink } from './client-link.ts';

/** Dependencies of a room. */
export interface RelayRoomDeps {
  readonly relayId: string;
  readonly events: EventLog;
  readonly relays: RelayStore;
  readonly rooms: RoomStore;
  readonly limits: LinkLimits;
  readonly roomBytesPerSecond: number;
  readonly clock: RoutingClock;
  readonly log: Logger;
}

const tickMs = 100;

/** How long a read of publishers is attempted while the store is unavailable, in ms. */
const readForMs = 60_000;

/** Why a participant leaves whose retained values are deleted. */
const barring: ReadonlySet<LeaveReason> = new Set(['removed', 'revoked']);

/** A session's link, and what its participant may do. */
interface GrantedLink {
  readonly link: ClientLink;
  readonly participantId: string;
  /** Empty until it is read, with the grants. */
  userId: string;
  /** None until the first ones are read. */
  grants: readonly RoomGrant[];
  /** Position of the state or the event that they are from. */
  grantsAt: Offset;
}

/** The links of a room on this relay, with their router and its direct transport to this process. `RoomRouting` decides what is sent. */
export class RelayRoom {
  /** By session id. */
  readonly #links = new Map<string, GrantedLink>();
  readonly #routing: RoomRouting;
  readonly #exchange: RoomExchange;
  readonly #writer: RetainedWriter;
  readonly #timer: NodeJS.Timeout;
  #roomEvents!: StreamSubscription;
  /** For each running read of absent or barred publishers, those that were admitted since it began. */
  readonly #reads = new Set<Set<string>>();
  /** For each running read of reconnecting publishers, those that connected since it began. */
  readonly #connectionReads = new Set<Set<string>>();
  /** Number of links that are being opened. */
  #opening = 0;
  #closed = false;

  private constructor(
    readonly id: string,
    readonly worker: PooledWorker,
    private readonly router: Router,
    private readonly direct: DirectTransport,
    private readonly source: DataProducer,
    private readonly deps: RelayRoomDeps,
    private readonly onEmpty: (room: RelayRoom) => void,
    private readonly log: Logger,
  ) {
    this.#writer = new RetainedWriter(id, deps.relays, log);
    this.#routing = new RoomRouting(this.#outlet(), deps, deps.clock);
    this.#exchange = new RoomExchange(
      id,
      deps.relayId,
      deps.events,
      deps.relays,
      log,
      (routed) => this.#routing.receiveRemote(routed),
      (value) => this.#routing.forgetRemote(value),
      (shared) => this.#routing.share(shared),
    );
    this.#timer = setInterval(() => this.#routing.channels.tick(), tickMs);
  }

  /** Creates the router, subscribes to the room's events and restores its retained messages. */
  static async open(
    id: string,
    worker: PooledWorker,
    deps: RelayRoomDeps,
    onEmpty: (room: RelayRoom) => void,
  ): Promise<RelayRoom> {
    const { events, relays, log } = deps;
    const offset = await events.lastOffset(roomStream(id));
    const router = await worker.worker.createRouter();
    const direct = await router.createDirectTransport();
    const source = await direct.produceData();
    const room = new RelayRoom(id, worker, router, direct, source, deps, onEmpty, log.child({ roomId: id }));
    room.#roomEvents = subscribeToRoom(
      events,
      id,
      offset,
      (entries) => {
        for (const entry of entries) room.#onEvent(entry);
      },
      () => room.#onMissed(),
    );
    try {
      // The exchange starts first, so that it delivers messages retained after the read below.
      await room.#exchange.start();
      if (room.#closed) throw new FlotillaError('METADATA_NOT_OPEN', 'the room was closed while it was opened');
      room.#routing.restore(await relays.retained(id));
      await room.#readAbsent();
      return room;
    } catch (error) {
      room.close();
      throw error;
    }
  }

  #outlet(): Outlet {
    const linkOf = (sessionId: string): ClientLink | undefined => this.#links.get(sessionId)?.link;
    return {
      fanOut: (frame, subchannel) => {
        if (!this.#closed) this.source.send(asBuffer(frame), undefined, [subchannel]);
      },
      send: (sessionId, channel, frame) => linkOf(sessionId)?.send(channel, frame),
      addSubchannel: (sessionId, channel, subchannel) => linkOf(sessionId)?.addSubchannel(channel, subchannel),
      removeSubchannel: (sessionId, channel, subchannel) => linkOf(sessionId)?.removeSubchannel(channel, subchannel),
      pause: (sessionId, channel) => linkOf(sessionId)?.pause(channel),
      resume: (sessionId, channel) => linkOf(sessionId)?.resume(channel),
      queryBuffered: (sessionId, channel) => this.#queryBuffered(sessionId, channel),
      disconnect: (sessionId, reason) => {
        this.log.warn({ sessionId, reason }, 'link closed');
        linkOf(sessionId)?.close();
      },
      forward: (routed) => this.#exchange.forward(routed),
      retain: (message) => this.#writer.retain(message),
      forget: (value) => {
        this.#writer.forget(value);
        this.#exchange.forget(value);
      },
      cancel: (publisherId) => this.#writer.cancel(publisherId),
    };
  }

  #queryBuffered(sessionId: string, channel: ChannelKind): void {
    this.#links
      .get(sessionId)
      ?.link.bufferedAmount(channel)
      .then(
        (bytes) => this.#routing.channels.onBuffered(sessionId, channel, bytes),
        // The link is closing.
        () => undefined,
      );
  }

  #onEvent({ offset, event }: RoomEventEntry): void {
    if (event.type === 'room_deleted') this.close();
    if (event.type === 'participant_joined') {
      this.#routing.join(event.payload.participant.id);
      this.#exclude(event.payload.participant.id, this.#reads);
    }
    if (event.type === 'participant_connection') this.#updateConnection(event.payload);
    if (event.type !== 'participant_left' && event.type !== 'grants_changed') return;
    this.#updatePublisher(event);
    for (const [sessionId, granted] of this.#links) {
      if (granted.participantId !== event.payload.participantId) continue;
      if (event.type === 'participant_left') this.disconnect(sessionId);
      else this.#applyGrants(sessionId, granted, event.payload.grants, offset);
    }
  }

  /** Retained values end with the right to publish, and stay when their publisher leaves. */
  #updatePublisher(event: Extract<RoomEventEntry['event'], { type: 'participant_left' | 'grants_changed' }>): void {
    const { participantId } = event.payload;
    if (event.type === 'grants_changed' && event.payload.grants.includes('publish')) {
      this.#routing.admit(participantId);
      return this.#exclude(participantId, this.#reads);
    }
    if (event.type === 'participant_left' && !barring.has(event.payload.reason))
      return this.#routing.leave([participantId]);
    this.#routing.bar([participantId]);
    // Its user may have been other participants before.
    this.#readWhenAvailable(() => this.#readBarred());
  }

  #updateConnection({ participantId, connection }: RoomEventPayload<'participant_connection'>): void {
    if (connection === 'reconnecting') return this.#routing.detach([participantId]);
    this.#routing.attach(participantId);
    this.#exclude(participantId, this.#connectionReads);
  }

  #exclude(publisherId: string, reads: Set<Set<string>>): void {
    for (const excluded of reads) excluded.add(publisherId);
  }

  /** What is read of the publishers, without those that events exclude from these reads meanwhile. */
  async #readPublishers(read: () => Promise<string[]>, reads = this.#reads): Promise<string[]> {
    const excluded = new Set<string>();
    reads.add(excluded);
    try {
      const found = await read();
      return this.#closed ? [] : found.filter((id) => !excluded.has(id));
    } finally {
      reads.delete(excluded);
    }
  }

  #readWhenAvailable(read: () => Promise<void>): void {
    retry(read, { forMs: readForMs }).catch((error: unknown) => this.log.warn({ err: error }, 'publishers not read'));
  }

  async #readBarred(): Promise<void> {
    this.#routing.bar(await this.#readPublishers(() => this.deps.relays.barred(this.id)));
  }

  /** Reads which of the known publishers may publish no more, which have left the room, and which are reconnecting. */
  async #readAbsent(): Promise<void> {
    await this.#readBarred();
    const { publisherIds } = this.#routing;
    this.#routing.leave(await this.#readPublishers(() => this.deps.rooms.absent(this.id, publisherIds)));
    this.#routing.detach(
      await this.#readPublishers(() => this.deps.rooms.reconnecting(this.id), this.#connectionReads),
    );
  }

  /** Closes all links: the clients of those that may have one open another. What is known of publishers is read again. */
  #onMissed(): void {
    for (const sessionId of [...this.#links.keys()]) this.disconnect(sessionId);
    if (this.#closed) return;
    this.#routing.resync();
    this.#readWhenAvailable(() => this.#readAbsent());
  }

  /** Replaces older grants. A link that loses one is closed: its client opens another, with what it may still have. */
  #applyGrants(sessionId: string, granted: GrantedLink, grants: readonly RoomGrant[], offset: Offset): void {
    if (compareOffsets(offset, granted.grantsAt) < 0) return;
    const isLost = mediaGrants.some((grant) => granted.grants.includes(grant) && !grants.includes(grant));
    granted.grants = grants;
    granted.grantsAt = offset;
    if (isLost) this.disconnect(sessionId);
  }

  /** Reads the grants of a link that receives events already. Throws NOT_IN_ROOM, FORBIDDEN. */
  async #readGrants(sessionId: string, granted: GrantedLink): Promise<void> {
    const found = await this.deps.rooms.memberAt(this.id, granted.participantId);
    if (!found) throw new FlotillaError('NOT_IN_ROOM');
    granted.userId = found.member.userId;
    this.#applyGrants(sessionId, granted, found.member.grants, found.offset);
    if (!mayHaveMedia(granted.grants))
      throw new FlotillaError('FORBIDDEN', 'the participant has neither the grant "publish" nor "subscribe"');
  }

  /** Throws METADATA_NOT_OPEN, FORBIDDEN. */
  #requireGrant(sessionId: string, grant: RoomGrant): void {
    const granted = this.#links.get(sessionId);
    if (!granted) throw new FlotillaError('METADATA_NOT_OPEN');
    if (!granted.grants.includes(grant))
      throw new FlotillaError('FORBIDDEN', `the participant does not have the grant "${grant}"`);
  }

  /** Number of links, including those being opened. */
  get size(): number {
    return this.#links.size + this.#opening;
  }

  get sessionIds(): string[] {
    return [...this.#links.keys()];
  }

  /** Opens a link and closes the previous one of the session. */
  async connect(
    sessionId: string,
    participantId: string,
    dtlsParameters: DtlsParameters,
  ): Promise<ClientLink['parameters']> {
    this.#opening++;
    try {
      this.disconnect(sessionId);
      const link: ClientLink = await ClientLink.open({
        id: sessionId,
        router: this.router,
        webRtcServer: this.worker.webRtcServer,
        direct: this.direct,
        source: this.source,
        dtlsParameters,
        events: {
          onReady: () => this.#routing.onReady(sessionId),
          onFrame: (channel, frame) => this.#routing.receive(sessionId, channel, frame),
          onOverflow: (channel) => this.#routing.channels.onOverflow(sessionId, channel),
          onClosed: () => this.#onClosed(link),
        },
      });
      // Meanwhile the session may have opened another link, or the room may have been closed.
      this.disconnect(sessionId);
      if (this.#closed) {
        link.close();
        throw new FlotillaError('METADATA_NOT_OPEN', 'the room was closed while the link was opened');
      }
      const granted: GrantedLink = { link, participantId, userId: '', grants: [], grantsAt: startOfStream };
      this.#links.set(sessionId, granted);
      try {
        await this.#readGrants(sessionId, granted);
        // Meanwhile the link may have been closed, or replaced by another one.
        if (this.#links.get(sessionId) !== granted)
          throw new FlotillaError('METADATA_NOT_OPEN', 'the link was closed while it was opened');
        this.#routing.open(sessionId, participantId, granted.userId);
      } catch (error) {
        link.close();
        throw error;
      }
      return link.parameters;
    } finally {
      this.#opening--;
      this.#closeIfEmpty();
    }
  }

  disconnect(sessionId: string): void {
    this.#links.get(sessionId)?.link.close();
  }

  #onClosed(link: ClientLink): void {
    // After the worker has died, the relay still needs the session ids to notify them.
    if (this.#links.get(link.id)?.link !== link || this.worker.worker.died) return;
    this.#links.delete(link.id);
    this.#routing.close(link.id);
    this.#closeIfEmpty();
  }

  #closeIfEmpty(): void {
    if (this.size === 0) this.onEmpty(this);
  }

  publish(sessionId: string, declaration: TopicDeclaration): TopicInfo {
    this.#requireGrant(sessionId, 'publish');
    return this.#routing.publish(sessionId, declaration);
  }

  unpublish(sessionId: string, topic: string): void {
    this.#routing.unpublish(sessionId, topic);
  }

  subscribe(sessionId: string, topics: TopicSelection): TopicInfo[] {
    this.#requireGrant(sessionId, 'subscribe');
    return this.#routing.subscribe(sessionId, topics);
  }

  unsubscribe(sessionId: string, topics: TopicSelection): void {
    this.#routing.unsubscribe(sessionId, topics);
  }

  report(sessionId: string, report: LinkReport): void {
    this.#routing.report(sessionId, report);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#roomEvents.stop();
    this.#exchange.stop();
    this.#writer.close();
    this.#routing.end();
    for (const { link } of [...this.#links.values()]) link.close();
    this.router.close();
    this.onEmpty(this);
  }
}
