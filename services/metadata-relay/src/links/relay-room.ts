import { type EventLog, type StreamSubscription, subscribeToRoom, roomStream } from '@flotilla/bus';
import {
  type ChannelKind,
  FlotillaError,
  type LinkReport,
  type RoomEvent,
  type TopicDeclaration,
  type TopicInfo,
  type TopicSelection,
} from '@flotilla/contracts';
import type { PooledWorker } from '@flotilla/media';
import type { Logger } from '@flotilla/runtime';
import type { RelayStore } from '@flotilla/store';
import type { DataProducer, DirectTransport, DtlsParameters, Router } from 'mediasoup/types';
import { RoomExchange } from '../peers/room-exchange.ts';
import { RetainedWriter } from '../peers/retained-writer.ts';
import type { Outlet } from '../routing/outlet.ts';
import type { Routing } from '../routing/routing.ts';
import { asBuffer, ClientLink } from './client-link.ts';

/** What a room works with. */
export interface RelayRoomDeps {
  readonly relayId: string;
  readonly events: EventLog;
  readonly relays: RelayStore;
  readonly routing: (outlet: Outlet) => Routing;
  readonly log: Logger;
}

const tickMs = 100;

/** A room as far as it has links here: a router, a direct transport to this process, and the links. Its routing decides. */
export class RelayRoom {
  /** By session. */
  readonly #links = new Map<string, { link: ClientLink; participantId: string }>();
  readonly #routing: Routing;
  readonly #exchange: RoomExchange;
  readonly #writer: RetainedWriter;
  readonly #timer: NodeJS.Timeout;
  #following!: StreamSubscription;
  /** Links that are being opened. */
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
    this.#routing = deps.routing(this.#outlet());
    this.#exchange = new RoomExchange(
      id,
      deps.relayId,
      deps.events,
      deps.relays,
      log,
      (routed) => this.#routing.receiveRemote(routed),
      (shared) => this.#routing.share(shared),
    );
    this.#timer = setInterval(() => this.#routing.tick(), tickMs);
  }

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
    room.#following = subscribeToRoom(events, id, offset, (placed) => {
      for (const { event } of placed) room.#onEvent(event);
    });
    // The exchange first: what is retained meanwhile then comes by it.
    await room.#exchange.start();
    room.#routing.restore(await relays.retained(id));
    return room;
  }

  #outlet(): Outlet {
    const linkOf = (sessionId: string): ClientLink | undefined => this.#links.get(sessionId)?.link;
    return {
      fanOut: (frame, subchannel) => {
        if (!this.#closed) this.source.send(asBuffer(frame), undefined, [subchannel]);
      },
      send: (sessionId, channel, frame) => linkOf(sessionId)?.send(channel, frame),
      carry: (sessionId, channel, subchannel, on) => linkOf(sessionId)?.carry(channel, subchannel, on),
      hold: (sessionId, channel, held) => linkOf(sessionId)?.hold(channel, held),
      askBacklog: (sessionId, channel) => this.#askBacklog(sessionId, channel),
      expel: (sessionId, why) => {
        this.log.warn({ sessionId, why }, 'link closed');
        linkOf(sessionId)?.close();
      },
      forward: (routed) => this.#exchange.forward(routed),
      retain: (message) => this.#writer.retain(message),
      forget: (topic, publisherId) => this.#writer.forget(topic, publisherId),
    };
  }

  #askBacklog(sessionId: string, channel: ChannelKind): void {
    this.#links
      .get(sessionId)
      ?.link.backlog(channel)
      .then(
        (bytes) => this.#routing.backlog(sessionId, channel, bytes),
        // It is closing.
        () => undefined,
      );
  }

  #onEvent(event: RoomEvent): void {
    if (event.type === 'room_deleted') this.close();
    if (event.type !== 'participant_left') return;
    for (const [sessionId, { participantId }] of this.#links)
      if (participantId === event.payload.participantId) this.disconnect(sessionId);
  }

  get size(): number {
    return this.#links.size + this.#opening;
  }

  get sessionIds(): string[] {
    return [...this.#links.keys()];
  }

  /** Opens a link, in place of the one the session has. */
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
          onReady: () => this.#routing.ready(sessionId),
          onFrame: (channel, frame) => this.#routing.receive(sessionId, channel, frame),
          onOverflow: (channel) => this.#routing.overflowed(sessionId, channel),
          onClosed: () => this.#onClosed(link),
        },
      });
      // Another one came meanwhile, or the room went.
      this.disconnect(sessionId);
      if (this.#closed) {
        link.close();
        throw new FlotillaError('METADATA_NOT_OPEN', 'the room is gone');
      }
      this.#links.set(sessionId, { link, participantId });
      await this.#routing.open(sessionId, participantId);
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
    // With its worker all are gone: then the relay tells them, and needs to know whom.
    if (this.#links.get(link.id)?.link !== link || this.worker.worker.died) return;
    this.#links.delete(link.id);
    this.#routing.close(link.id);
    this.#closeIfEmpty();
  }

  #closeIfEmpty(): void {
    if (this.size === 0) this.onEmpty(this);
  }

  async publish(sessionId: string, declaration: TopicDeclaration): Promise<TopicInfo> {
    return this.#routing.publish(sessionId, declaration);
  }

  async unpublish(sessionId: string, topic: string): Promise<void> {
    await this.#routing.unpublish(sessionId, topic);
  }

  async subscribe(sessionId: string, topics: TopicSelection): Promise<TopicInfo[]> {
    return this.#routing.subscribe(sessionId, topics);
  }

  async unsubscribe(sessionId: string, topics: TopicSelection): Promise<void> {
    await this.#routing.unsubscribe(sessionId, topics);
  }

  async report(sessionId: string, report: LinkReport): Promise<void> {
    await this.#routing.report(sessionId, report);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#following.stop();
    this.#exchange.stop();
    this.#writer.close();
    this.#routing.end();
    for (const { link } of [...this.#links.values()]) link.close();
    this.router.close();
    this.onEmpty(this);
  }
}
