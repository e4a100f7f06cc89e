import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cgroupOf, containerOf, containerPid, inNode, nodeEntry, type Pod } from '@flotilla/cluster';
import { deleteTable } from './firewall.ts';
import type { RelayProcessOptions } from '../../network/relay-process.ts';

const scriptOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The network namespace of a pod, which outlives its containers. */
export interface PodNetwork {
  readonly node: number;
  /** Id, inside the node, of the pod's first process, which ends with the pod. */
  readonly pid: number;
}

/** In a shell of the node: writes the ids of the processes that share the network namespace of the process `$0`. */
const sharesNetwork =
  'for each in /proc/[0-9]*; do [ "$(readlink $each/ns/net)" = "$(readlink /proc/$0/ns/net)" ] && echo "${each#/proc/}"; done; true';

export async function networkOf(pod: Pod): Promise<PodNetwork> {
  const { node, id } = containerOf(pod);
  const found = await inNode(node, 'sh', ['-c', sharesNetwork, String(await containerPid(node, id))]);
  return { node, pid: Math.min(...found.trim().split('\n').map(Number)) };
}

/** Runs nft in the network namespace of a pod. */
export async function podFirewall({ node, pid }: PodNetwork, rules: string): Promise<void> {
  await inNode(node, 'nsenter', [`--target=${pid}`, '--net', 'nft', '-f', '-'], rules);
}

/** Removes the rules of an experiment. Those of a pod that has been deleted are gone with it. */
export async function removeFirewall(network: PodNetwork): Promise<void> {
  const { node, pid } = network;
  const lives = await inNode(node, 'sh', ['-c', 'test -e "/proc/$0" && echo yes || true', String(pid)]);
  if (lives !== '') await podFirewall(network, deleteTable);
}

/** Starts a program as a child of this process. Resolves when it has written a line; its end is the end of its input. */
async function startHelper(name: string, args: readonly string[]): Promise<() => Promise<void>> {
  const child = spawn(name, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const ready = once(createInterface({ input: child.stdout }), 'line');
  await Promise.race([
    ready,
    exited.then(([code]: unknown[]) => {
      throw new Error(`${name} ${args.join(' ')} ended with ${String(code)}`);
    }),
  ]);
  return async () => {
    child.stdin.end();
    await exited;
  };
}

/** Starts relays in the network namespace of a pod. Resolves to what ends them. */
export async function startPodRelays(pod: Pod, options: RelayProcessOptions): Promise<() => Promise<void>> {
  const { node, id } = containerOf(pod);
  const pid = await containerPid(node, id);
  const script = [process.execPath, scriptOf('network/relay-process.js'), JSON.stringify(options)];
  return startHelper(...(await nodeEntry(node, 'nsenter', [`--target=${pid}`, '--net', ...script])));
}

/** The directory of a container's CPU cgroup, version 1. */
function cpuCgroup(node: number, id: string): string {
  const root = join('/sys/fs/cgroup/cpu', cgroupOf(node));
  const found = readdirSync(root, { recursive: true, encoding: 'utf8' }).find((path) => path.endsWith(id));
  if (found === undefined || !existsSync(join(root, found, 'cgroup.procs')))
    throw new Error(`container ${id} has no cgroup below ${root}`);
  return join(root, found);
}

/** Starts processes that use a share of a core each, within the CPU limits of a pod. Resolves to what ends them. */
export async function startPodLoad(pod: Pod, workers: number, percent: number): Promise<() => Promise<void>> {
  const { node, id } = containerOf(pod);
  const inCgroup = ['-c', 'echo $$ > "$0" && exec "$@"', join(cpuCgroup(node, id), 'cgroup.procs')];
  const script = [process.execPath, scriptOf('drivers/cluster/busy-process.js'), String(percent)];
  const ends = await Promise.all(Array.from({ length: workers }, () => startHelper('sh', [...inCgroup, ...script])));
  return async () => void (await Promise.all(ends.map((end) => end())));
}
