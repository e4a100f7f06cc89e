import { metricsRegistry } from '@flotilla/runtime';
import type { Counter } from 'prom-client';
import type { Counted } from './messages.ts';

const everyMs = 1000;

/** Tells once a second what this thread's counters rose by: its registry is not the one that is read. */
export function watchCounters(onCounted: (counts: Counted[]) => void): void {
  const last = new Map<string, number>();
  setInterval(() => {
    void metricsRegistry.getMetricsAsJSON().then((metrics) => {
      const counts: Counted[] = [];
      for (const { name, values } of metrics) {
        if (!name.startsWith('metadata_') || !name.endsWith('_total')) continue;
        for (const { value, labels } of values) {
          const key = `${name} ${JSON.stringify(labels)}`;
          const by = value - (last.get(key) ?? 0);
          last.set(key, value);
          if (by > 0) counts.push({ name, labels: labels as Counted['labels'], by });
        }
      }
      if (counts.length > 0) onCounted(counts);
    });
  }, everyMs).unref();
}

/** Adds them here. */
export function addCounted(counts: readonly Counted[]): void {
  for (const { name, labels, by } of counts)
    (metricsRegistry.getSingleMetric(name) as Counter | undefined)?.inc(labels, by);
}
