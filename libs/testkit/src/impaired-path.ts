/** Impairment of one direction of a path. */
export interface Impairment {
  /** Share of lost packets, between 0 and 1. */
  readonly loss: number;
  /** Delay of every packet. */
  readonly delayMs: number;
  /** Maximum additional delay. Mostly much less. */
  readonly jitterMs: number;
}

export interface PathOptions {
  readonly impairment?: Partial<Impairment> | undefined;
  /** Whether packets keep their order, as in a queue. Default true. */
  readonly keepOrder?: boolean | undefined;
  /** Maximum number of packets in flight; more are dropped. Default 8192. */
  readonly maxInFlight?: number | undefined;
  /** Seed of the random losses and delays. Default 1. */
  readonly seed?: number | undefined;
}

interface Packet {
  readonly dueMs: number;
  readonly order: number;
  readonly deliver: () => void;
}

/**
 * One direction of a path with loss and delay. The jitter is a property of the path and not of a packet, as in a queue that fills and
 * empties: it is drawn every 5 to 35 ms, and one draw in twenty is the maximum, `jitterMs`.
 */
export class ImpairedPath {
  #impairment: Impairment = { loss: 0, delayMs: 0, jitterMs: 0 };
  readonly #keepOrder: boolean;
  readonly #maxInFlight: number;
  readonly #random: () => number;
  /** A binary heap with the packet that is due next at its root. */
  readonly #inFlight: Packet[] = [];
  #order = 0;
  #lastDueMs = 0;
  /** Current jitter as a share of `jitterMs`. */
  #jitterLevel = 0;
  #jitterUntilMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs = Infinity;
  #forwarded = 0;
  #dropped = 0;

  constructor({ impairment = {}, keepOrder = true, maxInFlight = 8192, seed = 1 }: PathOptions = {}) {
    this.#keepOrder = keepOrder;
    this.#maxInFlight = maxInFlight;
    this.#random = seededRandom(seed);
    this.impair(impairment);
  }

  /** Changes the given settings, for packets sent from now on. */
  impair(change: Partial<Impairment>): void {
    const next = { ...this.#impairment, ...change };
    if (!(next.loss >= 0 && next.loss <= 1)) throw new RangeError(`loss must be between 0 and 1, not ${next.loss}`);
    if (!(next.delayMs >= 0 && next.jitterMs >= 0)) throw new RangeError('delays must not be negative');
    this.#impairment = next;
  }

  get impairment(): Impairment {
    return this.#impairment;
  }

  get forwarded(): number {
    return this.#forwarded;
  }

  /** Number of packets lost at random or above the maximum in flight. */
  get dropped(): number {
    return this.#dropped;
  }

  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** Sends a packet. `deliver` is called when it arrives: at once, later, or never. */
  send(deliver: () => void): void {
    const { loss, delayMs, jitterMs } = this.#impairment;
    if ((loss > 0 && this.#random() < loss) || this.#inFlight.length >= this.#maxInFlight) return this.drop();
    const now = performance.now();
    let dueMs = now + delayMs + (jitterMs > 0 ? jitterMs * this.#jitter(now) : 0);
    if (this.#keepOrder) this.#lastDueMs = dueMs = Math.max(dueMs, this.#lastDueMs);
    if (dueMs <= now && this.#inFlight.length === 0) return this.#deliver(deliver);
    push(this.#inFlight, { dueMs, order: this.#order++, deliver });
    this.#arm(now);
  }

  /** Counts a dropped packet. */
  drop(): void {
    this.#dropped++;
  }

  /** Drops all packets in flight. */
  clear(): void {
    this.#dropped += this.#inFlight.length;
    this.#inFlight.length = 0;
    clearTimeout(this.#timer);
    this.#timerDueMs = Infinity;
  }

  #jitter(now: number): number {
    if (now >= this.#jitterUntilMs) {
      this.#jitterLevel = this.#random() < 0.05 ? 1 : this.#random() ** 3;
      this.#jitterUntilMs = now + 5 + 30 * this.#random();
    }
    return this.#jitterLevel;
  }

  #deliver(deliver: () => void): void {
    this.#forwarded++;
    deliver();
  }

  /** Sets the timer to the earliest packet. */
  #arm(now: number): void {
    const dueMs = this.#inFlight[0]?.dueMs;
    if (dueMs === undefined || dueMs >= this.#timerDueMs) return;
    clearTimeout(this.#timer);
    this.#timerDueMs = dueMs;
    this.#timer = setTimeout(() => this.#drain(), Math.max(1, Math.round(dueMs - now)));
  }

  #drain(): void {
    this.#timerDueMs = Infinity;
    const now = performance.now();
    while (this.#inFlight.length > 0 && this.#inFlight[0]!.dueMs <= now) this.#deliver(pop(this.#inFlight).deliver);
    this.#arm(now);
  }
}

const isBefore = (one: Packet, other: Packet): boolean =>
  one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);

function push(heap: Packet[], packet: Packet): void {
  let at = heap.length;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(packet, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = packet;
}

function pop(heap: Packet[]): Packet {
  const first = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
    if (!isBefore(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}

/** Pseudo-random numbers in [0, 1): Marsaglia's xorshift with 32 bits. */
function seededRandom(seed: number): () => number {
  let state = (Math.imul(seed, 0x9e37_79b1) ^ 0x5bd1_e995) | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
