// Imported for the metrics that each service registers.
import '@flotilla/autoscaler';
import '@flotilla/console';
import '@flotilla/metadata-relay';
import '@flotilla/room-registry';
import '@flotilla/sfu-worker';
import '@flotilla/signaling-gateway';
import { collectProcessMetrics, metricsRegistry } from '@flotilla/runtime';

interface Registered {
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
}

interface RegisteredMetric {
  readonly name: string;
  readonly labelNames: readonly string[];
  readonly type?: string;
  readonly upperBounds?: readonly number[];
}

/** The series that the services export, by name: a histogram has three, without its own name. */
export function registeredSeries(): Map<string, Registered> {
  collectProcessMetrics();
  const all = metricsRegistry.getMetricsAsArray() as unknown as readonly RegisteredMetric[];
  return new Map(
    all.flatMap(({ name, labelNames: labels, upperBounds }): [string, Registered][] =>
      upperBounds === undefined
        ? [[name, { labels }]]
        : [
            [`${name}_bucket`, { labels: [...labels, 'le'], buckets: upperBounds }],
            [`${name}_sum`, { labels }],
            [`${name}_count`, { labels }],
          ],
    ),
  );
}
