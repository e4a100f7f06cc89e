import { appendRoomEvent, type EventLog } from '@flotilla/bus';
import { FlotillaError, type MetadataSession, type RelayReport, type RoomEventPayload } from '@flotilla/contracts';
import { type ListenOptions, OpenRooms, type PooledWorker, WorkerPool } from '@flotilla/media';
import { type Logger, retry } from '@flotilla/runtime';
import type { RelayStore } from '@flotilla/store';
import type { DtlsParameters } from 'mediasoup/types';
import { type RelayRoomDeps, RelayRoom } from './links/relay-room.ts';
import type { LinkLimits } from './routing/link-state.ts';
import { RoomRouting, type RoutingClock } from './routing/room-routing.ts';
import { RoutingThread } from './threads/routing-thread.ts';

export interface RelayOptions {
  readonly id: string;
  readonly listen: ListenOptions;
  readonly capacity: number;
  readonly limits: LinkLimits;
  readonly clock: RoutingClock;
  /** Frames are routed in a thread of their own. */
  readonly thread: boolean;
  readonly events: EventLog;
  readonly relays: RelayStore;
  readonly log: Logger;
}

/** How long the links of a lost worker are told of it, should the event log be away; ms. */
const tellLostMs = 60_000;

/** A metadata relay: one mediasoup worker for data alone and, in it, the rooms that have links here. */
export class Relay {
  readonly #rooms = new OpenRooms((roomId) => this.#open(roomId));
  readonly #startedAt = Date.now();
  readonly #deps: RelayRoomDeps;
  #thread: RoutingThread | undefined;
  #pool!: WorkerPool;
  state: RelayReport['state'] = 'active';

  private constructor(readonly options: RelayOptions) {
    const { id, events, relays, limits, clock, thread, log } = options;
    if (thread) this.#startThread();
    const routing: RelayRoomDeps['routing'] = (outlet) =>
      this.#thread?.openRoom(outlet) ?? new RoomRouting(outlet, limits, clock);
    this.#deps = { relayId: id, events, relays, routing, log };
  }

  static async start(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options);
    const { listen, log } = options;
    relay.#pool = await WorkerPool.start({ workers: 1, listen, log, onDied: (worker) => relay.#onWorkerDied(worker) });
    return relay;
  }

  #startThread(): void {
    const { limits, clock, log } = this.options;
    this.#thread = new RoutingThread(limits, clock, () => this.#onThreadDied(), log);
  }

  /** What it knew is gone: all links are told, and begin again with another thread. */
  #onThreadDied(): void {
    this.#startThread();
    for (const room of this.#rooms) this.#lose(room);
  }

  get id(): string {
    return this.options.id;
  }

  get links(): number {
    let links = 0;
    for (const room of this.#rooms) links += room.size;
    return links;
  }

  get report(): RelayReport {
    const { id, capacity } = this.options;
    return { id, startedAt: this.#startedAt, state: this.state, capacity, links: this.links, rooms: this.#rooms.size };
  }

  async connect(request: {
    roomId: string;
    sessionId: string;
    participantId: string;
    dtlsParameters: DtlsParameters;
  }): Promise<MetadataSession> {
    if (this.links >= this.options.capacity || this.state !== 'active') throw new FlotillaError('NO_CAPACITY');
    const room = await this.#rooms.open(request.roomId);
    try {
      const parameters = await room.connect(request.sessionId, request.participantId, request.dtlsParameters);
      return { relayId: this.id, ...parameters, limits: this.options.limits };
    } catch (error) {
      // What mediasoup refuses, it refuses because of the parameters.
      if (error instanceof TypeError) throw new FlotillaError('BAD_PAYLOAD', error.message, { cause: error });
      throw error;
    }
  }

  /** The room of a session that has a link here. Throws METADATA_NOT_OPEN. */
  async room(roomId: string): Promise<RelayRoom> {
    const room = await this.#rooms.get(roomId);
    if (!room) throw new FlotillaError('METADATA_NOT_OPEN');
    return room;
  }

  async #open(roomId: string): Promise<RelayRoom> {
    const [worker] = await this.#pool.upWorkers();
    if (!worker) throw new FlotillaError('NODE_UNAVAILABLE', 'the data worker is not up');
    return RelayRoom.open(roomId, worker, this.#deps, (empty) => this.#rooms.close(empty));
  }

  #onWorkerDied(worker: PooledWorker): void {
    for (const room of this.#rooms) {
      if (room.worker !== worker) continue;
      this.#lose(room);
    }
  }

  #lose(room: RelayRoom): void {
    const { sessionIds } = room;
    this.#rooms.close(room);
    retry(() => this.#tell(room.id, sessionIds, 'lost'), { forMs: tellLostMs }).catch((error: unknown) =>
      this.options.log.error({ err: error, roomId: room.id }, 'could not tell that links were lost'),
    );
  }

  async #tell(
    roomId: string,
    sessionIds: string[],
    reason: RoomEventPayload<'metadata_moved'>['reason'],
  ): Promise<void> {
    if (sessionIds.length === 0) return;
    const payload = { relayId: this.id, reason };
    await appendRoomEvent(this.options.events, roomId, {
      type: 'metadata_moved',
      from: 'system',
      payload,
      only: sessionIds,
    });
  }

  /** Asks all who have links here to connect to another relay. */
  async sendAway(): Promise<void> {
    const told = await Promise.allSettled(
      [...this.#rooms].map((room) => this.#tell(room.id, room.sessionIds, 'draining')),
    );
    for (const each of told)
      if (each.status === 'rejected') this.options.log.warn({ err: each.reason as unknown }, 'a room was not told');
  }

  async close(): Promise<void> {
    for (const room of this.#rooms) this.#rooms.close(room);
    this.#pool.close();
    await this.#thread?.close();
  }
}
