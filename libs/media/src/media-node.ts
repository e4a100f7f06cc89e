import { appendRoomEvent, type EventLog } from '@flotilla/bus';
import { FlotillaError, type NodeLoad, type RoomEventPayload } from '@flotilla/contracts';
import { type Logger, retry } from '@flotilla/runtime';
import type { RoomStore } from '@flotilla/store';
import { LoadSampler } from './load.ts';
import { MediaRoom, type MediaRoomDeps } from './media-room.ts';
import type { PeerNodes, PipeListen } from './pipes.ts';
import { type ListenOptions, type PooledWorker, WorkerPool } from './worker-pool.ts';

export interface MediaNodeOptions {
  readonly id: string;
  /** How many mediasoup workers, one core each. */
  readonly workers: number;
  readonly listen: ListenOptions;
  readonly pipeListen: PipeListen;
  readonly rooms: RoomStore;
  readonly events: EventLog;
  readonly peers: PeerNodes;
  readonly log: Logger;
}

/** How long a lost worker's sessions are told of it, should the event log be away, in milliseconds. */
const tellLostMs = 60_000;

/** The media of an SFU node: its workers and, in them, the rooms that have somebody homed here. */
export class MediaNode {
  readonly #rooms = new Map<string, Promise<MediaRoom>>();
  readonly #deps: MediaRoomDeps;
  readonly #log: Logger;
  #pool!: WorkerPool;
  #sampler!: LoadSampler;
  #closed = false;

  private constructor(readonly options: MediaNodeOptions) {
    const { id, rooms, events, peers, pipeListen, log } = options;
    this.#deps = { nodeId: id, rooms, events, peers, pipeListen, log };
    this.#log = log;
  }

  static async start(options: MediaNodeOptions): Promise<MediaNode> {
    const node = new MediaNode(options);
    const { workers, listen, log } = options;
    node.#pool = await WorkerPool.start({ workers, listen, log, onDied: (worker) => void node.#onWorkerDied(worker) });
    node.#sampler = new LoadSampler();
    return node;
  }

  /** The room, opened on the worker with the least to do if it is not here yet. */
  async openRoom(roomId: string): Promise<MediaRoom> {
    let room = this.#rooms.get(roomId);
    if (!room) {
      room = this.#leastLoadedWorker().then((worker) =>
        MediaRoom.open(roomId, worker, this.#deps, (empty) => this.#closeRoom(empty)),
      );
      this.#rooms.set(roomId, room);
      room.catch(() => this.#rooms.delete(roomId));
    }
    return room;
  }

  /** The room, when somebody is homed here. Throws MEDIA_NOT_OPEN. */
  async room(roomId: string): Promise<MediaRoom> {
    const room = await this.#rooms.get(roomId);
    if (!room) throw new FlotillaError('MEDIA_NOT_OPEN', `nobody of ${roomId} is on this node`);
    return room;
  }

  async #leastLoadedWorker(): Promise<PooledWorker> {
    const workers = this.#pool.workers;
    if (workers.length === 0 || this.#closed) throw new FlotillaError('NODE_UNAVAILABLE', 'no media worker is up');
    const burden = new Map<PooledWorker, number>(workers.map((worker) => [worker, 0]));
    for (const { worker, counts } of await this.#openRooms()) {
      const known = burden.get(worker);
      // A room without consumers still costs something.
      if (known !== undefined) burden.set(worker, known + counts.consumers + 1);
    }
    return [...burden].reduce((least, each) => (each[1] < least[1] ? each : least))[0];
  }

  async #openRooms(): Promise<MediaRoom[]> {
    const rooms = await Promise.allSettled(this.#rooms.values());
    return rooms.flatMap((room) => (room.status === 'fulfilled' ? [room.value] : []));
  }

  #closeRoom(room: MediaRoom): void {
    this.#rooms.delete(room.id);
    room.close();
  }

  async #onWorkerDied(worker: PooledWorker): Promise<void> {
    for (const room of await this.#openRooms()) {
      if (room.worker !== worker) continue;
      const { participantIds } = room;
      this.#closeRoom(room);
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

  /** What the node is doing, measured since the last call. */
  async sample(): Promise<NodeLoad> {
    const rooms = await this.#openRooms();
    const workers = this.#pool.workers.map((pooled) => ({
      pooled,
      routers: rooms.filter(({ worker }) => worker === pooled).length,
      consumers: rooms.filter(({ worker }) => worker === pooled).reduce((sum, { counts }) => sum + counts.consumers, 0),
    }));
    const total = (key: keyof MediaRoom['counts']): number => rooms.reduce((sum, { counts }) => sum + counts[key], 0);
    return {
      ...(await this.#sampler.sample(workers)),
      sessions: total('sessions'),
      producers: total('producers'),
      consumers: total('consumers'),
      pipes: total('pipes'),
    };
  }

  /** Tells everybody homed here that their media is gone, and closes all. */
  async close(): Promise<void> {
    const rooms = await this.#openRooms();
    await Promise.allSettled(
      rooms
        .filter(({ participantIds }) => participantIds.length > 0)
        .map(({ id, participantIds }) => this.#tell(id, { participantIds, reason: 'node_lost' })),
    );
    this.#closed = true;
    for (const room of rooms) room.close();
    this.#rooms.clear();
    this.#sampler.close();
    this.#pool.close();
  }
}
