import type { Scrape } from '../../measure/metric-history.ts';
import { readSamples } from '../../measure/prometheus-text.ts';
import type { ApiProxy } from './kubectl.ts';

const adminPort = 9464;
const timeoutMs = 1500;

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  }[];
}

/** Components without `/metrics`. */
const withoutMetrics = new Set(['redis', 'rabbitmq', 'turn']);

/** The metrics of every pod of Flotilla in a namespace that answers. */
export async function scrapePods(api: Pick<ApiProxy, 'text'>, namespace: string): Promise<Scrape[]> {
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const selector = encodeURIComponent('app.kubernetes.io/name=flotilla');
  const { items } = JSON.parse(await api.text(`${pods}?labelSelector=${selector}`, timeoutMs)) as PodList;
  const scrapes = items
    .filter(({ metadata }) => !withoutMetrics.has(metadata.labels?.['app.kubernetes.io/component'] ?? ''))
    .map(async ({ metadata: { name } }): Promise<Scrape> => {
      const text = await api.text(`${pods}/${name}:${adminPort}/proxy/metrics`, timeoutMs);
      return { source: name, samples: readSamples(text) };
    });
  return (await Promise.allSettled(scrapes)).flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}
