import { readFileSync } from 'node:fs';

/** What a process of a local fleet used. */
export interface ProcessUse {
  readonly name: string;
  /** Seconds of CPU since its start. */
  readonly cpuSeconds: number;
  readonly residentMiB: number;
}

/** Clock ticks per second of /proc/PID/stat, the same on all usual Linux machines (proc_pid_stat(5)). */
const ticksPerSecond = 100;
const pageBytes = 4096;

/** Fields of /proc/PID/stat from the third on; undefined where there is no /proc, and for a process that ended. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

const cpuSeconds = (fields: readonly string[]): number => (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;

/** Seconds of CPU of a process since its start; NaN when it is not known. */
export function cpuSecondsOf(pid: number): number {
  const fields = statOf(pid);
  return fields ? cpuSeconds(fields) : Number.NaN;
}

/** CPU and memory of the processes of a fleet, without their children; empty where there is no /proc. */
export function usesOf({
  processes,
}: {
  readonly processes: Iterable<readonly [string, { readonly process: { readonly pid?: number | undefined } }]>;
}): ProcessUse[] {
  return [...processes].flatMap(([name, child]) => {
    const fields = child.process.pid === undefined ? undefined : statOf(child.process.pid);
    if (!fields) return [];
    return [{ name, cpuSeconds: cpuSeconds(fields), residentMiB: (Number(fields[21]) * pageBytes) / 2 ** 20 }];
  });
}
