import {
  appendRoomEvent,
  type EventLog,
  inTraceOf,
  type RoomEventEntry,
  type StreamSubscription,
  subscribeToRoom,
} from '@flotilla/bus';
import {
  compareOffsets,
  FlotillaError,
  maxFirstSubscriptions,
  maxSubscriptions,
  type MediaSessionParameters,
  type Migration,
  type Offset,
  type PublicationRecord,
  type RoomEvent,
  type RtpCapabilities,
  startOfStream,
} from '@flotilla/contracts';
import { KeyedQueue, type Logger, retry } from '@flotilla/runtime';
import type { MigrationStore, RoomStateWithMigrations, RoomStore } from '@flotilla/store';
import { appendUntilStored } from './append-until-stored.ts';
import { RoomLayers } from './layers/room-layers.ts';
import { ActiveSpeakers } from './allocation/active-speakers.ts';
import { LimitNotice } from './allocation/limit-notice.ts';
import { assignmentIn, type AssignmentState, type MediaSession, MediaSessions } from './media-session.ts';
import { PeerMedia, type PeerMediaRoom } from './peer-media.ts';
import type { PeerNodes, PipeListen } from './pipes/pipe-transport.ts';
import { RoomPipes } from './pipes/room-pipes.ts';
import { PublishLimits } from './publish-limits.ts';
import { RouterLinks } from './router-links.ts';
import { RoomPublications } from './room-publications.ts';
import { type RoomRouter, RoomRouters } from './room-routers.ts';
import { RoomSubscriptions } from './room-subscriptions.ts';
import { concerns, SessionUpdates } from './session-updates.ts';
import { SpeakerDetector } from './speakers.ts';
import type { PooledWorker } from './worker-pool.ts';

export interface MediaRoomDeps {
  readonly nodeId: string;
  readonly rooms: RoomStore;
  readonly migrations: MigrationStore;
  readonly events: EventLog;
  readonly peers: PeerNodes;
  readonly pipeListen: PipeListen;
  /** Maximum bit rate of all that a session publishes, bit/s. */
  readonly maxPublishBitrate: number;
  readonly log: Logger;
}

/** The worker of a session that is opened. `done` is called when the session is counted by itself, or failed. */
export interface WorkerAssignment {
  readonly worker: PooledWorker;
  readonly done: () => void;
}

export interface MediaRoomOptions {
  readonly id: string;
  /** Chooses the worker of a session of the room. Throws NODE_UNAVAILABLE. */
  readonly assignWorker: (room: MediaRoom) => Promise<WorkerAssignment>;
  readonly deps: MediaRoomDeps;
  /** Called when it has no sessions: it is to be closed. */
  readonly onEmpty: (room: MediaRoom) => void;
}

export interface OpenSessionRequest {
  readonly sessionId: string;
  readonly participantId: string;
  readonly rtpCapabilities: RtpCapabilities;
  readonly subscribe: boolean;
  /** What to subscribe to when `subscribe` is false. */
  readonly publicationIds?: readonly string[] | undefined;
  /** The migration that it is opened for: its client is sent `migrate` when it is open. */
  readonly migration?: Migration | undefined;
}

/** How long the state is asked for while the store is out of reach, after events were missed, ms. */
const resynchronizeForMs = 60_000;

/** Events about a session that arrive while it is opened. */
interface Opening {
  readonly sessionId: string;
  readonly participantId: string;
  readonly events: RoomEventEntry[];
  /** Events were missed. */
  isStale: boolean;
}

/**
 * The part of a room that is on this node: the sessions assigned here, a router on each worker that has some of them, and pipes to and
 * from the room's other nodes. Its media follows the room's event stream: a participant that left, a publication that was removed, the previous
 * side of a migration and what lost its grant are closed by their events.
 *
 * Requests to open one session take turns, in the order of their arrival; so do those about a publication or a subscription.
 */
export class MediaRoom {
  readonly #sessions = new MediaSessions();
  readonly #openings = new Set<Opening>();
  /** Calls of `openSession` in flight: they keep the room open. */
  #opensInFlight = 0;
  readonly #openQueue = new KeyedQueue();
  /** Pipes to and from the room's other nodes. */
  readonly pipes: RoomPipes;
  readonly #updates: SessionUpdates;
  readonly #limits: PublishLimits;
  readonly publications: RoomPublications;
  readonly subscriptions: RoomSubscriptions;
  readonly #routers: RoomRouters;
  readonly #links = new RouterLinks();
  readonly #layers = new RoomLayers();
  readonly #speakers: SpeakerDetector;
  readonly #activeSpeakers = new ActiveSpeakers();
  readonly #log: Logger;
  #events: StreamSubscription | undefined;
  /** Offset of the last event that was applied. */
  #appliedAt: Offset = startOfStream;
  #closed = false;

  constructor(private readonly options: MediaRoomOptions) {
    const { id: roomId, deps } = options;
    const { nodeId, rooms, migrations, pipeListen: listen, peers } = deps;
    const log = deps.log.child({ roomId });
    this.#log = log;
    this.#limits = new PublishLimits(this.#sessions, {
      ofNode: deps.maxPublishBitrate,
      end: ({ media }, publicationId) => this.publications.end(media.id, publicationId, 'bitrate_exceeded'),
      log,
    });
    const append = (event: RoomEvent): void => appendEvent(options, log, event);
    this.#speakers = new SpeakerDetector({
      speakers: (speakers) => append({ type: 'speakers', from: 'system', payload: { nodeId, speakers } }),
      activeSpeaker: (participantId) => append({ type: 'active_speaker', from: 'system', payload: { participantId } }),
    });
    this.#routers = new RoomRouters({
      roomId,
      speakers: this.#speakers,
      onMeasured: (sessionId, streams) => this.#limits.onMeasured(sessionId, streams),
      hasPipes: () => this.pipes.size > 0,
    });
    this.pipes = new RoomPipes({
      roomId,
      ownNode: nodeId,
      router: () => this.#routers.ofPipes.router,
      listen,
      peers,
      layers: this.#layers,
      useProducer: async (publicationId, to) => {
        const { producer, router } = this.#sessions.requireProducer(publicationId);
        return this.#links.use(producer, router, to);
      },
      log,
    });
    const common = { roomId, nodeId, rooms, pipes: this.pipes, layers: this.#layers, log };
    this.publications = new RoomPublications(this.#sessions, {
      ...common,
      limits: this.#limits,
      append: (event) => appendRoomEvent(deps.events, roomId, event),
    });
    this.subscriptions = new RoomSubscriptions(this.#sessions, {
      ...common,
      links: this.#links,
      migrations,
      append: (event) => appendUntilStored(deps.events, roomId, event, log),
    });
    this.#updates = new SessionUpdates(this.#sessions, nodeId, {
      onMoved: (session) => this.subscriptions.notifyOfEnd(session, [...session.subscribedMeanwhile]),
      onLimitChanged: (session) => this.#limits.apply(session),
      onClosed: () => this.#closeIfEmpty(),
    });
  }

  get id(): string {
    return this.options.id;
  }

  /** Its routers, one on each worker that has sessions of the room. */
  get routers(): Iterable<RoomRouter> {
    return this.#routers;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get counts(): { sessions: number; producers: number; consumers: number; pipes: number } {
    return { ...this.#sessions.counts, pipes: this.pipes.size };
  }

  /** Sessions whose migration to this node is not committed. */
  get incomingSessionIds(): string[] {
    return [...this.#sessions.values()].filter(({ isIncoming }) => isIncoming).map(({ media }) => media.id);
  }

  get participantIds(): string[] {
    return [...this.#sessions.values()].map(({ media }) => media.participantId);
  }

  /** Whether its pipes to and from other nodes end on this worker. */
  hasPipesOn(worker: PooledWorker): boolean {
    return this.#routers.hasPipesOn(worker);
  }

  /** Sessions and consumers of each worker. */
  get loads(): ReadonlyMap<PooledWorker, { sessions: number; consumers: number }> {
    const loads = new Map<PooledWorker, { sessions: number; consumers: number }>();
    for (const { media, roomRouter } of this.#sessions.values()) {
      const load = loads.get(roomRouter.worker) ?? { sessions: 0, consumers: 0 };
      load.sessions++;
      load.consumers += media.counts.consumers;
      loads.set(roomRouter.worker, load);
    }
    return loads;
  }

  /**
   * A worker died. Closes what was on it; the other sessions keep their media, and those that receive from this room's sessions on it, or
   * from other nodes through it, subscribe again.
   *
   * @returns the participants that lost their media. Undefined when the worker had nothing of the room.
   */
  onWorkerDied(worker: PooledWorker): { participantIds: string[] } | undefined {
    const lost = this.#sessions.on(worker);
    const hadPipes = this.hasPipesOn(worker);
    this.#routers.onWorkerDied(worker);
    for (const { media } of lost) {
      media.close();
      this.#sessions.delete(media.id);
    }
    this.#closeIfEmpty();
    // The media of those that left is on another node.
    const participantIds = lost.filter(({ isLeft }) => !isLeft).map(({ media }) => media.participantId);
    return lost.length > 0 || hadPipes ? { participantIds } : undefined;
  }

  // Events.

  #onEvent(entry: RoomEventEntry): void {
    if (this.#closed) return;
    this.#appliedAt = entry.offset;
    for (const opening of this.#openings) if (concerns(entry.event, opening)) opening.events.push(entry);
    for (const session of [...this.#sessions.values()]) {
      const { id: sessionId, participantId } = session.media;
      if (concerns(entry.event, { sessionId, participantId })) this.#updates.apply(session, entry);
    }
    const { event } = entry;
    switch (event.type) {
      case 'participant_left':
        for (const publicationId of event.payload.publicationIds) void this.publications.onRemoved(publicationId);
        break;
      case 'publication_removed':
        void this.publications.onRemoved(event.payload.publicationId);
        break;
      case 'active_speaker':
        this.#activeSpeakers.add(event.payload.participantId);
        for (const { media } of this.#sessions.values()) media.onActiveSpeaker();
        break;
      case 'publication_updated':
        this.pipes.update(event.payload.publication);
        break;
      case 'media_lost':
        // Of participants that stay, another node may have sent publications through the worker that died.
        if (event.payload.reason === 'worker_died') this.pipes.checkSenders();
        break;
      default:
    }
  }

  // Sessions.

  /**
   * Opens the media of a session, in place of what it has here. Throws NOT_IN_ROOM, FORBIDDEN, NODE_UNAVAILABLE,
   * MEDIA_NOT_OPEN, MIGRATION_NOT_ACTIVE.
   */
  async openSession(request: OpenSessionRequest): Promise<MediaSessionParameters> {
    this.#opensInFlight++;
    try {
      return await this.#openQueue.run(request.sessionId, () => this.#openSession(request));
    } finally {
      this.#opensInFlight--;
      this.#closeIfEmpty();
    }
  }

  async #openSession(request: OpenSessionRequest): Promise<MediaSessionParameters> {
    const { sessionId, participantId, subscribe, publicationIds = [], migration } = request;
    const opening: Opening = { sessionId, participantId, events: [], isStale: false };
    this.#openings.add(opening);
    let session: MediaSession;
    let publications: readonly PublicationRecord[];
    try {
      const opened = await this.#openMedia(request);
      ({ session, publications } = opened);
      const previous = this.#sessions.get(sessionId);
      this.#sessions.set(sessionId, session);
      previous?.media.close();
    } finally {
      this.#openings.delete(opening);
    }
    if (opening.isStale) await this.#resynchronize();
    for (const entry of opening.events) this.#updates.apply(session, entry);
    const { media } = session;
    media.requireOpen();
    const others = publications
      .filter(
        (each) =>
          session.grants.includes('subscribe') &&
          (subscribe ? each.participantId !== participantId : publicationIds.includes(each.id)),
      )
      .slice(0, migration ? maxSubscriptions : maxFirstSubscriptions);
    const { subscriptions } = await this.subscriptions.subscribeAll(
      session,
      others.map(({ id }) => id),
      Promise.resolve(others),
    );
    media.requireOpen();
    const { nodeId, migrations } = this.options.deps;
    const opened = { nodeId, ...media.transports, subscriptions };
    if (migration && !(await migrations.prepared(migration, opened))) throw new FlotillaError('MIGRATION_NOT_ACTIVE');
    return opened;
  }

  async #openMedia(
    request: OpenSessionRequest,
  ): Promise<{ session: MediaSession; publications: readonly PublicationRecord[] }> {
    const { worker, done } = await this.options.assignWorker(this);
    try {
      return await this.#openMediaOn(worker, request);
    } finally {
      done();
    }
  }

  async #openMediaOn(
    worker: PooledWorker,
    request: OpenSessionRequest,
  ): Promise<{ session: MediaSession; publications: readonly PublicationRecord[] }> {
    const { sessionId, participantId, rtpCapabilities, subscribe } = request;
    const [opened, assigned] = await Promise.allSettled([
      this.#openPeer(worker, request),
      this.#readState(request).then((state) => ({
        ...assignmentIn(state, participantId, this.options.deps.nodeId),
        publications: state!.publications,
      })),
    ]);
    if (opened.status === 'rejected') throw opened.reason;
    const { media, roomRouter } = opened.value;
    if (assigned.status === 'fulfilled' && !this.#closed && !roomRouter.router.closed) {
      const { state, grants, maxPublishBitrate, isIncoming, publications } = assigned.value;
      const session: MediaSession = {
        media,
        roomRouter,
        stateAt: state.offset,
        grants,
        maxPublishBitrate,
        maxPublishBitrateOfRoom: state.room.maxPublishBitrate,
        isIncoming,
        isLeft: false,
        subscribedMeanwhile: new Set<string>(),
        choice: subscribe ? undefined : { rtpCapabilities, isStale: false, isWriting: false },
      };
      this.#limits.apply(session);
      return { session, publications };
    }
    media.close();
    throw assigned.status === 'rejected'
      ? assigned.reason
      : new FlotillaError('NODE_UNAVAILABLE', `the media worker of ${sessionId} stopped`);
  }

  /** Opens transports on a worker, in the room's router there. */
  async #openPeer(
    worker: PooledWorker,
    { sessionId: id, participantId, rtpCapabilities }: OpenSessionRequest,
  ): Promise<{ media: PeerMedia; roomRouter: RoomRouter }> {
    const { roomRouter, release } = await this.#routers.use(worker);
    try {
      const { router } = roomRouter;
      const { events } = this.options.deps;
      const log = this.#log;
      const limits = new LimitNotice((payload) =>
        appendRoomEvent(events, this.id, { type: 'subscriptions_limited', from: 'system', only: [id], payload }),
      );
      const room: PeerMediaRoom = {
        onDisconnected: (transportId, reason) =>
          appendUntilStored(
            events,
            this.id,
            { type: 'transport_disconnected', from: 'system', only: [id], payload: { transportId, reason } },
            log,
          ),
        onLimited: (transportId, publicationIds) => limits.set({ transportId, publicationIds: [...publicationIds] }),
        isActiveSpeaker: (speakerId) => this.#activeSpeakers.has(speakerId),
      };
      const media = await PeerMedia.open({ id, participantId, rtpCapabilities, router, worker, room, log });
      media.onClosed(() => {
        limits.close();
        release();
      });
      return { media, roomRouter };
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * What the room's state has about a session that is opened, with the publications that it may subscribe to: of a migration all, else the
   * first ones. Events are received from the first state on: the store answers in order, so later ones are not older.
   */
  async #readState({
    participantId,
    migration,
  }: OpenSessionRequest): Promise<
    (AssignmentState & { readonly publications: readonly PublicationRecord[] }) | undefined
  > {
    const { rooms, events } = this.options.deps;
    const state = migration ? await rooms.state(this.id) : await this.#readPage(participantId);
    if (state && !this.#closed)
      this.#events ??= subscribeToRoom(
        events,
        this.id,
        state.offset,
        (entries) => {
          for (const each of entries) inTraceOf(each.event, 'apply', () => this.#onEvent(each));
        },
        () => void this.#resynchronize(),
      );
    return state;
  }

  async #readPage(participantId: string): Promise<RoomStateWithMigrations | undefined> {
    const page = await this.options.deps.rooms.firstPage(this.id, participantId);
    return page && { ...page, migrations: page.migration ? [page.migration] : [] };
  }

  /** Applies the room's state in place of events that were missed. The room is closed when the state cannot be read. */
  async #resynchronize(): Promise<void> {
    for (const opening of this.#openings) opening.isStale = true;
    let state: RoomStateWithMigrations | undefined;
    try {
      state = await retry(() => this.#newestState(), { forMs: resynchronizeForMs });
    } catch (error) {
      this.#log.error({ err: error }, 'missed events of a room cannot be replaced by its state, closing its media');
    }
    if (this.#closed) return;
    this.#updates.applyState(state);
    const known = new Set(state?.publications.map(({ id }) => id));
    for (const publicationId of [...this.#sessions.publicationIds(), ...this.pipes.publicationIds()])
      if (!known.has(publicationId)) void this.publications.onRemoved(publicationId);
  }

  /** Throws UNAVAILABLE also while the state that is read is older than the events that were applied: it would undo them. */
  async #newestState(): Promise<RoomStateWithMigrations | undefined> {
    const state = await this.options.deps.rooms.state(this.id);
    if (state && compareOffsets(state.offset, this.#appliedAt) < 0)
      throw new FlotillaError('UNAVAILABLE', 'events arrived while the state was read');
    return state;
  }

  /** The media of a session. Throws MEDIA_NOT_OPEN. */
  media(sessionId: string): PeerMedia {
    return this.#sessions.require(sessionId).media;
  }

  #closeIfEmpty(): void {
    if (this.#sessions.size === 0 && this.#opensInFlight === 0 && !this.#closed) this.options.onEmpty(this);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events?.stop();
    this.#speakers.close();
    for (const { media } of this.#sessions.values()) media.close();
    this.#sessions.clear();
    this.pipes.close();
    this.#links.close();
    this.#routers.close();
  }
}

/** Appends an event that the next one of its kind replaces: it is dropped while the log is out of reach. */
function appendEvent({ id, deps }: MediaRoomOptions, log: Logger, event: RoomEvent): void {
  appendRoomEvent(deps.events, id, event).catch((error: unknown) =>
    log.debug({ err: error, eventType: event.type }, 'room event not appended'),
  );
}
