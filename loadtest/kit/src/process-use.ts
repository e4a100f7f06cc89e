import { readFileSync } from 'node:fs';
import type { Fleet } from '@flotilla/local-fleet';

/** What a process of a local fleet used. */
export interface ProcessUse {
  readonly name: string;
  /** Seconds of CPU. */
  readonly cpuSeconds: number;
  readonly residentMiB: number;
}

/** Clock ticks per second of /proc/PID/stat, the same on all usual Linux machines (proc_pid_stat(5)). */
const ticksPerSecond = 100;
const pageBytes = 4096;

/** CPU since the start and memory of the processes of a fleet; empty where there is no /proc. Media workers are not included. */
export function usesOf({ processes }: Pick<Fleet, 'processes'>): ProcessUse[] {
  return [...processes].flatMap(([name, child]) => {
    try {
      const stat = readFileSync(`/proc/${child.process.pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const ticks = Number(fields[11]) + Number(fields[12]);
      return [{ name, cpuSeconds: ticks / ticksPerSecond, residentMiB: (Number(fields[21]) * pageBytes) / 2 ** 20 }];
    } catch {
      return [];
    }
  });
}
