// The nodes' cgroups, version 1: /sys/fs/cgroup/<controller>/flotilla/<node>.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { clusterName, nodeName } from './settings.ts';

const root = '/sys/fs/cgroup';
const controllers = ['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids', 'systemd'];

/** A node's cgroup as the kubelet takes it. */
export const cgroupOf = (node: number): string => `/${clusterName}/${nodeName(node)}`;
const clientCgroup = `/${clusterName}/client`;
/** CPU cgroups of what is no pod: the control plane with the programs of the nodes; what calls pass through outside the nodes. */
const programCgroups = { system: `/${clusterName}/system`, path: `/${clusterName}/path` } as const;
export type ProgramKind = keyof typeof programCgroups;

/**
 * Weights of the CPU under contention, where each session of the machine has 1024. Without them all pods of all nodes together had no
 * more than one session, and heartbeats stopped as soon as something else was built on the machine. While pods start, API server and
 * kubelets take what they get: beside them, brokers did not answer and an SFU worker had less than a tenth of a core.
 */
const nodeShares = 4096;
const cpuShares = {
  [`/${clusterName}`]: 16_384,
  [programCgroups.system]: 4096,
  [programCgroups.path]: 8192,
  [clientCgroup]: 4096,
};

const processesOf = (cgroup: string): string => join(root, 'cpu', cgroup, 'cgroup.procs');

/** Creates the cgroups that are not of a node. */
export function createCpuCgroups(): void {
  for (const [cgroup, shares] of Object.entries(cpuShares)) {
    mkdirSync(join(root, 'cpu', cgroup), { recursive: true });
    setCpuShares(cgroup, shares);
  }
}

const setCpuShares = (cgroup: string, shares: number): void =>
  writeFileSync(join(root, 'cpu', cgroup, 'cpu.shares'), String(shares));

/** A command that runs another one in the cgroup of its kind. */
export const inCgroup = (
  kind: ProgramKind,
  name: string,
  args: readonly string[],
): readonly [string, readonly string[]] => [
  'sh',
  ['-c', 'echo $$ > "$0" && exec "$@"', processesOf(programCgroups[kind]), name, ...args],
];

/** Moves this process, and what it starts from now on, to the client's machine. */
export function joinClientCgroup(): void {
  writeFileSync(processesOf(clientCgroup), String(process.pid));
}

export function createCgroups(node: number): void {
  for (const controller of controllers) mkdirSync(join(root, controller, cgroupOf(node)), { recursive: true });
  setCpuShares(cgroupOf(node), nodeShares);
  // A new cpuset has neither cores nor memory until it is given some.
  for (const cgroup of [`/${clusterName}`, cgroupOf(node)])
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      writeFileSync(join(root, 'cpuset', cgroup, file), readFileSync(join(root, 'cpuset', file)));
}

/** Kills what is left in the cgroups of a node, or of the cluster, and removes them. runc keeps a copy in `unified`. */
export async function deleteCgroups(cgroup = `/${clusterName}`): Promise<void> {
  for (const controller of [...controllers, 'unified']) {
    const path = join(root, controller, cgroup);
    for (let attempt = 0; attempt < 20 && existsSync(path); attempt++) {
      if (removeTree(path)) break;
      await setTimeout(100);
    }
  }
}

function removeTree(path: string): boolean {
  try {
    for (const entry of readdirSync(path, { withFileTypes: true }))
      if (entry.isDirectory()) removeTree(join(path, entry.name));
    for (const pid of readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean))
      process.kill(Number(pid), 'SIGKILL');
    rmdirSync(path);
    return true;
  } catch {
    // A process has not ended yet, or ended meanwhile.
    return !existsSync(path);
  }
}
