import { appendRoomEvent, type EventLog } from '@flotilla/bus';
import {
  FlotillaError,
  type MediaSessionParameters,
  type NodeLoad,
  type PeerQuality,
  type RoomEventPayload,
} from '@flotilla/contracts';
import { type Logger, retry } from '@flotilla/runtime';
import type { MigrationStore, RoomStore } from '@flotilla/store';
import { LoadSampler } from './load.ts';
import { MediaRoom, type MediaRoomDeps, type OpenSessionRequest } from './media-room.ts';
import { OpenRooms } from './open-rooms.ts';
import type { PeerNodes, PipeListen } from './pipes/pipe-transport.ts';
import { NodeMeter } from './quality/node-meter.ts';
import { killProcess, type ListenOptions, type PooledWorker, WorkerPool } from './worker-pool.ts';

export interface MediaNodeOptions {
  readonly id: string;
  /** Number of mediasoup workers; each uses one core. */
  readonly workers: number;
  readonly listen: ListenOptions;
  readonly pipeListen: PipeListen;
  /** Maximum bit rate of all that a session publishes, bit/s. */
  readonly maxPublishBitrate: number;
  readonly rooms: RoomStore;
  readonly migrations: MigrationStore;
  readonly events: EventLog;
  readonly peers: PeerNodes;
  readonly log: Logger;
}

/** How long `media_lost` of a dead worker is retried while the event log is out of reach, in milliseconds. */
const mediaLostRetryMs = 60_000;
/** A room may close between the look-up and its use: number of times that it is opened again. */
const maxOpenAttempts = 3;

/** The media of an SFU node: its mediasoup workers, and the rooms with sessions on this node. */
export class MediaNode {
  readonly #rooms = new OpenRooms((roomId) => this.#open(roomId));
  /** The workers of rooms that are being opened. */
  readonly #opening: PooledWorker[] = [];
  readonly #deps: MediaRoomDeps;
  readonly #log: Logger;
  #pool!: WorkerPool;
  readonly #sampler = new LoadSampler();
  readonly #meter = new NodeMeter();
  #closed = false;

  private constructor(readonly options: MediaNodeOptions) {
    const { id: nodeId, rooms, migrations, events, peers, pipeListen, maxPublishBitrate, log } = options;
    this.#deps = { nodeId, rooms, migrations, events, peers, pipeListen, maxPublishBitrate, log };
    this.#log = log;
  }

  static async start(options: MediaNodeOptions): Promise<MediaNode> {
    const node = new MediaNode(options);
    const { workers, listen, log } = options;
    node.#pool = await WorkerPool.start({ workers, listen, log, onDied: (worker) => node.#onWorkerDied(worker) });
    return node;
  }

  /** Opens a session's media in a room, which is opened on the least loaded worker if it is not open. */
  async openSession(roomId: string, request: OpenSessionRequest): Promise<MediaSessionParameters> {
    for (let attempt = 1; ; attempt++) {
      const room = await this.#rooms.open(roomId);
      if (!room.closed || attempt === maxOpenAttempts) return room.openSession(request);
    }
  }

  async #open(roomId: string): Promise<MediaRoom> {
    const workers = await this.#pool.upWorkers();
    if (workers.length === 0 || this.#closed) throw noWorker();
    const worker = leastLoaded(workers, (each) => this.#loadOf(each));
    // Counted until the room is open, so that rooms opened at the same time are spread.
    this.#opening.push(worker);
    try {
      const onEmpty = (room: MediaRoom): void => this.#rooms.close(room);
      const room = await MediaRoom.open({ id: roomId, worker, deps: this.#deps, onEmpty });
      // Neither `close` nor `#onWorkerDied` saw this room.
      if (!this.#closed && !worker.worker.died) return room;
      room.close();
      throw noWorker();
    } finally {
      this.#opening.splice(this.#opening.indexOf(worker), 1);
    }
  }

  /** A room with sessions on this node. Throws MEDIA_NOT_OPEN. */
  async room(roomId: string): Promise<MediaRoom> {
    const room = await this.#rooms.get(roomId);
    if (!room) throw new FlotillaError('MEDIA_NOT_OPEN', `no session of ${roomId} has media on this node`);
    return room;
  }

  #loadOf(worker: PooledWorker): number {
    let load = this.#opening.filter((each) => each === worker).length;
    // A room without consumers still costs something.
    for (const room of this.#rooms) if (room.worker === worker) load += room.counts.consumers + 1;
    return load;
  }

  #onWorkerDied(worker: PooledWorker): void {
    for (const room of this.#rooms) {
      if (room.worker !== worker) continue;
      const { participantIds } = room;
      this.#rooms.close(room);
      if (participantIds.length === 0) continue;
      const append = (): Promise<void> => this.#appendMediaLost(room.id, { participantIds, reason: 'worker_died' });
      retry(append, { forMs: mediaLostRetryMs }).catch((error: unknown) =>
        this.#log.error({ err: error, roomId: room.id }, 'media_lost not appended, clients detect the loss themselves'),
      );
    }
  }

  async #appendMediaLost(roomId: string, payload: RoomEventPayload<'media_lost'>): Promise<void> {
    await appendRoomEvent(this.options.events, roomId, { type: 'media_lost', from: 'system', payload });
  }

  /** Kills a worker as a crash would; the most loaded one by default. Returns its index. Throws NOT_FOUND. */
  killWorker(index?: number): number {
    const { workers } = this.#pool;
    const target =
      index === undefined
        ? workers.toSorted((a, b) => this.#loadOf(b) - this.#loadOf(a))[0]
        : workers.find((each) => each.index === index);
    if (!target) throw new FlotillaError('NOT_FOUND', 'no such media worker is up');
    killProcess(target.worker.pid);
    return target.index;
  }

  /** The process ids of its workers. */
  get workerPids(): number[] {
    return this.#pool.workers.map(({ worker }) => worker.pid);
  }

  /** Kills all workers as a crash of the machine would. */
  killWorkers(): void {
    for (const pid of this.workerPids) killProcess(pid);
  }

  /** Nodes that this one sends publications to. */
  get pipeReceivers(): ReadonlySet<string> {
    return new Set([...this.#rooms].flatMap(({ pipes }) => pipes.receivers));
  }

  /** Closes the sending ends of pipes to nodes that are dead. */
  closePipesTo(deadNodes: ReadonlySet<string>): void {
    for (const room of this.#rooms) room.pipes.closeOutgoing(deadNodes);
  }

  /** Number of sessions with media on this node. */
  get sessions(): number {
    let sessions = 0;
    for (const room of this.#rooms) sessions += room.counts.sessions;
    return sessions;
  }

  /** The node's load and the quality of its peers, measured since the last call. */
  async sample(): Promise<{ load: NodeLoad; peers: PeerQuality[] }> {
    const rooms = [...this.#rooms];
    const workers = this.#pool.workers.map((pooled) => ({
      pooled,
      routers: rooms.filter(({ worker }) => worker === pooled).length,
      consumers: rooms.filter(({ worker }) => worker === pooled).reduce((sum, { counts }) => sum + counts.consumers, 0),
    }));
    const total = (key: keyof MediaRoom['counts']): number => rooms.reduce((sum, { counts }) => sum + counts[key], 0);
    const [cpu, { peers, ...traffic }] = await Promise.all([this.#sampler.sample(workers), this.#meter.sample(rooms)]);
    const load = {
      ...cpu,
      sessions: total('sessions'),
      producers: total('producers'),
      consumers: total('consumers'),
      pipes: total('pipes'),
      ...traffic,
    };
    // Until their migration is committed, they are lost with the other node.
    const incoming = new Set(
      rooms.flatMap(({ id, incomingSessionIds }) => incomingSessionIds.map((each) => `${id} ${each}`)),
    );
    return { load, peers: peers.filter(({ roomId, sessionId }) => !incoming.has(`${roomId} ${sessionId}`)) };
  }

  /** Notifies the participants on this node that their media is lost, and closes everything. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(
      [...this.#rooms]
        .filter(({ participantIds }) => participantIds.length > 0)
        .map(({ id, participantIds }) => this.#appendMediaLost(id, { participantIds, reason: 'node_lost' })),
    );
    for (const room of this.#rooms) this.#rooms.close(room);
    this.#sampler.close();
    this.#pool.close();
  }
}

const noWorker = (): FlotillaError => new FlotillaError('NODE_UNAVAILABLE', 'no media worker is up');

function leastLoaded<T>(workers: readonly T[], loadOf: (worker: T) => number): T {
  return workers.reduce((least, each) => (loadOf(each) < loadOf(least) ? each : least));
}
