import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { gauge } from '@flotilla/runtime';

/** 0: none. 1: no new sessions and no joins. 2: no resumes either, and no messages to users, to everybody or across rooms. */
export type OverloadLevel = 0 | 1 | 2;

/** What a second looked like: event-loop delay (99th percentile, ms) and the share of the heap that is used. */
export interface OverloadSample {
  readonly delayMs: number;
  readonly heapShare: number;
}

const heapLimits = [0.85, 0.95] as const;
/** Level 2 begins at this many times the delay of level 1. */
const secondDelayFactor = 4;
const samplesToRise = 2;
const samplesToFall = 3;

const levelGauge = gauge({
  name: 'signaling_overload_level',
  help: '0 none; 1 new sessions and joins are refused; 2 resumes and messages outside rooms too.',
});

/** Whether this gateway has more to do than it can. One bad second is not overload; when it is over, it stays cautious a little. */
export class Overload {
  #level: OverloadLevel = 0;
  #above = 0;
  #below = 0;

  constructor(private readonly delayLimitMs: number) {}

  get level(): OverloadLevel {
    return this.#level;
  }

  add(sample: OverloadSample): void {
    const seen = this.#levelOf(sample);
    this.#above = seen > this.#level ? this.#above + 1 : 0;
    this.#below = seen < this.#level ? this.#below + 1 : 0;
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

/** Samples this process once a second. */
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
