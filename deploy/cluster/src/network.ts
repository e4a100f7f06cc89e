// The cluster's network: a bridge in the control plane's network namespace, with a virtual cable to each node and to the client.
// The machine's own network and settings stay as they are.
import { attempt, command, inNetwork } from './command.ts';
import {
  clientAddress,
  clientNamespace,
  controlPlaneAddress,
  controlPlaneNamespace,
  maxNodes,
  namespacePath,
  nodeAddress,
  nodeName,
  nodeNamespace,
  podNetworkOf,
} from './settings.ts';
import { waitUntil } from './wait-until.ts';

const bridge = 'lan';
const controlPlane = namespacePath(controlPlaneNamespace);

const ip = (namespace: string, ...args: string[]): Promise<string> => command(...inNetwork(namespace, 'ip', args));
const sysctl = (namespace: string, ...settings: string[]): Promise<string> =>
  command(...inNetwork(namespace, 'sysctl', ['-qw', ...settings]));

export async function createNetwork(): Promise<void> {
  await command('ip', ['netns', 'add', controlPlaneNamespace]);
  await ip(controlPlane, 'link', 'set', 'lo', 'up');
  await ip(controlPlane, 'link', 'add', bridge, 'type', 'bridge');
  await ip(controlPlane, 'address', 'add', `${controlPlaneAddress}/24`, 'dev', bridge);
  await ip(controlPlane, 'link', 'set', bridge, 'up');
  await sysctl(controlPlane, 'net.ipv4.ip_forward=1');
  await connect(clientNamespace, 'client', clientAddress);
}

/** Creates a network namespace whose eth0 leads to a port of the bridge. */
async function connect(namespace: string, port: string, address: string): Promise<void> {
  await command('ip', ['netns', 'add', namespace]);
  await command('ip', [
    ...['link', 'add', port, 'netns', controlPlaneNamespace, 'type', 'veth'],
    ...['peer', 'name', 'eth0', 'netns', namespace],
  ]);
  await ip(controlPlane, 'link', 'set', port, 'master', bridge, 'up');
  const path = namespacePath(namespace);
  await ip(path, 'link', 'set', 'lo', 'up');
  await ip(path, 'address', 'add', `${address}/24`, 'dev', 'eth0');
  await ip(path, 'link', 'set', 'eth0', 'up');
  await ip(path, 'route', 'add', 'default', 'via', controlPlaneAddress);
}

/** Creates a node's network namespace, in place of one that an attempt has left. */
export async function connectNode(node: number): Promise<void> {
  const path = namespacePath(nodeNamespace(node));
  await disconnectNode(node);
  await connect(nodeNamespace(node), nodeName(node), nodeAddress(node));
  await sysctl(path, 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0');
  for (let other = 1; other <= maxNodes; other++)
    if (other !== node) await ip(path, 'route', 'add', podNetworkOf(other), 'via', nodeAddress(other));
  await ip(controlPlane, 'route', 'replace', podNetworkOf(node), 'via', nodeAddress(node));
}

export async function disconnectNode(node: number): Promise<void> {
  // The kernel would delete it some time after the namespace, and its name would be taken until then.
  await attempt(...inNetwork(controlPlane, 'ip', ['link', 'delete', nodeName(node)]));
  await attempt('ip', ['netns', 'delete', nodeNamespace(node)]);
}

/** Pulls a node's cable, or plugs it in again. */
export async function setCable(node: number, state: 'up' | 'down'): Promise<void> {
  await ip(controlPlane, 'link', 'set', nodeName(node), state);
}

export async function deleteNetwork(): Promise<void> {
  for (let node = 1; node <= maxNodes; node++) await disconnectNode(node);
  await attempt('ip', ['netns', 'delete', clientNamespace]);
  await attempt('ip', ['netns', 'delete', controlPlaneNamespace]);
}

/** Resolves once a TCP connection from the control plane's network succeeds. */
export async function accepts(host: string, port: number): Promise<void> {
  const [name, args] = inNetwork(controlPlane, 'bash', ['-c', `exec 3<>/dev/tcp/${host}/${port}`]);
  await waitUntil(`${host}:${port} accepts connections`, 60_000, () => command(name, args, { timeoutMs: 5000 }));
}
