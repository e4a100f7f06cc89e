import { fileURLToPath } from 'node:url';
import { brokerPorts } from './brokers.ts';
import { command } from './command.ts';
import { apply, currentKubeconfig, get, kubectl } from './kubectl.ts';
import { podProblems, reportPods } from './pod-progress.ts';
import { controlPlaneAddress, kubeconfig, namespace, pageUrl, registryUrl } from './settings.ts';

const chart = fileURLToPath(new URL('../../../charts/flotilla', import.meta.url));
const localValues = fileURLToPath(new URL('../values.yaml', import.meta.url));
/** Has the name of the chart, so that objects are called flotilla-gateway and so on. */
const release = 'flotilla';
const timeoutMs = 180_000;

/** Where the chart is installed: a context of the user's own kubeconfig. Default: the cluster of this machine. */
export interface Target {
  readonly context?: string | undefined;
  /** Called with a description of each completed step. */
  readonly progress?: (done: string) => void;
}

/** Runs Helm on the namespace of Flotilla. */
export function helm(args: readonly string[], { context }: Target = {}): Promise<string> {
  const where = context === undefined ? ['--kubeconfig', currentKubeconfig()] : ['--kube-context', context];
  const all = [...args, '--namespace', namespace, ...where];
  return command(process.env['HELM_BIN'] ?? 'helm', all, { timeoutMs: timeoutMs + 10_000 });
}

/** Installs the chart, or upgrades the installation. Resolves when every pod is ready. */
export async function install(target: Target = {}, args: readonly string[] = []): Promise<void> {
  const { context, progress } = target;
  if (context === undefined) await connectBrokers();
  // The number of pods may be that of an autoscaler, from which the chart takes it over.
  const values = context === undefined ? ['--values', localValues, '--force-conflicts'] : [];
  const wait = ['--create-namespace', '--wait', `--timeout=${timeoutMs / 1000}s`];
  const done = progress && reportPods(context, progress);
  const upgrade = () => helm(['upgrade', '--install', release, chart, ...wait, ...values, ...args], target);
  try {
    await upgrade().catch(async (error: unknown) => {
      if (context !== undefined || !/release: already exists/.test((error as Error).message)) throw error;
      await removePendingRelease();
      await upgrade();
    });
  } catch (error) {
    const problems = await podProblems(context).catch(() => []);
    if (problems.length === 0) throw error;
    throw new Error(`${(error as Error).message}\n\nThe pods that are not ready:\n  ${problems.join('\n  ')}`, {
      cause: error,
    });
  } finally {
    done?.();
  }
  progress?.('Flotilla: every pod is ready');
}

/**
 * Helm writes its record again when the answer of a busy API server is late, finds it written ("release: already exists") and leaves the
 * upgrade pending. Without the record, the upgrade can be repeated.
 */
async function removePendingRelease(): Promise<void> {
  const pending = `owner=helm,name=${release},status in (pending-install,pending-upgrade,pending-rollback)`;
  await kubectl(['delete', 'secret', '--namespace', namespace, '--selector', pending]);
}

/** What the chart says about an installation in another cluster. */
export const notes = (context: string): Promise<string> => helm(['get', 'notes', release], { context });

/** Makes the namespace with a Secret that leads to the brokers outside the nodes. */
async function connectBrokers(): Promise<void> {
  await apply([
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      // This cluster is meant for experiments.
      metadata: { name: namespace, labels: { 'chaos.flotilla.dev/permitted': 'true' } },
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'external-brokers', namespace },
      stringData: {
        'redis-url': `redis://${controlPlaneAddress}:${brokerPorts.redis}`,
        'amqp-url': `amqp://guest:guest@${controlPlaneAddress}:${brokerPorts.rabbitmq}`,
      },
    },
  ]);
}

/** A key of the REST API of the installation in the cluster of this machine. */
export async function apiKey(): Promise<string> {
  const { data } = await get<{ data: Record<string, string> }>([
    'secret',
    `${release}-secrets`,
    '--namespace',
    namespace,
  ]);
  return Buffer.from(data['operator-api-key'] ?? '', 'base64').toString();
}

/** Prints how to reach what was installed in the cluster of this machine. */
export async function printAccess(): Promise<void> {
  console.log(`
Flotilla is ready.
  call page    ${pageUrl}
  REST API     ${registryUrl}   (Authorization: Bearer ${await apiKey()})
  kubectl      export KUBECONFIG=${kubeconfig}, or: npm run cluster -- kubectl get pods -n ${namespace}

Pages and API are at this address on this machine and on the client's machine inside the cluster's network. Media is only
reachable from there: npm run cluster -- client chromium ${pageUrl}
Stop it: npm run cluster -- down
`);
}
