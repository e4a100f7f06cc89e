import { randomBytes } from 'node:crypto';
import { waitUntil } from '@flotilla/cluster';
import type { Experiment } from '../../manifests/experiment.ts';
import type { Scrape } from '../../measure/metric-history.ts';
import { type CarryOut, type Driver, lasting, Refused } from '../driver.ts';
import type { ApiProxy, Kubectl } from '../kubernetes/kubectl.ts';
import { scrapePods } from '../kubernetes/pod-metrics.ts';
import { manifestFor } from './manifest.ts';

interface Status {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
    readonly experiment?: {
      readonly containerRecords?: readonly { readonly id?: string; readonly phase?: string }[];
    };
  };
}

const injectedWithinMs = 60_000;
/** Recovery waits for the daemons on the nodes. */
const deleteTimeoutMs = 120_000;

/** Whether a condition of an object of Chaos Mesh holds. */
export const isCondition = ({ status }: Status, type: string): boolean =>
  status?.conditions?.some((each) => each.type === type && each.status === 'True') ?? false;

/** Whether the API server serves the CRDs of Chaos Mesh and a controller of theirs is available. */
export async function isChaosMeshServed(kubectl: Pick<Kubectl, 'run' | 'get'>): Promise<boolean> {
  try {
    await kubectl.run(['get', 'crd', 'networkchaos.chaos-mesh.org', '--output', 'name']);
    const selector = 'app.kubernetes.io/name=chaos-mesh,app.kubernetes.io/component=controller-manager';
    const { items } = await kubectl.get<{ items: { status?: { availableReplicas?: number } }[] }>([
      ...['deployments', '--all-namespaces', '--selector', selector],
    ]);
    return items.some(({ status }) => (status?.availableReplicas ?? 0) > 0);
  } catch {
    return false;
  }
}

/** Carries experiments out by Chaos Mesh: applies the manifest, waits for its conditions and deletes it. */
export class ChaosMeshDriver implements Driver {
  readonly name = 'Chaos Mesh';

  constructor(
    private readonly kubectl: Kubectl,
    private readonly api: ApiProxy,
    private readonly namespace: string,
    readonly urls: Driver['urls'],
    private readonly end: () => Promise<void> = async () => undefined,
  ) {}

  scrape(): Promise<Scrape[]> {
    return scrapePods(this.api, this.namespace);
  }

  async carryOut(experiment: Experiment, { event, signal }: CarryOut): Promise<void> {
    const manifest = manifestFor(experiment, this.namespace, randomBytes(3).toString('hex'));
    const { name } = manifest.metadata;
    const object = [`${manifest.kind.toLowerCase()}.chaos-mesh.org/${name}`, '--namespace', this.namespace];
    await this.kubectl.run(['apply', '--filename', '-'], { input: JSON.stringify(manifest) });
    event(`${manifest.kind} ${name} applied`);
    try {
      const totalMs = experiment.steps.reduce((sum, { durationMs }) => sum + durationMs, 0);
      const [condition, withinMs] =
        manifest.kind === 'Workflow' ? ['Accomplished', totalMs + injectedWithinMs] : ['AllInjected', injectedWithinMs];
      await waitUntil(
        `${name} is ${condition}`,
        withinMs,
        async () => {
          const found = await this.kubectl.get<Status>(object);
          if (signal.aborted || isCondition(found, condition)) return;
          if (isCondition(found, 'Selected') && found.status?.experiment?.containerRecords?.length === 0)
            throw new Error('it selects no pod');
          throw new Error(`its conditions are ${JSON.stringify(found.status?.conditions ?? [])}`);
        },
        1000,
      );
      event(`condition ${condition}`);
      if (manifest.kind !== 'Workflow') await lasting(totalMs, signal);
    } finally {
      await this.kubectl.run(['delete', ...object, '--wait=true'], { timeoutMs: deleteTimeoutMs });
      event(`${manifest.kind} ${name} deleted`);
    }
  }

  async close(): Promise<void> {
    await this.api.stop();
    await this.end();
  }
}

export const notServed = (where: string): Refused =>
  new Refused(
    `${where} does not serve the CRDs of Chaos Mesh, or no controller of theirs is available. Install it (https://chaos-mesh.org/docs), or use --fleet or --cluster.`,
  );
