import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { NodeLoad } from '@flotilla/contracts';
import { eventLoopSampleMs, usableCores } from '@flotilla/runtime';
import { within } from './within.ts';
import type { PooledWorker } from './worker-pool.ts';

/** Time for workers to answer, in milliseconds: a worker that hangs must not stop the heartbeat. */
const answerWithinMs = 300;

export interface WorkerCounts {
  readonly pooled: PooledWorker;
  readonly routers: number;
  readonly consumers: number;
}

/** The CPU time of a worker, as it answered last. */
interface WorkerUsage {
  usedMs: number;
  isPending: boolean;
}

/** How long the number of usable cores is taken as it was, ms. */
const coresKeptMs = 10_000;

/** Measures CPU and event-loop delay between two calls. */
export class LoadSampler {
  readonly #delay = monitorEventLoopDelay({ resolution: eventLoopSampleMs });
  readonly #usages = new WeakMap<PooledWorker, WorkerUsage>();
  readonly #cpu = new WeakMap<PooledWorker, number>();
  #processCpu = process.cpuUsage();
  #at = performance.now();
  #cores = usableCores();
  #coresReadAt = performance.now();

  constructor() {
    this.#delay.enable();
  }

  /** Workers that did not answer in time are left out. */
  async sample(workers: readonly WorkerCounts[]): Promise<Pick<NodeLoad, 'cpu' | 'eventLoopDelayMs' | 'workers'>> {
    const deltas = new Map<PooledWorker, number>();
    await within(
      answerWithinMs,
      Promise.all(
        workers.map(async ({ pooled }) => {
          const deltaMs = await this.#cpuSinceLastAnswer(pooled);
          if (deltaMs !== undefined) deltas.set(pooled, deltaMs);
        }),
      ),
    );
    const now = performance.now();
    const elapsedMs = Math.max(1, now - this.#at);
    this.#at = now;

    const own = process.cpuUsage(this.#processCpu);
    this.#processCpu = process.cpuUsage();
    let busyMs = (own.user + own.system) / 1000;

    const perWorker: NodeLoad['workers'] = [];
    for (const { pooled, routers, consumers } of workers) {
      const deltaMs = deltas.get(pooled);
      if (deltaMs === undefined) continue;
      busyMs += deltaMs;
      const cpu = round(deltaMs / elapsedMs);
      this.#cpu.set(pooled, cpu);
      perWorker.push({ pid: pooled.worker.pid, cpu, routers, consumers });
    }

    if (now - this.#coresReadAt >= coresKeptMs) {
      this.#cores = usableCores();
      this.#coresReadAt = now;
    }
    // The percentile is that of the intervals between two samples.
    const eventLoopDelayMs = round(Math.max(0, this.#delay.percentile(99) / 1e6 - eventLoopSampleMs));
    this.#delay.reset();
    return { cpu: round(busyMs / elapsedMs / this.#cores), eventLoopDelayMs, workers: perWorker };
  }

  /** The used share of one core of a worker in its last sample, 0 before the first. */
  cpuOf(pooled: PooledWorker): number {
    return this.#cpu.get(pooled) ?? 0;
  }

  /** CPU time in ms. Undefined for a worker that died, or has not answered the request before this one. */
  async #cpuSinceLastAnswer(pooled: PooledWorker): Promise<number | undefined> {
    const known = this.#usages.get(pooled);
    const usage = known ?? { usedMs: 0, isPending: false };
    if (usage.isPending) return undefined;
    this.#usages.set(pooled, usage);
    usage.isPending = true;
    try {
      const { ru_utime, ru_stime } = await pooled.worker.getResourceUsage();
      const deltaMs = known ? ru_utime + ru_stime - usage.usedMs : 0;
      usage.usedMs = ru_utime + ru_stime;
      return deltaMs;
    } catch {
      return undefined;
    } finally {
      usage.isPending = false;
    }
  }

  close(): void {
    this.#delay.disable();
  }
}

const round = (value: number): number => (Number.isFinite(value) ? Math.round(value * 1000) / 1000 : 0);
