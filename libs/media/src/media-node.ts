import { appendRoomEvent, type EventLog } from '@flotilla/bus';
import { FlotillaError, type NodeLoad, type PeerQuality, type RoomEventPayload } from '@flotilla/contracts';
import { type Logger, retry } from '@flotilla/runtime';
import type { MigrationStore, RoomStore } from '@flotilla/store';
import { LoadSampler } from './load.ts';
import { MediaRoom, type MediaRoomDeps } from './media-room.ts';
import { OpenRooms } from './open-rooms.ts';
import type { PeerNodes, PipeListen } from './pipes.ts';
import { NodeMeter } from './quality/node-meter.ts';
import { type ListenOptions, type PooledWorker, WorkerPool } from './worker-pool.ts';

export interface MediaNodeOptions {
  readonly id: string;
  /** How many mediasoup workers, one core each. */
  readonly workers: number;
  readonly listen: ListenOptions;
  readonly pipeListen: PipeListen;
  readonly rooms: RoomStore;
  readonly migrations: MigrationStore;
  readonly events: EventLog;
  readonly peers: PeerNodes;
  readonly log: Logger;
}

/** How long a lost worker's sessions are told of it, should the event log be away, in milliseconds. */
const tellLostMs = 60_000;

/** The media of an SFU node: its workers and, in them, the rooms that have somebody homed here. */
export class MediaNode {
  readonly #rooms = new OpenRooms((roomId) => this.#open(roomId));
  /** The workers of rooms that are being opened. */
  readonly #placing: PooledWorker[] = [];
  readonly #deps: MediaRoomDeps;
  readonly #log: Logger;
  #pool!: WorkerPool;
  #sampler!: LoadSampler;
  readonly #meter = new NodeMeter();
  #closed = false;

  private constructor(readonly options: MediaNodeOptions) {
    const { id, rooms, migrations, events, peers, pipeListen, log } = options;
    this.#deps = { nodeId: id, rooms, migrations, events, peers, pipeListen, log };
    this.#log = log;
  }

  static async start(options: MediaNodeOptions): Promise<MediaNode> {
    const node = new MediaNode(options);
    const { workers, listen, log } = options;
    node.#pool = await WorkerPool.start({ workers, listen, log, onDied: (worker) => node.#onWorkerDied(worker) });
    node.#sampler = new LoadSampler();
    return node;
  }

  /** The room, opened on the worker with the least to do if it is not here yet. */
  openRoom(roomId: string): Promise<MediaRoom> {
    return this.#rooms.open(roomId);
  }

  async #open(roomId: string): Promise<MediaRoom> {
    const workers = await this.#pool.upWorkers();
    if (workers.length === 0 || this.#closed) throw new FlotillaError('NODE_UNAVAILABLE', 'no media worker is up');
    const worker = this.#leastLoaded(workers);
    // Counted until the room is there, so that rooms opened at once are spread.
    this.#placing.push(worker);
    try {
      return await MediaRoom.open(roomId, worker, this.#deps, (empty) => this.#rooms.close(empty));
    } finally {
      this.#placing.splice(this.#placing.indexOf(worker), 1);
    }
  }

  /** The room, when somebody is homed here. Throws MEDIA_NOT_OPEN. */
  async room(roomId: string): Promise<MediaRoom> {
    const room = await this.#rooms.get(roomId);
    if (!room) throw new FlotillaError('MEDIA_NOT_OPEN', `nobody of ${roomId} is on this node`);
    return room;
  }

  #leastLoaded(workers: readonly PooledWorker[]): PooledWorker {
    return workers.reduce((least, each) => (this.#burden(each) < this.#burden(least) ? each : least));
  }

  #burden(worker: PooledWorker): number {
    let sum = this.#placing.filter((each) => each === worker).length;
    // A room without consumers still costs something.
    for (const room of this.#rooms) if (room.worker === worker) sum += room.counts.consumers + 1;
    return sum;
  }

  #onWorkerDied(worker: PooledWorker): void {
    for (const room of this.#rooms) {
      if (room.worker !== worker) continue;
      const { participantIds } = room;
      this.#rooms.close(room);
      if (participantIds.length === 0) continue;
      retry(() => this.#tell(room.id, { participantIds, reason: 'worker_died' }), { forMs: tellLostMs }).catch(
        (error: unknown) =>
          this.#log.error(
            { err: error, roomId: room.id },
            'could not tell that media was lost; clients will notice by themselves',
          ),
      );
    }
  }

  async #tell(roomId: string, payload: RoomEventPayload<'media_lost'>): Promise<void> {
    await appendRoomEvent(this.options.events, roomId, { type: 'media_lost', from: 'system', payload });
  }

  /** Kills a worker as a crash would, the one with the most to do unless told which. Throws NOT_FOUND. Returns its index. */
  killWorker(index?: number): number {
    const workers = this.#pool.workers;
    const doomed =
      index === undefined
        ? workers.toSorted((a, b) => this.#burden(b) - this.#burden(a))[0]
        : workers.find((each) => each.index === index);
    if (!doomed) throw new FlotillaError('NOT_FOUND', 'no such media worker is up');
    process.kill(doomed.worker.pid, 'SIGKILL');
    return doomed.index;
  }

  /** The process ids of its workers. */
  get workerPids(): number[] {
    return this.#pool.workers.map(({ worker }) => worker.pid);
  }

  /** Sessions that have media here. */
  get sessions(): number {
    let sessions = 0;
    for (const room of this.#rooms) sessions += room.counts.sessions;
    return sessions;
  }

  /** What the node is doing and how its peers fare, measured since the last call. */
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
    // Until their migration is committed they are the other node's: should that be lost, they are lost with it.
    const arriving = new Set(
      rooms.flatMap(({ id, arriving: sessions }) => [...sessions].map((each) => `${id} ${each}`)),
    );
    return { load, peers: peers.filter(({ roomId, sessionId }) => !arriving.has(`${roomId} ${sessionId}`)) };
  }

  /** Tells everybody homed here that their media is gone, and closes all. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(
      [...this.#rooms]
        .filter(({ participantIds }) => participantIds.length > 0)
        .map(({ id, participantIds }) => this.#tell(id, { participantIds, reason: 'node_lost' })),
    );
    for (const room of this.#rooms) this.#rooms.close(room);
    this.#sampler.close();
    this.#pool.close();
  }
}
