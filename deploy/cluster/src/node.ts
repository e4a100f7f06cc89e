// A node: containerd, the kubelet and kube-proxy in network, mount, process, host name and IPC namespaces of their own. When the
// first process of the node is killed, everything in the node ends with it, as in a loss of power.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { backgroundPid, killInBackground, startInBackground } from './background.ts';
import { keyPath } from './certificates.ts';
import { cgroupOf, createCgroups, deleteCgroups } from './cgroups.ts';
import { command } from './command.ts';
import { get } from './kubectl.ts';
import { connectNode, disconnectNode, setCable } from './network.ts';
import {
  controlPlaneAddress,
  namespacePath,
  nodeAddress,
  nodeIpv6,
  nodeName,
  nodeNamespace,
  podIpv6NetworkOf,
  podNetworkOf,
  podNetworks,
  programsDirectory,
  statePath,
} from './settings.ts';
import { waitUntil } from './wait-until.ts';

const initScript = fileURLToPath(new URL('../node/init.sh', import.meta.url));
const nodePath = (node: number, ...parts: string[]): string => statePath(nodeName(node), ...parts);
const imagesDirectory = statePath('images');

export async function startNode(node: number): Promise<void> {
  createCgroups(node);
  await connectNode(node);
  if (!existsSync(nodePath(node, 'kubelet.json'))) writeFiles(node);
  rmSync(nodePath(node, 'no-kubelet'), { force: true });
  mkdirSync(imagesDirectory, { recursive: true });
  startInBackground(
    nodeName(node),
    'nsenter',
    [
      `--net=${namespacePath(nodeNamespace(node))}`,
      ...['unshare', '--mount', '--pid', '--uts', '--ipc', '--fork', '--mount-proc', '--propagation', 'private'],
      ...['--kill-child=KILL', 'bash', initScript, nodePath(node)],
    ],
    {
      env: {
        NODE_NAME: nodeName(node),
        NODE_ADDRESSES: `${nodeAddress(node)},${nodeIpv6(node)}`,
        NODE_KUBECONFIG: keyPath(`${nodeName(node)}.conf`),
        PROGRAMS: programsDirectory,
        IMAGES: imagesDirectory,
      },
    },
  );
}

/** Takes the node's power. Its images and its pods' files stay; everything that runs ends. */
export async function powerOff(node: number): Promise<void> {
  // Nothing that ends in the node sends a last packet.
  await setCable(node, 'down').catch(() => undefined);
  await killInBackground(nodeName(node));
  await disconnectNode(node);
  await deleteCgroups(cgroupOf(node));
  for (const volatile of ['state', 'pod-addresses']) rmSync(nodePath(node, volatile), { recursive: true, force: true });
}

/** Kills only the kubelet: the pods run on. */
export async function stopKubelet(node: number): Promise<void> {
  writeFileSync(nodePath(node, 'no-kubelet'), '');
  await inNode(node, 'bash', ['-c', `kill -9 "$(cat ${nodePath(node, 'kubelet.pid')})"`]);
}

export function startKubelet(node: number): void {
  rmSync(nodePath(node, 'no-kubelet'), { force: true });
}

/** The arguments that run a command inside a node. */
export async function nodeEntry(
  node: number,
  name: string,
  args: readonly string[],
): Promise<readonly [string, readonly string[]]> {
  const unshare = backgroundPid(nodeName(node));
  if (unshare === undefined) throw new Error(`node ${nodeName(node)} has no power`);
  const first = (await command('pgrep', ['--parent', String(unshare)])).trim();
  return ['nsenter', ['--target', first, '--mount', '--net', '--pid', '--uts', '--ipc', name, ...args]];
}

/** Runs a command inside a node. */
export async function inNode(node: number, name: string, args: readonly string[], input?: string): Promise<string> {
  return command(...(await nodeEntry(node, name, args)), {
    timeoutMs: 180_000,
    ...(input !== undefined && { input }),
  });
}

/** Imports an image archive that lies in the images directory into a running node. */
export async function importImage(node: number, archive: string): Promise<void> {
  await ctr(node, ['images', 'import', archive]);
}

const ctr = (node: number, args: readonly string[]): Promise<string> =>
  inNode(node, 'ctr', ['--address', nodePath(node, 'containerd.sock'), '--namespace', 'k8s.io', ...args]);

/** Kills all processes of a container. */
export async function killContainer(node: number, id: string): Promise<void> {
  await ctr(node, ['tasks', 'kill', '--all', '--signal', 'SIGKILL', id]);
}

/** The process id, inside the node, of the first process of a container. */
export async function containerPid(node: number, id: string): Promise<number> {
  const pid = (await ctr(node, ['tasks', 'list'])).split('\n').flatMap((line) => {
    const [task, found] = line.trim().split(/\s+/);
    return task === id ? [Number(found)] : [];
  })[0];
  if (pid === undefined) throw new Error(`no process of container ${id} runs on ${nodeName(node)}`);
  return pid;
}

/** Gives an image of Docker Hub's names, as the chart's are, another name on every node. */
export async function tagImage(image: string, other: string): Promise<void> {
  for (const node of knownNodes())
    await ctr(node, ['images', 'tag', '--force', `docker.io/${image}`, `docker.io/${other}`]);
}

/** The archives that a node imports when it starts. */
export const imageFile = (name: string): string => statePath('images', name);

/**
 * Resolves when Kubernetes finds a node ready by a report since a time, in milliseconds since the Unix epoch: it takes some seconds to
 * notice that a node lost its power.
 */
export async function nodeReady(node: number, since: number): Promise<void> {
  await waitUntil(`node ${nodeName(node)} is ready`, 60_000, async () => {
    const { status } = await get<{
      status: { conditions?: { type: string; status: string; lastHeartbeatTime: string }[] };
    }>(['node', nodeName(node)]);
    const ready = status.conditions?.find(({ type }) => type === 'Ready');
    if (ready?.status !== 'True') throw new Error(`its condition Ready is ${ready?.status ?? 'missing'}`);
    // Kubernetes writes whole seconds.
    if (Date.parse(ready.lastHeartbeatTime) < Math.floor(since / 1000) * 1000)
      throw new Error('it has not reported yet');
  });
}

/** The numbers of the nodes that the cluster was started with. */
export function knownNodes(): number[] {
  if (!existsSync(statePath())) return [];
  return readdirSync(statePath()).flatMap((name) => (/^n\d$/.test(name) ? [Number(name.slice(1))] : []));
}

function writeFiles(node: number): void {
  mkdirSync(nodePath(node, 'cni'), { recursive: true });
  writeFileSync(nodePath(node, 'containerd.toml'), containerdConfiguration(node));
  const files: Record<string, unknown> = {
    'cni/10-pods.conflist': podNetworkConfiguration(node),
    'kubelet.json': kubeletConfiguration(node),
    'kube-proxy.json': kubeProxyConfiguration(node),
  };
  for (const [file, content] of Object.entries(files))
    writeFileSync(nodePath(node, file), JSON.stringify(content, undefined, 2));
  writeFileSync(nodePath(node, 'resolv.conf'), `nameserver ${controlPlaneAddress}\n`);
}

const containerdConfiguration = (node: number): string => `version = 2
root = "${nodePath(node, 'containerd')}"
state = "${nodePath(node, 'state')}"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "${nodePath(node, 'containerd.sock')}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  # A container without CAP_SYS_RESOURCE may not lower the score of the out-of-memory killer.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  disable_apparmor = true
  enable_unprivileged_ports = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${nodePath(node, 'cni')}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "${nodePath(node, 'state', 'runc')}"
`;

/** The image of the pods' first process. `tools/setup/kubernetes.mjs` makes it under this name. */
const pauseImage = 'flotilla.local/pause:1';

const podNetworkConfiguration = (node: number): unknown => ({
  cniVersion: '0.4.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      hairpinMode: true,
      ipam: {
        type: 'host-local',
        dataDir: nodePath(node, 'pod-addresses'),
        ranges: [[{ subnet: podNetworkOf(node) }], [{ subnet: podIpv6NetworkOf(node) }]],
        routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
      },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
});

const kubeletConfiguration = (node: number): unknown => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  failCgroupV1: false,
  failSwapOn: false,
  cgroupDriver: 'cgroupfs',
  cgroupRoot: cgroupOf(node),
  enforceNodeAllocatable: [],
  systemReserved: { memory: '1Gi' },
  oomScoreAdj: 0,
  containerRuntimeEndpoint: `unix://${nodePath(node, 'containerd.sock')}`,
  podLogsDir: nodePath(node, 'pods'),
  volumePluginDir: nodePath(node, 'kubelet', 'volume-plugins'),
  clusterDNS: [controlPlaneAddress],
  clusterDomain: 'cluster.local',
  resolvConf: nodePath(node, 'resolv.conf'),
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: keyPath('ca.crt') },
  },
  authorization: { mode: 'Webhook' },
  tlsCertFile: keyPath(`${nodeName(node)}.crt`),
  tlsPrivateKeyFile: keyPath(`${nodeName(node)}.key`),
  // No registry could give a deleted image back, and the disk is the machine's, however full.
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
  evictionHard: {
    'memory.available': '100Mi',
    'nodefs.available': '0.1%',
    'imagefs.available': '0.1%',
    'nodefs.inodesFree': '0.1%',
    'imagefs.inodesFree': '0.1%',
  },
  nodeStatusUpdateFrequency: '2s',
  nodeLeaseDurationSeconds: 8,
  syncFrequency: '10s',
});

const kubeProxyConfiguration = (node: number): unknown => ({
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  mode: 'nftables',
  hostnameOverride: nodeName(node),
  clusterCIDR: podNetworks,
  clientConnection: { kubeconfig: keyPath('kube-proxy.conf') },
  // A network namespace may not set the limits of connection tracking.
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  oomScoreAdj: 0,
  nftables: { minSyncPeriod: '0s' },
});
