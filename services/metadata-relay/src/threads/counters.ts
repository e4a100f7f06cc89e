import { metricsRegistry } from '@flotilla/runtime';
import type { Counter } from 'prom-client';
import type { CounterIncrease } from './messages.ts';

const intervalMs = 1000;

/**
 * Reports once per second by how much this thread's counters have increased. The metrics endpoint reads the registry of the main
 * thread, which adds them there.
 */
export function watchCounters(onIncrease: (increases: CounterIncrease[]) => void): void {
  const last = new Map<string, number>();
  setInterval(() => {
    void metricsRegistry.getMetricsAsJSON().then((metrics) => {
      const increases: CounterIncrease[] = [];
      for (const { name, values } of metrics) {
        if (!name.startsWith('metadata_') || !name.endsWith('_total')) continue;
        for (const { value, labels } of values) {
          const key = `${name} ${JSON.stringify(labels)}`;
          const by = value - (last.get(key) ?? 0);
          last.set(key, value);
          if (by > 0) increases.push({ name, labels: labels as CounterIncrease['labels'], by });
        }
      }
      if (increases.length > 0) onIncrease(increases);
    });
  }, intervalMs).unref();
}

/** Adds the increases of another thread's counters to the registry of this thread. */
export function addIncreases(increases: readonly CounterIncrease[]): void {
  for (const { name, labels, by } of increases)
    (metricsRegistry.getSingleMetric(name) as Counter | undefined)?.inc(labels, by);
}
