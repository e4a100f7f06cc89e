import {
  appendRoomEvent,
  type EventLog,
  type StreamSubscription,
  subscribeToRoom,
  inTraceOf,
  roomStream,
} from '@flotilla/bus';
import {
  type CommandReply,
  FlotillaError,
  type PublicationRecord,
  migrationLingerMs,
  type MediaSessionParameters,
  type Publication,
  type RoomEvent,
  type RoomEventPayload,
  type RtpCapabilities,
  type Subscription,
} from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { MigrationStore, RoomStore } from '@flotilla/store';
import type { Producer, Router } from 'mediasoup/types';
import { routerOptions } from './codecs.ts';
import { PeerMedia, type PublishRequest } from './peer-media.ts';
import { IncomingPipe, OutgoingPipe, type PeerNodes, type PipeEndpoint, type PipeListen } from './pipes.ts';
import { RoomMeter } from './quality/room-meter.ts';
import { SpeakerWatch } from './speakers.ts';
import type { PooledWorker } from './worker-pool.ts';

/** What a room on a node works with. */
export interface MediaRoomDeps {
  readonly nodeId: string;
  readonly rooms: RoomStore;
  readonly migrations: MigrationStore;
  readonly events: EventLog;
  readonly peers: PeerNodes;
  readonly pipeListen: PipeListen;
  readonly log: Logger;
}

/**
 * A room as far as it lives on this node: one router, the sessions homed here, pipes from and to the other nodes of the
 * room. It follows the room's event stream, which is what closes things: whoever leaves the room leaves its media.
 */
export class MediaRoom {
  readonly #sessions = new Map<string, PeerMedia>();
  readonly #outgoing = new Map<string, OutgoingPipe>();
  readonly #incoming = new Map<string, IncomingPipe>();
  readonly #arriving = new Set<string>();
  /** What its peers' quality and its traffic are measured with. */
  readonly meter: RoomMeter;
  #following: StreamSubscription | undefined;
  #closed = false;

  private constructor(
    readonly id: string,
    readonly worker: PooledWorker,
    private readonly router: Router,
    private readonly deps: MediaRoomDeps,
    private readonly onEmpty: (room: MediaRoom) => void,
    private readonly log: Logger,
  ) {
    this.meter = new RoomMeter(id, router);
  }

  #speakers!: SpeakerWatch;

  static async open(
    id: string,
    worker: PooledWorker,
    deps: MediaRoomDeps,
    onEmpty: (room: MediaRoom) => void,
  ): Promise<MediaRoom> {
    const [router, offset] = await Promise.all([
      worker.worker.createRouter(routerOptions),
      deps.events.lastOffset(roomStream(id)),
    ]);
    const room = new MediaRoom(id, worker, router, deps, onEmpty, deps.log.child({ roomId: id }));
    room.#speakers = await SpeakerWatch.start(router, {
      speakers: (speakers) =>
        room.#tell({ type: 'speakers', from: 'system', payload: { nodeId: deps.nodeId, speakers } }),
      activeSpeaker: (participantId) =>
        room.#tell({ type: 'active_speaker', from: 'system', payload: { participantId } }),
    });
    room.#following = subscribeToRoom(deps.events, id, offset, (events) => {
      for (const { event } of events) inTraceOf(event, 'follow', () => room.#onEvent(event));
    });
    return room;
  }

  /** What listeners may miss when the log is away: levels come again, the lead at the next change. */
  #tell(event: RoomEvent): void {
    appendRoomEvent(this.deps.events, this.id, event).catch((error: unknown) =>
      this.log.debug({ err: error }, 'event not told'),
    );
  }

  get counts(): { sessions: number; producers: number; consumers: number; pipes: number } {
    const counts = {
      sessions: this.#sessions.size,
      producers: 0,
      consumers: 0,
      pipes: this.#outgoing.size + this.#incoming.size,
    };
    for (const session of this.#sessions.values()) {
      counts.producers += session.counts.producers;
      counts.consumers += session.counts.consumers;
    }
    return counts;
  }

  /** Sessions that are being moved here and are not here yet. */
  get arriving(): ReadonlySet<string> {
    return this.#arriving;
  }

  get participantIds(): string[] {
    return [...this.#sessions.values()].map(({ participantId }) => participantId);
  }

  #onEvent(event: RoomEvent): void {
    switch (event.type) {
      case 'participant_left': {
        for (const session of this.#sessions.values())
          if (session.participantId === event.payload.participantId) this.closeSession(session.id);
        for (const publicationId of event.payload.publicationIds) this.#dropPiped(publicationId);
        break;
      }
      case 'publication_removed':
        this.#dropPiped(event.payload.publicationId);
        break;
      case 'publication_updated':
        for (const pipe of this.#incoming.values()) void pipe.update(event.payload.publication);
        break;
      case 'participant_moved':
        this.#onMoved(event.payload);
        break;
      case 'migration_rolled_back':
        for (const sessionId of event.only ?? []) if (this.#arriving.delete(sessionId)) this.closeSession(sessionId);
        break;
      case 'room_deleted':
        for (const sessionId of [...this.#sessions.keys()]) this.closeSession(sessionId);
        break;
      default:
    }
  }

  /** Whoever moved here is here; the old side of one who moved away goes on until the others have changed to the new. */
  #onMoved({ participantId, nodeId }: RoomEventPayload<'participant_moved'>): void {
    for (const session of this.#sessions.values()) {
      if (session.participantId !== participantId) continue;
      if (nodeId === this.deps.nodeId) this.#arriving.delete(session.id);
      else {
        setTimeout(() => {
          if (this.#sessions.get(session.id) === session) this.closeSession(session.id);
        }, migrationLingerMs).unref();
      }
    }
  }

  #dropPiped(publicationId: string): void {
    for (const pipe of this.#incoming.values()) pipe.drop(publicationId);
  }

  async openSession(request: {
    sessionId: string;
    participantId: string;
    rtpCapabilities: RtpCapabilities;
    subscribe: boolean;
  }): Promise<MediaSessionParameters> {
    const { sessionId, participantId, rtpCapabilities, subscribe } = request;
    const { rooms, nodeId } = this.deps;
    const [session, state] = await Promise.all([
      PeerMedia.open({
        id: sessionId,
        participantId,
        rtpCapabilities,
        subscribe,
        router: this.router,
        webRtcServer: this.worker.webRtcServer,
        log: this.log,
      }),
      rooms.state(this.id),
    ]);
    // The event stream was followed before this look: a member that leaves later is closed by its event.
    const member = state?.members.find(({ id }) => id === participantId);
    const arrives =
      member !== undefined &&
      member.nodeId !== nodeId &&
      (await this.deps.migrations.of(this.id, participantId))?.toNode === nodeId;
    if (!state || (member?.nodeId !== nodeId && !arrives) || this.#closed) {
      session.close();
      if (this.#sessions.size === 0) this.onEmpty(this);
      throw new FlotillaError('NOT_IN_ROOM', `${participantId} is not homed on this node`);
    }
    this.#sessions.get(sessionId)?.close();
    this.#sessions.set(sessionId, session);
    if (arrives) this.#arriving.add(sessionId);
    else this.#arriving.delete(sessionId);
    const others = subscribe
      ? state.publications.filter((publication) => publication.participantId !== participantId)
      : [];
    const { subscriptions } = await this.#subscribe(session, others);
    return { nodeId, ...session.transports, subscriptions };
  }

  session(sessionId: string): PeerMedia {
    const session = this.#sessions.get(sessionId);
    if (!session) throw new FlotillaError('MEDIA_NOT_OPEN');
    return session;
  }

  closeSession(sessionId: string): void {
    this.#sessions.get(sessionId)?.close();
    this.#sessions.delete(sessionId);
    this.#arriving.delete(sessionId);
    if (this.#sessions.size === 0 && !this.#closed) this.onEmpty(this);
  }

  async publish(sessionId: string, request: PublishRequest): Promise<Publication> {
    const session = this.session(sessionId);
    const { rooms, nodeId } = this.deps;
    if (request.publicationId !== undefined) {
      const [known] = await rooms.publications(this.id, [request.publicationId]);
      // One that the room does not know is new here: what went from peer to peer keeps its id.
      if (known && known.participantId !== session.participantId) throw new FlotillaError('PUBLICATION_NOT_FOUND');
    }
    const { publication, producer } = await session.publish(request);
    try {
      await this.#speakers.add(producer);
      await rooms.putPublication(this.id, { ...publication, nodeId });
    } catch (error) {
      producer.close();
      throw error;
    }
    return publication;
  }

  async unpublish(sessionId: string, publicationId: string): Promise<void> {
    const session = this.session(sessionId);
    const removed = await this.deps.rooms.removePublication(this.id, session.participantId, publicationId);
    session.findProducer(publicationId)?.close();
    if (!removed) throw new FlotillaError('PUBLICATION_NOT_FOUND');
  }

  async mute(sessionId: string, publicationId: string, muted: boolean): Promise<void> {
    const producer = this.session(sessionId).producer(publicationId);
    const [known] = await this.deps.rooms.publications(this.id, [publicationId]);
    if (!known) throw new FlotillaError('PUBLICATION_NOT_FOUND');
    await (muted ? producer.pause() : producer.resume());
    if (known.muted !== muted) await this.deps.rooms.putPublication(this.id, { ...known, muted });
  }

  async subscribe(sessionId: string, publicationIds: readonly string[]): Promise<CommandReply<'sfu.subscribe'>> {
    const session = this.session(sessionId);
    const publications = await this.deps.rooms.publications(this.id, publicationIds);
    const known = new Set(publications.map(({ id }) => id));
    const unknown = publicationIds
      .filter((id) => !known.has(id))
      .map((publicationId) => ({ publicationId, error: new FlotillaError('PUBLICATION_NOT_FOUND').body }));
    const { subscriptions, failed } = await this.#subscribe(session, publications);
    return { subscriptions, failed: [...failed, ...unknown] };
  }

  /** Subscribes to what can be subscribed to; one that fails does not keep the others waiting. */
  async #subscribe(
    session: PeerMedia,
    publications: readonly PublicationRecord[],
  ): Promise<CommandReply<'sfu.subscribe'>> {
    const subscriptions: Subscription[] = [];
    const failed: CommandReply<'sfu.subscribe'>['failed'] = [];
    await Promise.all(
      publications.map(async (publication) => {
        try {
          subscriptions.push(await this.#subscribeTo(session, publication));
        } catch (error) {
          const failure = FlotillaError.from(error);
          this.log.info({ err: failure, publicationId: publication.id, sessionId: session.id }, 'subscription failed');
          failed.push({ publicationId: publication.id, error: failure.body });
        }
      }),
    );
    return { subscriptions, failed };
  }

  async #subscribeTo(session: PeerMedia, publication: PublicationRecord): Promise<Subscription> {
    if (publication.nodeId === this.deps.nodeId)
      return session.subscribe(publication, this.#ownProducer(publication.id), this.router);
    const pipe = this.#pipeFrom(publication.nodeId);
    const producer = await pipe.producer(publication);
    await this.#speakers.add(producer);
    const release = pipe.use(publication.id);
    try {
      const subscription = await session.subscribe(publication, producer, this.router);
      session.whenUnsubscribed(publication.id, release);
      return subscription;
    } catch (error) {
      release();
      throw error;
    }
  }

  #ownProducer(publicationId: string): Producer {
    for (const session of this.#sessions.values()) {
      const producer = session.findProducer(publicationId);
      if (producer) return producer;
    }
    throw new FlotillaError('PUBLICATION_NOT_FOUND', 'its producer is gone');
  }

  #pipeFrom(fromNode: string): IncomingPipe {
    let pipe = this.#incoming.get(fromNode);
    if (!pipe) {
      const { nodeId, peers, pipeListen } = this.deps;
      pipe = new IncomingPipe({
        roomId: this.id,
        fromNode,
        ownNode: nodeId,
        router: this.router,
        listen: pipeListen,
        peers,
        log: this.log,
      });
      this.#incoming.set(fromNode, pipe);
    }
    return pipe;
  }

  /** Another node wants this room's media: open the sending end, in place of the one that node had. */
  async openPipe(toNode: string, remote: PipeEndpoint): Promise<PipeEndpoint> {
    const { pipe, endpoint } = await OutgoingPipe.open(this.router, this.deps.pipeListen, remote);
    this.#outgoing.get(toNode)?.close();
    this.#outgoing.set(toNode, pipe);
    return endpoint;
  }

  async pipePublication(toNode: string, publicationId: string): Promise<CommandReply<'sfu.pipe_publication'>> {
    const pipe = this.#outgoing.get(toNode);
    if (!pipe) throw new FlotillaError('MEDIA_NOT_OPEN', `there is no pipe to ${toNode}`);
    return pipe.add(publicationId, this.#ownProducer(publicationId));
  }

  unpipePublication(toNode: string, publicationId: string): void {
    const pipe = this.#outgoing.get(toNode);
    if (!pipe) return;
    pipe.remove(publicationId);
    if (!pipe.isIdle) return;
    this.#outgoing.delete(toNode);
    pipe.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#following?.stop();
    for (const session of this.#sessions.values()) session.close();
    for (const pipe of [...this.#incoming.values(), ...this.#outgoing.values()]) pipe.close();
    this.#sessions.clear();
    this.#incoming.clear();
    this.#outgoing.clear();
    this.router.close();
  }
}
