import { apiKey, get, kubectl, namespace, nodeName, type Pod, pods, registryUrl, waitUntil } from '@flotilla/cluster';
import { RestApi } from '@flotilla/testkit';

export const restApi = async (): Promise<RestApi> => new RestApi(registryUrl, await apiKey());

interface SfuNode {
  readonly id: string;
  readonly alive: boolean;
  readonly instance?: string;
}

/** The SFU nodes whose heartbeats arrive. */
export async function sfuNodes(): Promise<readonly SfuNode[]> {
  const { status, body } = await (await restApi()).request('GET', '/v1/nodes');
  if (status !== 200) throw new Error(`GET /v1/nodes: ${status} ${JSON.stringify(body)}`);
  return (body as { nodes: readonly SfuNode[] }).nodes.filter(({ alive }) => alive);
}

/** The pod that an SFU node runs in. */
export async function podOf(nodeId: string): Promise<string> {
  const instance = (await sfuNodes()).find(({ id }) => id === nodeId)?.instance;
  if (instance === undefined) throw new Error(`the REST API does not name the pod of ${nodeId}`);
  return instance;
}

/** The number of the Kubernetes node that a pod runs on. */
export const machineOfPod = ({ spec }: Pod): number => Number(spec.nodeName?.slice(1));

/** The number of the Kubernetes node that an SFU node runs on. */
export async function machineOf(nodeId: string): Promise<number> {
  const name = await podOf(nodeId);
  const pod = (await pods('sfu')).find(({ metadata }) => metadata.name === name);
  if (!pod?.spec.nodeName) throw new Error(`there is no pod ${name}`);
  return machineOfPod(pod);
}

/** The SFU node that runs on a Kubernetes node. */
export async function sfuNodeOn(machine: number): Promise<string> {
  const all = await pods('sfu');
  const node = (await sfuNodes()).find(({ instance }) =>
    all.some((pod) => pod.metadata.name === instance && machineOfPod(pod) === machine),
  );
  if (!node) throw new Error(`no SFU node runs on ${nodeName(machine)}`);
  return node.id;
}

/** Waits until all pods of the installation run, are ready and registered, and those to be removed are deleted. */
export async function settled(timeoutMs = 120_000): Promise<void> {
  await waitUntil('every pod is ready', timeoutMs, async () => {
    const { items } = await get<{
      items: { metadata: { name: string }; spec: { replicas: number }; status: { readyReplicas?: number } }[];
    }>(['deployments', '--namespace', namespace]);
    for (const { metadata, spec, status } of items)
      if ((status.readyReplicas ?? 0) < spec.replicas)
        throw new Error(`${metadata.name} has ${status.readyReplicas ?? 0} of ${spec.replicas} pods ready`);
    const stopping = (await pods()).filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
    if (stopping.length > 0)
      throw new Error(`${stopping.map(({ metadata }) => metadata.name).join(', ')} are stopping`);
    for (const { metadata } of await pods('sfu'))
      if (!(await sfuNodes()).some(({ instance }) => instance === metadata.name))
        throw new Error(`${metadata.name} is not an SFU node of the fleet yet`);
  });
}

/** The value of a metric of a pod, summed over its labels. */
export async function metricOf(pod: Pod, metric: string): Promise<number> {
  const path = `/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}:9464/proxy/metrics`;
  const lines = (await kubectl(['get', '--raw', path])).split('\n');
  return lines
    .filter((line) => line.startsWith(`${metric} `) || line.startsWith(`${metric}{`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Does something while Kubernetes places new pods on one node only. */
export async function whileOnlyOpen(
  machine: number,
  machines: readonly number[],
  work: () => Promise<void>,
): Promise<void> {
  const others = machines.filter((other) => other !== machine).map(nodeName);
  await kubectl(['cordon', ...others]);
  try {
    await work();
  } finally {
    await kubectl(['uncordon', ...others]);
  }
}
