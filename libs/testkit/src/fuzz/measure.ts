import { getHeapStatistics } from 'node:v8';

/** What a parser may use for an input. */
export interface Bounds {
  /** Time of this thread's CPU, in ms. */
  readonly cpuMs: number;
  /** Memory that it may hold when it returns, in bytes. */
  readonly allocatedBytes: number;
}

const used = (): number => {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
};
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/** Runs that must all be above a bound: another task of this thread, or a garbage collection, may fall into one. */
const attempts = 4;

/** The result of a parser for an input. Throws what it throws, or an Error when it exceeds its bounds. */
export async function withinBounds<T>(run: () => T | Promise<T>, bounds: Bounds): Promise<T> {
  let problem = '';
  for (let attempt = 0; attempt < attempts; attempt++) {
    const [cpuBefore, usedBefore] = [cpuMs(), used()];
    const started = run();
    const result = started instanceof Promise ? await started : started;
    const [took, allocated] = [cpuMs() - cpuBefore, used() - usedBefore];
    if (took <= bounds.cpuMs && allocated <= bounds.allocatedBytes) return result;
    problem =
      took > bounds.cpuMs
        ? `it took ${took.toFixed(1)} ms of CPU time, above ${bounds.cpuMs} ms`
        : `it allocated ${allocated} bytes, above ${bounds.allocatedBytes}`;
  }
  throw new Error(problem);
}
