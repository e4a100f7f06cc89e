import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { gauge } from '@flotilla/runtime';

/** 0: none. 1: new sessions and joins are refused. 2: also resumes, and messages to users and to everybody. */
export type OverloadLevel = 0 | 1 | 2;

/** One second: event-loop delay (99th percentile, ms) and used share of the heap limit. */
export interface OverloadSample {
  readonly delayMs: number;
  readonly heapShare: number;
}

const heapLimits = [0.85, 0.95] as const;
/** Delay limit of level 2 as a multiple of that of level 1. */
const secondDelayFactor = 4;
const samplesToRise = 2;
const samplesToFall = 3;

const levelGauge = gauge({
  name: 'signaling_overload_level',
  help: '0 none; 1 new sessions and joins are refused; 2 also resumes and messages outside rooms.',
});

/** Overload of this gateway. It rises one level after two samples above, and falls one level after three samples below. */
export class Overload {
  #level: OverloadLevel = 0;
  #above = 0;
  #below = 0;

  constructor(private readonly delayLimitMs: number) {
    levelGauge.set(this.#level);
  }

  get level(): OverloadLevel {
    return this.#level;
  }

  add(sample: OverloadSample): void {
    const sampled = this.#levelOf(sample);
    this.#above = sampled > this.#level ? this.#above + 1 : 0;
    this.#below = sampled < this.#level ? this.#below + 1 : 0;
    if (this.#above >= samplesToRise) this.#set((this.#level + 1) as OverloadLevel);
    else if (this.#below >= samplesToFall) this.#set((this.#level - 1) as OverloadLevel);
  }

  #set(level: OverloadLevel): void {
    this.#level = level;
    this.#above = this.#below = 0;
    levelGauge.set(level);
  }

  #levelOf({ delayMs, heapShare }: OverloadSample): OverloadLevel {
    if (delayMs > this.delayLimitMs * secondDelayFactor || heapShare > heapLimits[1]) return 2;
    return delayMs > this.delayLimitMs || heapShare > heapLimits[0] ? 1 : 0;
  }
}

/** Samples this process once per second. */
export function watchOverload(overload: Overload): { stop(): void } {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  const timer = setInterval(() => {
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    overload.add({ delayMs: delay.percentile(99) / 1e6, heapShare: used / limit });
    delay.reset();
  }, 1000);
  return {
    stop: () => {
      clearInterval(timer);
      delay.disable();
    },
  };
}
