import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** Mount points of the hierarchies that limit CPU: version 2, alone or beside version 1, and version 1. */
const unifiedMounts = ['sys/fs/cgroup', 'sys/fs/cgroup/unified'] as const;
const cpuMounts = ['sys/fs/cgroup/cpu', 'sys/fs/cgroup/cpu,cpuacct'] as const;

/**
 * The number of cores that this process may use: those of its CPU affinity, or fewer where its control group or one above it
 * limits CPU time (cgroup v2 `cpu.max`, v1 `cpu.cfs_quota_us`), as a container's CPU limit does. Not rounded: 0.5 is half a
 * core. Kubernetes may change a limit while the container runs.
 *
 * @param root where `proc` and `sys` are, for tests.
 */
export function usableCores(root = '/', parallelism = availableParallelism()): number {
  const groups = read(root, 'proc/self/cgroup')?.split('\n') ?? [];
  const quotas = groups.flatMap((line) => {
    const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === '')
      return unifiedMounts.flatMap((mount) => upwards(mount, path).map((dir) => quotaV2(root, dir)));
    if (!controllers.split(',').includes('cpu')) return [];
    return cpuMounts.flatMap((mount) => upwards(mount, path).map((dir) => quotaV1(root, dir)));
  });
  return Math.min(parallelism, ...quotas.filter((quota) => quota !== undefined && quota > 0).map(Number));
}

/**
 * The directories of a group and of those above it. In a container, /proc/self/cgroup may name the path on the host, while
 * the container's own group is mounted as the top: directories that do not exist are skipped by the reader.
 */
function upwards(mount: string, path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  return Array.from({ length: parts.length + 1 }, (_, above) => join(mount, ...parts.slice(0, parts.length - above)));
}

/** `cpu.max`: "<quota> <period>" in microseconds, or "max <period>" without a limit. */
function quotaV2(root: string, dir: string): number | undefined {
  const [quota, period] = read(root, join(dir, 'cpu.max'))?.trim().split(' ') ?? [];
  return quota === undefined || quota === 'max' ? undefined : Number(quota) / Number(period ?? 100_000);
}

/** `cpu.cfs_quota_us`: -1 without a limit. */
function quotaV1(root: string, dir: string): number | undefined {
  const quota = Number(read(root, join(dir, 'cpu.cfs_quota_us')) ?? -1);
  const period = Number(read(root, join(dir, 'cpu.cfs_period_us')) ?? 0);
  return quota > 0 && period > 0 ? quota / period : undefined;
}

function read(root: string, path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return undefined;
  }
}
