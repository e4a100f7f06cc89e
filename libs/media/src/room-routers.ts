import { FlotillaError } from '@flotilla/contracts';
import type { Router } from 'mediasoup/types';
import { routerOptions } from './codecs.ts';
import { RoomMeter } from './quality/room-meter.ts';
import type { RouterSpeakers, SpeakerDetector } from './speakers.ts';
import type { PublishedStream } from './quality/transport-group.ts';
import type { PooledWorker } from './worker-pool.ts';

/** The router of a room on one worker. */
export interface RoomRouter {
  readonly worker: PooledWorker;
  readonly router: Router;
  /** Measures the peers and pipes of this router. */
  readonly meter: RoomMeter;
  /** Observes the audio that this router receives. */
  readonly speakers: RouterSpeakers;
}

/** A router, kept open until it is released. */
export interface RouterLease {
  readonly roomRouter: RoomRouter;
  readonly release: () => void;
}

interface Entry {
  readonly opening: Promise<RoomRouter>;
  opened?: RoomRouter;
  /** Sessions on it, those that are being opened included. */
  uses: number;
}

export interface RoomRoutersOptions {
  readonly roomId: string;
  readonly speakers: SpeakerDetector;
  readonly onMeasured: (sessionId: string, streams: readonly PublishedStream[]) => void;
  /** Whether there are pipes to or from other nodes. */
  readonly hasPipes: () => boolean;
}

/** The routers of a room on this node: one on each worker that has sessions of the room, opened and closed on demand. */
export class RoomRouters implements Iterable<RoomRouter> {
  readonly #entries = new Map<PooledWorker, Entry>();
  /** The one that pipes to and from other nodes end at. */
  #ofPipes: RoomRouter | undefined;
  #closed = false;

  constructor(private readonly options: RoomRoutersOptions) {}

  /** The open routers. */
  *[Symbol.iterator](): Iterator<RoomRouter> {
    for (const { opened } of this.#entries.values()) if (opened) yield opened;
  }

  /** The router on a worker, opened if it is not open, until it is released. Throws NODE_UNAVAILABLE. */
  async use(worker: PooledWorker): Promise<RouterLease> {
    let entry = this.#entries.get(worker);
    if (!entry) {
      entry = { opening: this.#open(worker), uses: 0 };
      this.#entries.set(worker, entry);
    }
    const used = entry;
    used.uses++;
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      used.uses--;
      this.#closeUnused();
    };
    try {
      const roomRouter = await used.opening;
      used.opened = roomRouter;
      if (roomRouter.router.closed) throw unavailable();
      return { roomRouter, release };
    } catch (error) {
      if (this.#entries.get(worker) === used) this.#entries.delete(worker);
      throw error;
    }
  }

  async #open(worker: PooledWorker): Promise<RoomRouter> {
    const { roomId, speakers, onMeasured } = this.options;
    let router: Router | undefined;
    try {
      router = await worker.worker.createRouter(routerOptions);
      // Before its first transport: it measures the transports that are created after it.
      const meter = new RoomMeter(roomId, router, onMeasured);
      const roomRouter = { worker, router, meter, speakers: await speakers.observe(router) };
      if (!this.#closed && !router.closed) return roomRouter;
    } catch (error) {
      router?.close();
      throw unavailable(error);
    }
    router.close();
    throw unavailable();
  }

  /** The router that pipes to and from other nodes end at: the same as long as it is open, else the one with most sessions. Throws MEDIA_NOT_OPEN. */
  get ofPipes(): RoomRouter {
    if (this.#ofPipes && !this.#ofPipes.router.closed) return this.#ofPipes;
    const open = [...this.#entries.values()].filter(({ opened }) => opened && !opened.router.closed);
    if (open.length === 0) throw new FlotillaError('MEDIA_NOT_OPEN');
    this.#ofPipes = open.reduce((most, each) => (each.uses > most.uses ? each : most)).opened!;
    return this.#ofPipes;
  }

  /** Whether pipes to and from other nodes ended on this worker. */
  hasPipesOn(worker: PooledWorker): boolean {
    return this.#ofPipes?.worker === worker;
  }

  #closeUnused(): void {
    for (const [worker, { opened, uses }] of this.#entries) {
      if (uses > 0 || !opened || (opened === this.#ofPipes && this.options.hasPipes())) continue;
      this.#entries.delete(worker);
      opened.router.close();
    }
  }

  /** A worker died, and its router with it. */
  onWorkerDied(worker: PooledWorker): void {
    this.#entries.delete(worker);
    if (this.#ofPipes?.worker === worker) this.#ofPipes = undefined;
  }

  close(): void {
    this.#closed = true;
    for (const { opened } of this.#entries.values()) opened?.router.close();
    this.#entries.clear();
  }
}

const unavailable = (cause?: unknown): FlotillaError =>
  new FlotillaError('NODE_UNAVAILABLE', 'the media worker stopped while a router was opened', { cause });
