/** How much longer two groups of packets took to arrive than to be sent. */
export interface GroupDelta {
  readonly sentMs: number;
  readonly arrivedMs: number;
  /** Arrival of the later group. */
  readonly atMs: number;
}

interface Group {
  readonly firstSentMs: number;
  readonly firstArrivedMs: number;
  sentMs: number;
  arrivedMs: number;
}

/** Packets sent within it are a group (burst_time of draft-ietf-rmcat-gcc-02 section 5.2). */
const burstMs = 5;
/** Longest burst of packets that a path delivers at once. */
const maxBurstMs = 100;
/** Pauses and clock steps above it start again. */
const maxGapMs = 3000;

/** Forms groups of packets that were sent, or were delivered, in one burst (section 5.2). */
export class ArrivalGroups {
  #previous: Group | undefined;
  #current: Group | undefined;

  /** Adds an arrived packet. Returns the difference of the last two complete groups when this one begins another. */
  add(sentMs: number, arrivedMs: number): GroupDelta | undefined {
    const current = this.#current;
    if (!current || this.#isElsewhere(current, sentMs, arrivedMs)) {
      this.#previous = undefined;
      this.#current = newGroup(sentMs, arrivedMs);
      return undefined;
    }
    // Sent before the group: reordered.
    if (sentMs < current.firstSentMs) return undefined;
    if (belongs(current, sentMs, arrivedMs)) {
      current.sentMs = Math.max(current.sentMs, sentMs);
      current.arrivedMs = Math.max(current.arrivedMs, arrivedMs);
      return undefined;
    }
    const previous = this.#previous;
    this.#previous = current;
    this.#current = newGroup(sentMs, arrivedMs);
    if (!previous) return undefined;
    return {
      sentMs: current.sentMs - previous.sentMs,
      arrivedMs: current.arrivedMs - previous.arrivedMs,
      atMs: current.arrivedMs,
    };
  }

  #isElsewhere(current: Group, sentMs: number, arrivedMs: number): boolean {
    return Math.abs(arrivedMs - current.arrivedMs) > maxGapMs || Math.abs(sentMs - current.sentMs) > maxGapMs;
  }
}

const newGroup = (sentMs: number, arrivedMs: number): Group => ({
  firstSentMs: sentMs,
  firstArrivedMs: arrivedMs,
  sentMs,
  arrivedMs,
});

function belongs(group: Group, sentMs: number, arrivedMs: number): boolean {
  if (sentMs - group.firstSentMs <= burstMs) return true;
  const arrivalDelta = arrivedMs - group.arrivedMs;
  const isFaster = arrivalDelta - (sentMs - group.sentMs) < 0;
  return isFaster && arrivalDelta <= burstMs && arrivedMs - group.firstArrivedMs < maxBurstMs;
}
