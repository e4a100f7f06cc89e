/**
 * Metrics of the process, in one registry for all services in it. Creating a metric with an existing name returns the existing one.
 */
import { stat } from 'node:fs/promises';
import { totalmem } from 'node:os';
import {
  Counter,
  type CounterConfiguration,
  collectDefaultMetrics,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type HistogramConfiguration,
  register,
} from 'prom-client';
import { usableCores } from './cpu-limit.ts';

export { register as metricsRegistry };

export function counter<L extends string>(config: CounterConfiguration<L>): Counter<L> {
  return (register.getSingleMetric(config.name) as Counter<L> | undefined) ?? new Counter(config);
}

export function gauge<L extends string>(config: GaugeConfiguration<L>): Gauge<L> {
  return (register.getSingleMetric(config.name) as Gauge<L> | undefined) ?? new Gauge(config);
}

export function histogram<L extends string>(config: HistogramConfiguration<L>): Histogram<L> {
  return (register.getSingleMetric(config.name) as Histogram<L> | undefined) ?? new Histogram(config);
}

/** Buckets in seconds, for durations of milliseconds. */
export const latencyBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

let collecting = false;

/**
 * Default metrics of prom-client that iterate over all connections. With ten thousand connections, collecting them blocks the event loop
 * for tens of milliseconds.
 */
const perConnection = [
  'process_open_fds',
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  'nodejs_active_resources',
  'nodejs_active_resources_total',
];

/** Adds CPU, memory, open files and event-loop delay of the process, once. */
export function collectProcessMetrics(): void {
  if (collecting) return;
  collecting = true;
  collectDefaultMetrics();
  for (const name of perConnection) register.removeSingleMetric(name);
  gauge({
    name: 'process_cpu_limit_cores',
    help: 'Cores that the process may use: those of the machine, or its CPU limit.',
    collect() {
      this.set(usableCores());
    },
  });
  gauge({
    name: 'process_memory_limit_bytes',
    help: 'Memory that the process may use: that of the machine, or its memory limit.',
    collect() {
      // 0 when unknown. Without a limit, cgroup v1 says 2^63.
      this.set(Math.min(process.constrainedMemory() || Infinity, totalmem()));
    },
  });
  gauge({
    name: 'process_open_fds',
    help: 'Open file descriptors. Linux 6.2 and newer.',
    async collect() {
      // Older kernels report 0, and other systems have no such file.
      const size = await stat('/proc/self/fd').then(
        ({ size }) => size,
        () => 0,
      );
      if (size > 0) this.set(size);
    },
  });
}
