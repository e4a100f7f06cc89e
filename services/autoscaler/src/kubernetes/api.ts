import { existsSync, readFileSync } from 'node:fs';
import type {
  AppsV1Api,
  ConfigurationOptions,
  CoordinationV1Api,
  CoreV1Api,
  KubeConfig,
  V1Deployment,
  V1DeploymentCondition,
  V1Lease,
} from '@kubernetes/client-node';
import type { LeaseRequests, LeaseSpec } from './lease.ts';

type Client = typeof import('@kubernetes/client-node');

const requestTimeoutMs = 5000;
/** Source of Events, and manager of fields in `kubectl get --show-managed-fields`. */
const fieldManager = 'flotilla-autoscaler';
const namespaceFile = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/** The Deployment that is scaled. */
export interface Workload {
  readonly namespace: string;
  readonly name: string;
}

/** The namespace of the pod that this process runs in; undefined outside Kubernetes. */
export const ownNamespace = (): string | undefined =>
  existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : undefined;

/** The requests to the API server, each with a deadline. */
export class KubernetesApi implements LeaseRequests {
  readonly #apps: AppsV1Api;
  readonly #core: CoreV1Api;
  readonly #coordination: CoordinationV1Api;

  private constructor(
    readonly client: Client,
    readonly config: KubeConfig,
    readonly workload: Workload,
  ) {
    this.#apps = config.makeApiClient(client.AppsV1Api);
    this.#core = config.makeApiClient(client.CoreV1Api);
    this.#coordination = config.makeApiClient(client.CoordinationV1Api);
  }

  /**
   * Uses the service account of the pod, or outside Kubernetes the kubeconfig that KUBECONFIG names. Loads the client library, which
   * takes some 80 MiB of memory.
   */
  static async connect(workload: Workload): Promise<KubernetesApi> {
    const client = await import('@kubernetes/client-node');
    const config = new client.KubeConfig();
    config.loadFromDefault();
    return new KubernetesApi(client, config, workload);
  }

  #options(contentType = 'application/json'): ConfigurationOptions {
    const header = this.client.setHeaderMiddleware('Content-Type', contentType);
    const middleware: typeof header = {
      pre: (request) => {
        request.setSignal(AbortSignal.timeout(requestTimeoutMs));
        return header.pre(request);
      },
      post: (response) => header.post(response),
    };
    return { middleware: [middleware], middlewareMergeStrategy: 'append' };
  }

  readDeployment(): Promise<V1Deployment> {
    return this.#apps.readNamespacedDeployment({ ...this.workload }, this.#options());
  }

  listDeployments(fieldSelector: string) {
    return this.#apps.listNamespacedDeployment({ namespace: this.workload.namespace, fieldSelector }, this.#options());
  }

  listPods(labelSelector: string) {
    return this.#core.listNamespacedPod({ namespace: this.workload.namespace, labelSelector }, this.#options());
  }

  listMachines() {
    return this.#core.listNode({}, this.#options());
  }

  /** Sets the number of pods. Returns false when the Deployment is no longer of the version that was observed. */
  async scale(replicas: number, resourceVersion: string | undefined): Promise<boolean> {
    const body = { metadata: { resourceVersion }, spec: { replicas } };
    const scaled = await this.#unless(409, () =>
      this.#apps.patchNamespacedDeploymentScale(
        { ...this.workload, body, fieldManager },
        this.#options(this.client.PatchStrategy.MergePatch),
      ),
    );
    return scaled !== undefined;
  }

  /** Sets annotations of a pod; null removes one. Returns false when there is no such pod. */
  async annotatePod(name: string, annotations: Readonly<Record<string, string | null>>): Promise<boolean> {
    const { namespace } = this.workload;
    const found = await this.#unless(404, () =>
      this.#core.patchNamespacedPod(
        { namespace, name, body: { metadata: { annotations } }, fieldManager },
        this.#options(this.client.PatchStrategy.MergePatch),
      ),
    );
    return found !== undefined;
  }

  async setCondition(condition: V1DeploymentCondition): Promise<void> {
    await this.#apps.patchNamespacedDeploymentStatus(
      { ...this.workload, body: { status: { conditions: [condition] } }, fieldManager },
      this.#options(this.client.PatchStrategy.StrategicMergePatch),
    );
  }

  async createEvent(
    { metadata }: V1Deployment,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
  ): Promise<void> {
    const { namespace, name } = this.workload;
    const now = new Date();
    await this.#core.createNamespacedEvent(
      {
        namespace,
        body: {
          metadata: { generateName: `${name}.` },
          involvedObject: {
            apiVersion: 'apps/v1',
            kind: 'Deployment',
            namespace,
            name,
            ...(metadata?.uid !== undefined && { uid: metadata.uid }),
          },
          type,
          reason,
          message,
          source: { component: fieldManager },
          firstTimestamp: now,
          lastTimestamp: now,
          count: 1,
        },
      },
      this.#options(),
    );
  }

  async readLease(name: string): Promise<V1Lease | undefined> {
    const { namespace } = this.workload;
    return this.#unless(404, () => this.#coordination.readNamespacedLease({ namespace, name }, this.#options()));
  }

  async writeLease(name: string, spec: LeaseSpec, previous: V1Lease | undefined): Promise<V1Lease | undefined> {
    const { namespace } = this.workload;
    const renewTime = new this.client.V1MicroTime();
    const isSame = previous?.spec?.holderIdentity === spec.holder;
    const body: V1Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: previous?.metadata ?? { name, namespace },
      spec: {
        holderIdentity: spec.holder,
        leaseDurationSeconds: Math.ceil(spec.ttlMs / 1000),
        leaseTransitions: spec.transitions,
        acquireTime: isSame ? previous.spec!.acquireTime! : renewTime,
        renewTime,
      },
    };
    return this.#unless(409, () =>
      previous
        ? this.#coordination.replaceNamespacedLease({ namespace, name, body }, this.#options())
        : this.#coordination.createNamespacedLease({ namespace, body }, this.#options()),
    );
  }

  /** Resolves to undefined when the API server answers with this status. */
  async #unless<T>(status: number, request: () => Promise<T>): Promise<T | undefined> {
    try {
      return await request();
    } catch (error) {
      if (error instanceof this.client.ApiException && error.code === status) return undefined;
      throw error;
    }
  }
}
