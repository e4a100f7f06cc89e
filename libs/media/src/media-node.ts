import { appendRoomEvent, type EventLog } from '@flotilla/bus';
import { FlotillaError, type MediaSessionParameters, type NodeLoad, type PeerQuality } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { MigrationStore, RoomStore } from '@flotilla/store';
import { appendUntilStored } from './append-until-stored.ts';
import { LoadSampler } from './load.ts';
import { MediaRoom, type MediaRoomDeps, type OpenSessionRequest, type WorkerAssignment } from './media-room.ts';
import { OpenRooms } from './open-rooms.ts';
import type { PeerNodes, PipeListen } from './pipes/pipe-transport.ts';
import { NodeMeter } from './quality/node-meter.ts';
import { chooseWorker, type SpreadLimits, spreadCpu } from './worker-choice.ts';
import { killProcess, type ListenOptions, type PooledWorker, WorkerPool } from './worker-pool.ts';

export interface MediaNodeOptions {
  readonly id: string;
  /** Number of mediasoup workers; each uses one core. */
  readonly workers: number;
  /** Sessions and consumers on a worker from which on further participants of its rooms are assigned to other workers. */
  readonly spreadLoad: number;
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

/** A room may close between the look-up and its use: number of times that it is opened again. */
const maxOpenAttempts = 3;

/** The media of an SFU node: its mediasoup workers, and the rooms with sessions on this node. */
export class MediaNode {
  readonly #rooms = new OpenRooms((roomId) => this.#open(roomId));
  /** Sessions that are being opened. */
  readonly #opening = new Set<{ readonly room: MediaRoom; readonly worker: PooledWorker }>();
  readonly #spread: SpreadLimits;
  readonly #deps: MediaRoomDeps;
  readonly #log: Logger;
  #pool!: WorkerPool;
  readonly #sampler = new LoadSampler();
  readonly #meter = new NodeMeter();
  #closed = false;

  private constructor(readonly options: MediaNodeOptions) {
    const { id: nodeId, rooms, migrations, events, peers, pipeListen, maxPublishBitrate, log } = options;
    this.#deps = { nodeId, rooms, migrations, events, peers, pipeListen, maxPublishBitrate, log };
    this.#spread = { cpu: spreadCpu, load: options.spreadLoad };
    this.#log = log;
  }

  static async start(options: MediaNodeOptions): Promise<MediaNode> {
    const node = new MediaNode(options);
    const { workers, listen, log } = options;
    node.#pool = await WorkerPool.start({ workers, listen, log, onDied: (worker) => node.#onWorkerDied(worker) });
    return node;
  }

  /** Opens a session's media in a room, on the worker that is best for it. */
  async openSession(roomId: string, request: OpenSessionRequest): Promise<MediaSessionParameters> {
    for (let attempt = 1; ; attempt++) {
      const room = await this.#rooms.open(roomId);
      if (!room.closed || attempt === maxOpenAttempts) return room.openSession(request);
    }
  }

  async #open(id: string): Promise<MediaRoom> {
    if (this.#closed) throw noWorker();
    const onEmpty = (room: MediaRoom): void => this.#rooms.close(room);
    return new MediaRoom({ id, deps: this.#deps, assignWorker: (room) => this.#assignWorker(room), onEmpty });
  }

  async #assignWorker(room: MediaRoom): Promise<WorkerAssignment> {
    const workers = await this.#pool.upWorkers();
    if (workers.length === 0 || this.#closed) throw noWorker();
    const loads = this.#loads(room);
    const { worker } = chooseWorker(
      workers.map((each) => ({ worker: each, cpu: this.#sampler.cpuOf(each), ...loads.get(each)! })),
      this.#spread,
    );
    // Counted until the session is open, so that sessions opened at the same time are spread.
    const opening = { room, worker };
    this.#opening.add(opening);
    return { worker, done: () => this.#opening.delete(opening) };
  }

  /** A room with sessions on this node. Throws MEDIA_NOT_OPEN. */
  async room(roomId: string): Promise<MediaRoom> {
    const room = await this.#rooms.get(roomId);
    if (!room) throw new FlotillaError('MEDIA_NOT_OPEN', `no session of ${roomId} has media on this node`);
    return room;
  }

  /** Sessions and consumers of each worker, and the sessions of one room there. */
  #loads(of?: MediaRoom): Map<PooledWorker, { load: number; ofRoom: number }> {
    const loads = new Map(this.#pool.workers.map((worker) => [worker, { load: 0, ofRoom: 0 }]));
    const add = (worker: PooledWorker, room: MediaRoom, sessions: number, consumers: number): void => {
      const entry = loads.get(worker);
      if (!entry) return;
      entry.load += sessions + consumers;
      if (room === of) entry.ofRoom += sessions;
    };
    for (const { worker, room } of this.#opening) add(worker, room, 1, 0);
    for (const room of this.#rooms)
      for (const [worker, { sessions, consumers }] of room.loads) add(worker, room, sessions, consumers);
    return loads;
  }

  #onWorkerDied(worker: PooledWorker): void {
    for (const room of this.#rooms) {
      const lost = room.onWorkerDied(worker);
      if (!lost) continue;
      // Also without participants: other nodes check the pipes that they receive from this one.
      const payload = { ...lost, reason: 'worker_died', nodeId: this.options.id } as const;
      appendUntilStored(this.options.events, room.id, { type: 'media_lost', from: 'system', payload }, this.#log);
    }
  }

  async #appendNodeLost(roomId: string, participantIds: string[]): Promise<void> {
    const payload = { participantIds, reason: 'node_lost', nodeId: this.options.id } as const;
    await appendRoomEvent(this.options.events, roomId, { type: 'media_lost', from: 'system', payload });
  }

  /** Kills a worker as a crash would; the most loaded one by default. Returns its index. Throws NOT_FOUND. */
  killWorker(index?: number): number {
    const { workers } = this.#pool;
    const loads = this.#loads();
    const loadOf = (worker: PooledWorker): number => loads.get(worker)!.load;
    const target =
      index === undefined
        ? workers.toSorted((a, b) => loadOf(b) - loadOf(a))[0]
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

  /** Number of media workers that died since the start. */
  get workerDeaths(): number {
    return this.#pool.deaths;
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
    const routers = rooms.flatMap((room) => [...room.routers]);
    const loads = rooms.map((room) => room.loads);
    const workers = this.#pool.workers.map((pooled) => ({
      pooled,
      routers: routers.filter(({ worker }) => worker === pooled).length,
      consumers: loads.reduce((sum, load) => sum + (load.get(pooled)?.consumers ?? 0), 0),
    }));
    const total = (key: keyof MediaRoom['counts']): number => rooms.reduce((sum, { counts }) => sum + counts[key], 0);
    const [cpu, { peers, ...traffic }] = await Promise.all([
      this.#sampler.sample(workers),
      this.#meter.sample(routers),
    ]);
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
        .map(({ id, participantIds }) => this.#appendNodeLost(id, participantIds)),
    );
    for (const room of this.#rooms) this.#rooms.close(room);
    this.#sampler.close();
    this.#pool.close();
  }
}

const noWorker = (): FlotillaError => new FlotillaError('NODE_UNAVAILABLE', 'no media worker is up');
