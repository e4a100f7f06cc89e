import { maxSubscriptions } from '@flotilla/contracts';
import { FairQueue, type Logger } from '@flotilla/runtime';
import { createWorker } from 'mediasoup';
import type { WebRtcServer, Worker } from 'mediasoup/types';
import { within } from './within.ts';
import { logWorkerErrors } from './worker-errors.ts';

/** Addresses that a node receives media at. */
export interface ListenOptions {
  /** The addresses to bind to. Clients get a candidate for each, the first with the highest priority. */
  readonly ips: readonly string[];
  /** What clients are sent in place of each of them (NAT, a load balancer), undefined for itself. */
  readonly announced?: readonly (string | undefined)[];
  /** Worker n listens on `portBase + n`, UDP and TCP. 0: a free port for each. */
  readonly portBase: number;
}

/** A mediasoup worker, the server with the one port of its clients, and its index in the pool. */
export interface PooledWorker {
  readonly index: number;
  readonly worker: Worker;
  readonly webRtcServer: WebRtcServer;
  /**
   * Turns of sessions at having a consumer created: one request of a client can create hundreds, and the worker forwards no packet and
   * answers nobody else while it works on them.
   */
  readonly consumeTurns: FairQueue;
}

/** Number of consumers that a worker is asked for at a time. */
const parallelConsumes = 16;

/**
 * Receive buffer of a UDP port, in bytes; the kernel limits it to net.core.rmem_max. Its default of 208 KiB holds less than 50 ms of
 * 34 Mbit/s: a worker that waits that long for a core would lose packets, key frames among them.
 */
export const udpReceiveBufferBytes = 2 ** 21;

/** Interval at which workers are checked, in milliseconds. */
const checkEveryMs = 1000;
/**
 * A worker that has not answered at this many checks in a row is killed. Checks are counted rather than time, so that a process
 * whose own event loop was blocked reads the answers before it counts further.
 */
const maxUnansweredChecks = 5;

/** Delay before a worker is started again, by the number of failed starts in a row, in milliseconds. The last one repeats. */
const restartDelayMs = [0, 100, 500, 2000, 5000] as const;
/** How long a request waits for a worker while none is up, in milliseconds. */
const upWithinMs = 2000;

/**
 * A fixed number of mediasoup workers, each a process with one thread. A worker that dies is replaced; its routers and
 * transports are lost, which `onDied` is called for. One that hangs is killed.
 */
export class WorkerPool {
  readonly #slots: (PooledWorker | undefined)[] = [];
  readonly #failures: number[] = [];
  /** Number of workers that died other than by an orderly signal. */
  #deaths = 0;
  /** Number of checks since which a worker has not answered. */
  readonly #unanswered = new WeakMap<PooledWorker, number>();
  readonly #checks = setInterval(() => this.#checkAll(), checkEveryMs);
  /** Resolved while at least one worker is up. */
  #up = Promise.withResolvers<void>();
  #closed = false;

  private constructor(
    private readonly listen: ListenOptions,
    private readonly log: Logger,
    private readonly onDied: (worker: PooledWorker) => void,
  ) {}

  static async start(options: {
    workers: number;
    listen: ListenOptions;
    log: Logger;
    onDied: (worker: PooledWorker) => void;
  }): Promise<WorkerPool> {
    logWorkerErrors(options.log);
    const pool = new WorkerPool(options.listen, options.log, options.onDied);
    try {
      await Promise.all(Array.from({ length: options.workers }, (_, index) => pool.#startWorker(index)));
      return pool;
    } catch (error) {
      pool.close();
      throw error;
    }
  }

  /** The workers that are up. */
  get workers(): PooledWorker[] {
    return this.#slots.filter((slot) => slot !== undefined);
  }

  /** The workers that are up. While none is, waits `upWithinMs` for one. */
  async upWorkers(): Promise<PooledWorker[]> {
    if (this.workers.length === 0 && !this.#closed) {
      await within(upWithinMs, this.#up.promise);
    }
    return this.workers;
  }

  async #startWorker(index: number): Promise<void> {
    const { ips, announced = [], portBase } = this.listen;
    const worker = await createWorker({ logLevel: 'warn', logTags: ['ice', 'dtls', 'rtp'] });
    removeSignalHandlers(worker);
    try {
      const addresses = ips.map((ip, nth) => ({
        ip,
        ...(announced[nth] !== undefined && { announcedAddress: announced[nth] }),
        ...(portBase > 0 && { port: portBase + index }),
      }));
      const webRtcServer = await worker.createWebRtcServer({
        // TCP for clients whose network blocks UDP.
        listenInfos: [
          ...addresses.map((address) => ({
            protocol: 'udp' as const,
            ...address,
            recvBufferSize: udpReceiveBufferBytes,
          })),
          ...addresses.map((address) => ({ protocol: 'tcp' as const, ...address })),
        ],
      });
      if (this.#closed) throw new Error('the pool was closed while the worker started');
      const consumeTurns = new FairQueue({
        concurrency: parallelConsumes,
        concurrencyPerKey: parallelConsumes,
        maxPerKey: maxSubscriptions,
      });
      const pooled: PooledWorker = { index, worker, webRtcServer, consumeTurns };
      worker.on('died', (error) => this.#replace(pooled, error));
      this.#slots[index] = pooled;
      this.#failures[index] = 0;
      this.#up.resolve();
      this.log.debug({ pid: worker.pid, index }, 'media worker started');
    } catch (error) {
      worker.close();
      throw error;
    }
  }

  get deaths(): number {
    return this.#deaths;
  }

  #checkAll(): void {
    for (const pooled of this.workers) {
      const { worker, index } = pooled;
      const unanswered = this.#unanswered.get(pooled) ?? 0;
      this.#unanswered.set(pooled, unanswered + 1);
      if (unanswered === 0)
        worker.getResourceUsage().then(
          () => this.#unanswered.delete(pooled),
          // It died.
          () => undefined,
        );
      if (unanswered !== maxUnansweredChecks) continue;
      this.log.error(
        { pid: worker.pid, index, ms: maxUnansweredChecks * checkEveryMs },
        'media worker hangs, killing it',
      );
      killProcess(worker.pid);
    }
  }

  #replace(died: PooledWorker, error: Error): void {
    if (this.#closed) return;
    const { index, worker } = died;
    if (isOrderly(error)) this.log.info({ pid: worker.pid, index }, 'media worker exited on a signal, replacing it');
    else {
      this.#deaths++;
      this.log.error({ err: error, pid: worker.pid, index }, 'media worker died, replacing it');
    }
    this.#slots[died.index] = undefined;
    if (this.workers.length === 0) this.#up = Promise.withResolvers();
    this.onDied(died);
    void this.#restart(died.index);
  }

  async #restart(index: number): Promise<void> {
    while (!this.#closed) {
      const failures = this.#failures[index] ?? 0;
      const delay = restartDelayMs[Math.min(failures, restartDelayMs.length - 1)]!;
      await new Promise((resolve) => setTimeout(resolve, delay));
      if (this.#closed) return;
      try {
        await this.#startWorker(index);
        return;
      } catch (error) {
        this.#failures[index] = failures + 1;
        if (!this.#closed) this.log.error({ err: error, index, failures: failures + 1 }, 'media worker did not start');
      }
    }
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#checks);
    for (const pooled of this.workers) pooled.worker.close();
    this.#slots.length = 0;
  }
}

/** Kills a process; one that has ended meanwhile is no error. */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Exited by SIGINT or SIGTERM: Ctrl-C in a terminal reaches workers too. mediasoup has the exit code in its message only. */
const isOrderly = (error: Error): boolean => error.message.includes('code:0,');

/**
 * mediasoup closes each worker on SIGTERM and SIGINT (3.27.1, lib/Worker.js) and has no option against it. A node that stops
 * drains first.
 */
function removeSignalHandlers(worker: Worker): void {
  const { onSignal } = worker as Worker & { onSignal?: NodeJS.SignalsListener };
  if (!onSignal) return;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, onSignal);
}
