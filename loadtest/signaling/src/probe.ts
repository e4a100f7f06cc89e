import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type Child } from '@flotilla/testkit';

/** Ticks of Linux's process accounting per second (USER_HZ, fixed for all programs). */
const ticksPerSecond = 100;

/** A process as Linux sees it: the share of one core it used since the last look, and its memory. */
export class ProcessProbe {
  #ticks: number | undefined;
  #at = 0;

  constructor(private readonly pids: readonly number[]) {}

  look(): { cpu: number; rssMb: number } {
    let [ticks, rss] = [0, 0];
    for (const pid of this.pids) {
      // The name in the second field may hold spaces; utime and stime are fields 14 and 15 (proc_pid_stat(5)).
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
      rss += Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
    }
    const now = performance.now();
    const cpu =
      this.#ticks === undefined ? 0 : (ticks - this.#ticks) / ticksPerSecond / Math.max((now - this.#at) / 1000, 0.001);
    [this.#ticks, this.#at] = [ticks, now];
    return { cpu, rssMb: rss };
  }
}

/** The share of all cores that was busy since the last look. */
export class MachineProbe {
  #busy = 0;
  #at = 0;

  look(): number {
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = readFileSync('/proc/stat', 'utf8')
      .split('\n', 1)[0]!
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number);
    const busy = user + nice + system + irq + softirq;
    const now = performance.now();
    const share =
      this.#at === 0
        ? 0
        : (busy - this.#busy) / ticksPerSecond / availableParallelism() / Math.max((now - this.#at) / 1000, 0.001);
    [this.#busy, this.#at] = [busy, now];
    return share;
  }
}

export interface GatewayMetrics {
  readonly loopDelayMs: number;
  readonly gcSeconds: number;
  readonly heapMb: number;
  readonly connections: number;
}

/** Reads a service's /metrics. */
export class MetricsProbe {
  private constructor(private readonly url: string) {}

  static async of(service: Child): Promise<MetricsProbe> {
    const [, port] = await service.line(/"adminPort":(\d+)/);
    return new MetricsProbe(`http://127.0.0.1:${port}/metrics`);
  }

  async look(): Promise<GatewayMetrics> {
    const text = await (await fetch(this.url, { signal: AbortSignal.timeout(10_000) })).text();
    const sum = (name: string): number =>
      [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce(
        (total, [, value]) => total + Number(value),
        0,
      );
    return {
      loopDelayMs: sum('nodejs_eventloop_lag_p99_seconds') * 1000,
      gcSeconds: sum('nodejs_gc_duration_seconds_sum'),
      heapMb: sum('nodejs_heap_size_used_bytes') / 2 ** 20,
      connections: sum('signaling_active_connections'),
    };
  }
}
