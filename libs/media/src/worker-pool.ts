import type { Logger } from '@flotilla/runtime';
import { createWorker } from 'mediasoup';
import type { WebRtcServer, Worker } from 'mediasoup/types';

/** Where a node's media is reached. */
export interface ListenOptions {
  /** The addresses to bind to. Clients get a candidate for each, the first with the highest priority. */
  readonly ips: readonly string[];
  /** What clients are sent in place of the first address (NAT, a load balancer). */
  readonly announcedAddress?: string | undefined;
  /** Worker n listens on `portBase + n`, UDP and TCP. 0 lets each take a free one. */
  readonly portBase: number;
}

/** A mediasoup worker, the one port its clients use, and where in the pool it stands. */
export interface PooledWorker {
  readonly index: number;
  readonly worker: Worker;
  readonly webRtcServer: WebRtcServer;
}

/**
 * What the kernel keeps of a UDP port until the worker reads it, in bytes; it gives no more than net.core.rmem_max. With its
 * default of 208 KiB a worker that waits 50 ms for a core loses packets of 25 people, key frames among them.
 */
export const udpReceiveBufferBytes = 2 ** 21;

const restartDelayMs = [0, 100, 500, 2000, 5000] as const;

/**
 * A fixed number of mediasoup workers, each a process of its own with one thread. One that dies takes all that runs in it
 * along, is told to `onDied`, and is replaced; the control process lives on.
 */
export class WorkerPool {
  readonly #slots: (PooledWorker | undefined)[] = [];
  readonly #failures: number[] = [];
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
    const pool = new WorkerPool(options.listen, options.log, options.onDied);
    await Promise.all(Array.from({ length: options.workers }, (_, index) => pool.#startWorker(index)));
    return pool;
  }

  /** The workers that are up. */
  get workers(): PooledWorker[] {
    return this.#slots.filter((slot) => slot !== undefined);
  }

  /** The workers that are up; when all died at once, the first that is up again. Empty when none comes within two seconds. */
  async upWorkers(): Promise<PooledWorker[]> {
    if (this.workers.length === 0 && !this.#closed) {
      await Promise.race([this.#up.promise, new Promise((resolve) => setTimeout(resolve, 2000).unref())]);
    }
    return this.workers;
  }

  async #startWorker(index: number): Promise<void> {
    const { ips, announcedAddress, portBase } = this.listen;
    const worker = await createWorker({ logLevel: 'warn', logTags: ['ice', 'dtls', 'rtp'] });
    leaveSignalsToUs(worker);
    try {
      const addresses = ips.map((ip, nth) => ({
        ip,
        ...(nth === 0 && announcedAddress && { announcedAddress }),
        ...(portBase > 0 && { port: portBase + index }),
      }));
      const webRtcServer = await worker.createWebRtcServer({
        // TCP for those whose network blocks UDP.
        listenInfos: [
          ...addresses.map((address) => ({
            protocol: 'udp' as const,
            ...address,
            recvBufferSize: udpReceiveBufferBytes,
          })),
          ...addresses.map((address) => ({ protocol: 'tcp' as const, ...address })),
        ],
      });
      const pooled: PooledWorker = { index, worker, webRtcServer };
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

  #replace(died: PooledWorker, error: Error): void {
    if (this.#closed) return;
    const { index, worker } = died;
    if (wasTold(error)) this.log.info({ pid: worker.pid, index }, 'media worker was told to end, replacing it');
    else this.log.error({ err: error, pid: worker.pid, index }, 'media worker died, replacing it');
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
        this.log.error({ err: error, index }, 'media worker did not start');
      }
    }
  }

  close(): void {
    this.#closed = true;
    for (const pooled of this.workers) pooled.worker.close();
    this.#slots.length = 0;
  }
}

/** It ended in order, by SIGINT or SIGTERM: Ctrl-C in a terminal reaches workers too. mediasoup tells the code in words alone. */
const wasTold = (error: Error): boolean => error.message.includes('code:0,');

/**
 * mediasoup closes each worker by itself on SIGTERM and SIGINT (3.27.1, lib/Worker.js), at once and without a way to ask it
 * not to. A node that stops lets its peers be moved first.
 */
function leaveSignalsToUs(worker: Worker): void {
  const { onSignal } = worker as Worker & { onSignal?: NodeJS.SignalsListener };
  if (!onSignal) return;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, onSignal);
}
