import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { adminUrlOf, type Child } from '@flotilla/processes';

/** Ticks of Linux's process accounting per second (USER_HZ, fixed for all programs). */
const ticksPerSecond = 100;

/** Samples processes: the share of one core used since the last sample, and memory. */
export class ProcessProbe {
  #ticks: number | undefined;
  #at = 0;

  constructor(private readonly pids: readonly number[]) {}

  sample(): { cpu: number; rssMb: number } {
    let [ticks, rss] = [0, 0];
    for (const pid of this.pids) {
      // The second field, the name, may contain spaces; utime and stime are fields 14 and 15 (proc_pid_stat(5)).
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

/** Ticks of user and system time of this process and its descendants, from /proc. */
function ownTicks(): number {
  const parents = new Map<number, { parent: number; ticks: number }>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const fields = readFileSync(`/proc/${entry}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
      parents.set(Number(entry), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // The process has ended meanwhile.
    }
  }
  const isOurs = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === process.pid || isOurs(parents.get(pid)?.parent));
  return [...parents].reduce((sum, [pid, { ticks }]) => sum + (isOurs(pid) ? ticks : 0), 0);
}

/** Samples the machine: the share of all cores that was busy since the last sample, and the share of other programs. */
export class MachineProbe {
  #before: { busy: number; foreign: number; at: number } | undefined;

  sample(): { busy: number; others: number } {
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = readFileSync('/proc/stat', 'utf8')
      .split('\n', 1)[0]!
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number);
    const now = {
      busy: user + nice + system + irq + softirq,
      foreign: user + nice + system + steal - ownTicks(),
      at: performance.now(),
    };
    const before = this.#before;
    this.#before = now;
    if (!before) return { busy: 0, others: 0 };
    const all = (availableParallelism() * ticksPerSecond * Math.max(now.at - before.at, 1)) / 1000;
    return { busy: (now.busy - before.busy) / all, others: Math.max(0, (now.foreign - before.foreign) / all) };
  }
}

export interface GatewayMetrics {
  readonly loopDelayMs: number;
  readonly gcSeconds: number;
  readonly heapMb: number;
  readonly connections: number;
}

/** Interval of reading /metrics, which takes a gateway with many sockets some milliseconds and would be in its p99 if read every second. */
const metricsEveryMs = 5000;

/** Reads the /metrics of a service. */
export class MetricsProbe {
  #last: GatewayMetrics | undefined;
  #readAt = 0;

  private constructor(private readonly url: string) {}

  static async of(service: Child): Promise<MetricsProbe> {
    return new MetricsProbe(`${await adminUrlOf(service)}/metrics`);
  }

  /** The metrics, at most 5 s old. */
  async sample(): Promise<GatewayMetrics> {
    if (this.#last && performance.now() - this.#readAt < metricsEveryMs) return this.#last;
    this.#last = await this.#read();
    this.#readAt = performance.now();
    return this.#last;
  }

  async #read(): Promise<GatewayMetrics> {
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
