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
  type LabelValues,
  type OpenMetricsContentType,
  register,
  Registry,
} from 'prom-client';
import { usableCores } from './cpu-limit.ts';
import { sampledTraceId } from './tracing.ts';

export { register as metricsRegistry };

export function counter<L extends string>(config: CounterConfiguration<L>): Counter<L> {
  return (register.getSingleMetric(config.name) as Counter<L> | undefined) ?? new Counter(config);
}

export function gauge<L extends string>(config: GaugeConfiguration<L>): Gauge<L> {
  return (register.getSingleMetric(config.name) as Gauge<L> | undefined) ?? new Gauge(config);
}

/** What is observed in a sampled span has its trace as an exemplar, see `openMetricsText`. */
export function histogram<L extends string>(config: HistogramConfiguration<L>): Histogram<L> {
  const known = register.getSingleMetric(config.name) as Histogram<L> | undefined;
  if (known) return known;
  // prom-client refuses exemplars in a registry with another content type than that of OpenMetrics.
  const created = new Histogram<L>({ ...config, enableExemplars: true, registers: [] });
  register.registerMetric(created);
  return withTraces(created);
}

/** The two functions of prom-client of which a histogram with exemplars has the second one as `observe`. */
interface ObserveFunctions<L extends string> {
  observeWithoutExemplar(labels: LabelValues<L> | number, value?: number): void;
  observeWithExemplar(observation: {
    labels: LabelValues<L>;
    value: number;
    exemplarLabels: Record<'trace_id', string>;
  }): void;
}

function withTraces<L extends string>(created: Histogram<L>): Histogram<L> {
  const functions = created as unknown as ObserveFunctions<L>;
  const observe = (labels: LabelValues<L> | number, value?: number): void => {
    const traceId = sampledTraceId();
    if (traceId === undefined) return functions.observeWithoutExemplar(labels, value);
    const [ofLabels, observed] = typeof labels === 'number' ? [{}, labels] : [labels, value!];
    functions.observeWithExemplar({ labels: ofLabels, value: observed, exemplarLabels: { trace_id: traceId } });
  };
  return Object.assign(created, { observe });
}

/** The metrics in the format of OpenMetrics 1.0, which has exemplars, and its content type. */
export async function openMetricsText(): Promise<{ text: string; contentType: string }> {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  // Derived objects: prom-client takes the suffix `_total` off the name of a counter, which the other format needs.
  for (const metric of register.getMetricsAsArray())
    registry.registerMetric(Object.create(metric) as Parameters<typeof registry.registerMetric>[0]);
  return { text: await registry.metrics(), contentType: registry.contentType };
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

/** Interval between two samples of the event loop, ms. Each wakes the process; with prom-client's 10 ms that costs 1 % of a core. */
export const eventLoopSampleMs = 50;

/** Adds CPU, memory, open files and event-loop delay of the process, once. */
export function collectProcessMetrics(): void {
  if (collecting) return;
  collecting = true;
  collectDefaultMetrics({ eventLoopMonitoringPrecision: eventLoopSampleMs });
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
