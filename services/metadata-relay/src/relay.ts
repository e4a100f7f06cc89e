import { appendRoomEvent, type EventLog } from '@flotilla/bus';
import { FlotillaError, type MetadataSession, type RelayReport, type RoomEventPayload } from '@flotilla/contracts';
import { type ListenOptions, OpenRooms, type PooledWorker, WorkerPool } from '@flotilla/media';
import { type Logger, retry } from '@flotilla/runtime';
import type { RelayStore, RoomStore } from '@flotilla/store';
import type { DtlsParameters } from 'mediasoup/types';
import { type RelayRoomDeps, RelayRoom } from './links/relay-room.ts';
import type { LinkLimits } from './routing/link-state.ts';
import type { RoutingClock } from './routing/link-channels.ts';

export interface RelayOptions {
  readonly id: string;
  readonly listen: ListenOptions;
  /** Maximum number of links. */
  readonly capacity: number;
  readonly limits: LinkLimits;
  /** See `RoomBudget`. */
  readonly roomBytesPerSecond: number;
  readonly clock: RoutingClock;
  readonly events: EventLog;
  readonly relays: RelayStore;
  readonly rooms: RoomStore;
  readonly log: Logger;
}

/** How long `metadata_moved` of a lost worker is retried while the event log is unavailable. */
const notifyLostMs = 60_000;

/** A metadata relay: one mediasoup worker for data channels, and the rooms with links in it. */
export class Relay {
  readonly #rooms = new OpenRooms((roomId) => this.#open(roomId));
  readonly #startedAt = Date.now();
  readonly #deps: RelayRoomDeps;
  #pool!: WorkerPool;
  state: RelayReport['state'] = 'active';

  private constructor(readonly options: RelayOptions) {
    const { id, events, relays, rooms, limits, roomBytesPerSecond, clock, log } = options;
    this.#deps = { relayId: id, events, relays, rooms, limits, roomBytesPerSecond, clock, log };
  }

  /** Starts the mediasoup worker. */
  static async start(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options);
    const { listen, log } = options;
    relay.#pool = await WorkerPool.start({ workers: 1, listen, log, onDied: (worker) => relay.#onWorkerDied(worker) });
    return relay;
  }

  get id(): string {
    return this.options.id;
  }

  /** Number of links in all rooms. */
  get links(): number {
    let links = 0;
    for (const room of this.#rooms) links += room.size;
    return links;
  }

  get report(): RelayReport {
    const { id, capacity } = this.options;
    return { id, startedAt: this.#startedAt, state: this.state, capacity, links: this.links, rooms: this.#rooms.size };
  }

  /**
   * Opens a link for a session.
   *
   * @throws FlotillaError NO_CAPACITY at the maximum number of links or while draining; BAD_PAYLOAD for DTLS parameters that
   * mediasoup refuses.
   */
  async connect(request: {
    roomId: string;
    sessionId: string;
    participantId: string;
    dtlsParameters: DtlsParameters;
  }): Promise<MetadataSession> {
    this.#requireCapacity();
    const room = await this.#rooms.open(request.roomId);
    try {
      // Others may have connected while the room was opened.
      this.#requireCapacity();
    } catch (error) {
      if (room.size === 0) this.#rooms.close(room);
      throw error;
    }
    try {
      const parameters = await room.connect(request.sessionId, request.participantId, request.dtlsParameters);
      return { relayId: this.id, ...parameters, limits: this.options.limits };
    } catch (error) {
      // mediasoup throws a TypeError for invalid parameters only.
      if (error instanceof TypeError) throw new FlotillaError('BAD_PAYLOAD', error.message, { cause: error });
      throw error;
    }
  }

  #requireCapacity(): void {
    if (this.links >= this.options.capacity || this.state !== 'active') throw new FlotillaError('NO_CAPACITY');
  }

  /** The room with this id. Throws FlotillaError METADATA_NOT_OPEN when it has no links here. */
  async room(roomId: string): Promise<RelayRoom> {
    const room = await this.#rooms.get(roomId);
    if (!room) throw new FlotillaError('METADATA_NOT_OPEN');
    return room;
  }

  async #open(roomId: string): Promise<RelayRoom> {
    const [worker] = await this.#pool.upWorkers();
    if (!worker) throw new FlotillaError('NODE_UNAVAILABLE', 'the mediasoup worker is restarting');
    return RelayRoom.open(roomId, worker, this.#deps, (empty) => this.#rooms.close(empty));
  }

  #onWorkerDied(worker: PooledWorker): void {
    for (const room of this.#rooms) {
      if (room.worker !== worker) continue;
      this.#closeLost(room);
    }
  }

  #closeLost(room: RelayRoom): void {
    const { sessionIds } = room;
    this.#rooms.close(room);
    retry(() => this.#notifyMoved(room.id, sessionIds, 'lost'), { forMs: notifyLostMs }).catch((error: unknown) =>
      this.options.log.error({ err: error, roomId: room.id }, 'clients not notified of lost links'),
    );
  }

  async #notifyMoved(
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

  /** Asks all clients with links here to connect to another relay. */
  async notifyDraining(): Promise<void> {
    const results = await Promise.allSettled(
      [...this.#rooms].map((room) => this.#notifyMoved(room.id, room.sessionIds, 'draining')),
    );
    for (const each of results)
      if (each.status === 'rejected')
        this.options.log.warn({ err: each.reason as unknown }, 'clients of a room not notified of the drain');
  }

  close(): void {
    for (const room of this.#rooms) this.#rooms.close(room);
    this.#pool.close();
  }
}
