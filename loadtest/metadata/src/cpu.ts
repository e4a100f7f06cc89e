import { readFileSync } from 'node:fs';
import { mediaWorkersOf } from '@flotilla/testkit';

/** Ticks of /proc/<pid>/stat per second (proc(5); USER_HZ is 100 on all platforms of Linux). */
const ticksPerSecond = 100;

function seconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** CPU time in seconds of a process, and of its mediasoup workers. */
export function cpuOf(pid: number): { node: number; workers: number } {
  return { node: seconds(pid), workers: mediaWorkersOf(pid).reduce((sum, worker) => sum + seconds(worker), 0) };
}
