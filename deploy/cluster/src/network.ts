// The cluster's network: a bridge in the control plane's network namespace, with a virtual cable to each node and to the client.
// The machine's own network and settings stay as they are.
import { attempt, command, inNetwork } from './command.ts';
import {
  clientAddress,
  clientIpv6,
  clientNamespace,
  controlPlaneAddress,
  controlPlaneIpv6,
  controlPlaneNamespace,
  maxNodes,
  namespacePath,
  nodeAddress,
  nodeIpv6,
  nodeName,
  nodeNamespace,
  podIpv6NetworkOf,
  podNetworkOf,
} from './settings.ts';
import { waitUntil } from './wait-until.ts';

const bridge = 'lan';
const controlPlane = namespacePath(controlPlaneNamespace);

const ip = (namespace: string, ...args: string[]): Promise<string> => command(...inNetwork(namespace, 'ip', args));
const sysctl = (namespace: string, ...settings: string[]): Promise<string> =>
  command(...inNetwork(namespace, 'sysctl', ['-qw', ...settings]));

const forwarding = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];

async function addAddresses(namespace: string, device: string, ipv4: string, ipv6: string): Promise<void> {
  await ip(namespace, 'address', 'add', `${ipv4}/24`, 'dev', device);
  // Without the search for duplicates it can be used at once.
  await ip(namespace, 'address', 'add', `${ipv6}/64`, 'dev', device, 'nodad');
}

export async function createNetwork(): Promise<void> {
  await command('ip', ['netns', 'add', controlPlaneNamespace]);
  await ip(controlPlane, 'link', 'set', 'lo', 'up');
  await ip(controlPlane, 'link', 'add', bridge, 'type', 'bridge');
  await addAddresses(controlPlane, bridge, controlPlaneAddress, controlPlaneIpv6);
  await ip(controlPlane, 'link', 'set', bridge, 'up');
  await sysctl(controlPlane, ...forwarding);
  await connect(clientNamespace, 'client', clientAddress, clientIpv6);
}

/** Creates a network namespace whose eth0 leads to a port of the bridge. */
async function connect(namespace: string, port: string, ipv4: string, ipv6: string): Promise<void> {
  await command('ip', ['netns', 'add', namespace]);
  await command('ip', [
    ...['link', 'add', port, 'netns', controlPlaneNamespace, 'type', 'veth'],
    ...['peer', 'name', 'eth0', 'netns', namespace],
  ]);
  await ip(controlPlane, 'link', 'set', port, 'master', bridge, 'up');
  const path = namespacePath(namespace);
  await ip(path, 'link', 'set', 'lo', 'up');
  await addAddresses(path, 'eth0', ipv4, ipv6);
  await ip(path, 'link', 'set', 'eth0', 'up');
  await ip(path, 'route', 'add', 'default', 'via', controlPlaneAddress);
  await ip(path, '-6', 'route', 'add', 'default', 'via', controlPlaneIpv6);
}

/** Creates a node's network namespace, in place of one that an attempt has left. */
export async function connectNode(node: number): Promise<void> {
  const path = namespacePath(nodeNamespace(node));
  await disconnectNode(node);
  await connect(nodeNamespace(node), nodeName(node), nodeAddress(node), nodeIpv6(node));
  await sysctl(path, ...forwarding, 'net.ipv4.conf.all.rp_filter=0');
  for (let other = 1; other <= maxNodes; other++) if (other !== node) await routeToPods(path, other);
  await routeToPods(controlPlane, node);
}

async function routeToPods(namespace: string, node: number): Promise<void> {
  await ip(namespace, 'route', 'replace', podNetworkOf(node), 'via', nodeAddress(node));
  await ip(namespace, '-6', 'route', 'replace', podIpv6NetworkOf(node), 'via', nodeIpv6(node));
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
