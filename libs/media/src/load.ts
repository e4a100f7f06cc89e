import { availableParallelism } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { NodeLoad } from '@flotilla/contracts';
import type { PooledWorker } from './worker-pool.ts';

/** Measures CPU and event-loop delay between two calls. */
export class LoadSampler {
  readonly #delay = monitorEventLoopDelay({ resolution: 10 });
  readonly #workerCpuMs = new Map<number, number>();
  #processCpu = process.cpuUsage();
  #at = performance.now();

  constructor() {
    this.#delay.enable();
  }

  async sample(
    workers: readonly { pooled: PooledWorker; routers: number; consumers: number }[],
  ): Promise<Pick<NodeLoad, 'cpu' | 'eventLoopDelayMs' | 'workers'>> {
    const usages = await Promise.allSettled(workers.map(({ pooled }) => pooled.worker.getResourceUsage()));
    const now = performance.now();
    const elapsedMs = Math.max(1, now - this.#at);
    this.#at = now;

    const own = process.cpuUsage(this.#processCpu);
    this.#processCpu = process.cpuUsage();
    let busyMs = (own.user + own.system) / 1000;

    const perWorker: NodeLoad['workers'] = [];
    for (const [index, { pooled, routers, consumers }] of workers.entries()) {
      const usage = usages[index]!;
      // A worker that died while we asked.
      if (usage.status === 'rejected') continue;
      const { pid } = pooled.worker;
      const usedMs = usage.value.ru_utime + usage.value.ru_stime;
      const delta = usedMs - (this.#workerCpuMs.get(pid) ?? usedMs);
      this.#workerCpuMs.set(pid, usedMs);
      busyMs += delta;
      perWorker.push({ pid, cpu: round(delta / elapsedMs), routers, consumers });
    }
    const pids = new Set(perWorker.map(({ pid }) => pid));
    for (const pid of this.#workerCpuMs.keys()) if (!pids.has(pid)) this.#workerCpuMs.delete(pid);

    const eventLoopDelayMs = round(this.#delay.percentile(99) / 1e6);
    this.#delay.reset();
    return { cpu: round(busyMs / elapsedMs / availableParallelism()), eventLoopDelayMs, workers: perWorker };
  }

  close(): void {
    this.#delay.disable();
  }
}

const round = (value: number): number => (Number.isFinite(value) ? Math.round(value * 1000) / 1000 : 0);
