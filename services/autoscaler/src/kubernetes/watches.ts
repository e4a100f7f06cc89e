import type { KubernetesListObject, KubernetesObject, V1Deployment, V1Node, V1Pod } from '@kubernetes/client-node';
import type { Logger } from '@flotilla/runtime';
import type { KubernetesApi } from './api.ts';

const retryMs = 1000;

interface Watched<T> {
  list(): readonly T[];
  stop(): Promise<void>;
}

/**
 * The deployment, its pods and, if wanted, the machines, as the API server last reported them. Each instance watches, so that a new leader
 * has them.
 */
export class Watches {
  readonly #deployments: Watched<V1Deployment>;
  readonly #pods: Watched<V1Pod>;
  readonly #machines: Watched<V1Node> | undefined;

  private constructor(deployments: Watched<V1Deployment>, pods: Watched<V1Pod>, machines: Watched<V1Node> | undefined) {
    this.#deployments = deployments;
    this.#pods = pods;
    this.#machines = machines;
  }

  /** @throws when the API server does not answer, or refuses: a service account without the rights of the chart's Role. */
  static async start(api: KubernetesApi, watchMachines: boolean, log: Logger): Promise<Watches> {
    const { namespace, name } = api.workload;
    const selector = Object.entries((await api.readDeployment()).spec?.selector.matchLabels ?? {});
    const labels = selector.map(([key, value]) => `${key}=${value}`).join(',');
    const fields = `metadata.name=${name}`;
    const opened: Watched<unknown>[] = [];
    const open = async <T extends KubernetesObject>(options: WatchOptions<T>): Promise<Watched<T>> => {
      const watched = await watch(api, log, options);
      opened.push(watched);
      return watched;
    };
    try {
      return new Watches(
        await open({
          path: `/apis/apps/v1/namespaces/${namespace}/deployments`,
          list: () => api.listDeployments(fields),
          fields,
        }),
        await open({ path: `/api/v1/namespaces/${namespace}/pods`, list: () => api.listPods(labels), labels }),
        watchMachines ? await open({ path: '/api/v1/nodes', list: () => api.listMachines() }) : undefined,
      );
    } catch (error) {
      // The caller tries again: the watches that were opened would go on beside the new ones.
      await Promise.allSettled(opened.map((watched) => watched.stop()));
      throw error;
    }
  }

  /** Undefined after it was deleted. */
  get deployment(): V1Deployment | undefined {
    return this.#deployments.list()[0];
  }

  get pods(): readonly V1Pod[] {
    return this.#pods.list();
  }

  /** By name. Empty when machines are not watched. */
  get machines(): ReadonlyMap<string, V1Node> {
    return new Map(this.#machines?.list().map((machine) => [machine.metadata?.name ?? '', machine]));
  }

  async stop(): Promise<void> {
    await Promise.all([this.#deployments.stop(), this.#pods.stop(), this.#machines?.stop()]);
  }
}

interface WatchOptions<T extends KubernetesObject> {
  readonly path: string;
  readonly list: () => Promise<KubernetesListObject<T>>;
  readonly labels?: string;
  readonly fields?: string;
}

/** Lists once, and applies the changes until it is stopped. An interrupted watch is repeated. */
async function watch<T extends KubernetesObject>(
  { client, config }: KubernetesApi,
  log: Logger,
  { path, list, labels, fields }: WatchOptions<T>,
): Promise<Watched<T>> {
  const informer = new client.ListWatch<T>(path, new client.Watch(config), list, false, labels, fields);
  let timer: NodeJS.Timeout | undefined;
  let failed: unknown;
  let isStopped = false;
  informer.on('error', (error) => {
    failed = error;
    log.debug({ err: error, path }, 'watch interrupted');
    if (isStopped) return;
    clearTimeout(timer);
    timer = setTimeout(() => void informer.start(), retryMs);
  });
  await informer.start();
  const stop = async (): Promise<void> => {
    isStopped = true;
    clearTimeout(timer);
    await informer.stop();
  };
  if (failed !== undefined) {
    await stop();
    throw failed instanceof Error ? failed : new Error(`the API server did not list ${path}`);
  }
  return { list: () => informer.list(), stop };
}
