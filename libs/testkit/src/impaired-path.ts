/** How a path treats what travels on it, one way. */
export interface Impairment {
  /** The fraction of packets that is lost, 0 to 1. */
  readonly loss: number;
  /** What every packet takes at least. */
  readonly delayMs: number;
  /** What a packet may take besides: mostly little, now and then all of it. */
  readonly jitterMs: number;
}

export interface PathOptions {
  readonly impairment?: Partial<Impairment> | undefined;
  /** Packets come out in the order they went in, as from a queue. Default true. */
  readonly keepOrder?: boolean | undefined;
  /** At most so many packets are under way; more are dropped. Default 8192. */
  readonly maxUnderWay?: number | undefined;
  /** Two paths with one seed lose and delay alike. Default 1. */
  readonly seed?: number | undefined;
}

interface Packet {
  readonly dueMs: number;
  readonly order: number;
  readonly deliver: () => void;
}

/**
 * One direction of a path that loses and delays. The jitter is a property of the path at a time and not of a packet, as that of
 * a queue that fills and empties: it is drawn again every 5 to 35 ms, and one draw in twenty is all of `jitterMs`.
 */
export class ImpairedPath {
  #impairment: Impairment = { loss: 0, delayMs: 0, jitterMs: 0 };
  readonly #keepOrder: boolean;
  readonly #maxUnderWay: number;
  readonly #random: () => number;
  /** A binary heap, the next one due at its root. */
  readonly #underWay: Packet[] = [];
  #order = 0;
  #lastDueMs = 0;
  /** 0 to 1, of `jitterMs`. */
  #jitterLevel = 0;
  #jitterUntilMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs = Infinity;
  #forwarded = 0;
  #dropped = 0;

  constructor({ impairment = {}, keepOrder = true, maxUnderWay = 8192, seed = 1 }: PathOptions = {}) {
    this.#keepOrder = keepOrder;
    this.#maxUnderWay = maxUnderWay;
    this.#random = seededRandom(seed);
    this.impair(impairment);
  }

  /** Changes what is named, for packets sent from now on. */
  impair(change: Partial<Impairment>): void {
    const next = { ...this.#impairment, ...change };
    if (!(next.loss >= 0 && next.loss <= 1)) throw new RangeError(`loss is a fraction, not ${next.loss}`);
    if (!(next.delayMs >= 0 && next.jitterMs >= 0)) throw new RangeError('a delay is not negative');
    this.#impairment = next;
  }

  get impairment(): Impairment {
    return this.#impairment;
  }

  get forwarded(): number {
    return this.#forwarded;
  }

  /** Lost on purpose, or because too many were under way. */
  get dropped(): number {
    return this.#dropped;
  }

  get underWay(): number {
    return this.#underWay.length;
  }

  /** Calls `deliver` when the packet comes out at the other end, which may be at once, later or never. */
  send(deliver: () => void): void {
    const { loss, delayMs, jitterMs } = this.#impairment;
    if ((loss > 0 && this.#random() < loss) || this.#underWay.length >= this.#maxUnderWay) return this.drop();
    const now = performance.now();
    let dueMs = now + delayMs + (jitterMs > 0 ? jitterMs * this.#jitter(now) : 0);
    if (this.#keepOrder) this.#lastDueMs = dueMs = Math.max(dueMs, this.#lastDueMs);
    if (dueMs <= now && this.#underWay.length === 0) return this.#deliver(deliver);
    push(this.#underWay, { dueMs, order: this.#order++, deliver });
    this.#arm(now);
  }

  /** Counts a packet that did not even get on the path. */
  drop(): void {
    this.#dropped++;
  }

  /** Loses all that is under way. */
  clear(): void {
    this.#dropped += this.#underWay.length;
    this.#underWay.length = 0;
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

  /** One timer for all, at the earliest. */
  #arm(now: number): void {
    const dueMs = this.#underWay[0]?.dueMs;
    if (dueMs === undefined || dueMs >= this.#timerDueMs) return;
    clearTimeout(this.#timer);
    this.#timerDueMs = dueMs;
    this.#timer = setTimeout(() => this.#drain(), Math.max(1, Math.round(dueMs - now)));
  }

  #drain(): void {
    this.#timerDueMs = Infinity;
    const now = performance.now();
    while (this.#underWay.length > 0 && this.#underWay[0]!.dueMs <= now) this.#deliver(pop(this.#underWay).deliver);
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

/** Marsaglia's xorshift with 32 bits: numbers from 0 to below 1. */
function seededRandom(seed: number): () => number {
  let state = (Math.imul(seed, 0x9e37_79b1) ^ 0x5bd1_e995) | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
