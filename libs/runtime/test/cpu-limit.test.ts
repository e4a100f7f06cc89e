import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { usableCores } from '../src/index.ts';

/** A machine of 8 cores with these files below /. */
function coresOf(files: Readonly<Record<string, string>>): number {
  const root = mkdtempSync(join(tmpdir(), 'flotilla-cgroup-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return usableCores(root, 8);
}

describe('usableCores', () => {
  test('counts all cores without a limit, and without control groups', () => {
    expect(coresOf({})).toBe(8);
    expect(coresOf({ 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': 'max 100000\n' })).toBe(8);
    expect(coresOf({ 'proc/self/cgroup': '3:cpu:/\n', 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n' })).toBe(8);
  });

  test('reads the limit of a container on cgroup v2', () => {
    expect(coresOf({ 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '150000 100000\n' })).toBe(1.5);
  });

  test('applies the smallest limit of the group and those above it', () => {
    expect(
      coresOf({
        'proc/self/cgroup': '0::/kubepods/pod1/container\n',
        'sys/fs/cgroup/kubepods/pod1/container/cpu.max': 'max 100000\n',
        'sys/fs/cgroup/kubepods/pod1/cpu.max': '50000 100000\n',
        'sys/fs/cgroup/kubepods/cpu.max': '400000 100000\n',
      }),
    ).toBe(0.5);
  });

  test('reads the limit of a container on cgroup v1, whose path is that of the host', () => {
    expect(
      coresOf({
        'proc/self/cgroup': '4:memory:/kubepods/pod1/c\n2:cpuacct,cpu:/kubepods/pod1/c\n0::/\n',
        'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '200000\n',
        'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
      }),
    ).toBe(2);
  });

  test('ignores a limit above the number of cores', () => {
    expect(coresOf({ 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '1600000 100000\n' })).toBe(8);
  });
});
