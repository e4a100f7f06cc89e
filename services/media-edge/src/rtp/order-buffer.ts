/** Distance of sequence numbers that is bridged. A larger one is a restart of the stream. */
const maxAhead = 512;

interface Numbered {
  readonly sequence: number;
}

/** Brings packets into the order of their sequence numbers. Holds those behind a gap until it is filled, or for a limited time. */
export class OrderBuffer<T extends Numbered> {
  #next: number | undefined;
  /** Packets behind a gap, by sequence number. At most `maxAhead`. */
  readonly #held = new Map<number, T>();
  /** When the current gap was noticed, in milliseconds. */
  #gapSince: number | undefined;
  /** Packets that never arrived. */
  lost = 0;
  /** Packets that arrived twice, or after they were given up. */
  late = 0;

  constructor(
    private readonly holdMs: number,
    private readonly emit: (packet: T) => void,
  ) {}

  /** @param now a monotonic clock, in milliseconds. */
  add(packet: T, now: number): void {
    this.#next ??= packet.sequence;
    const ahead = (packet.sequence - this.#next) & 0xff_ff;
    if (ahead === 0) {
      this.#pass(packet);
      this.#passHeld(now);
    } else if (ahead < maxAhead) {
      if (this.#held.has(packet.sequence)) this.late++;
      this.#held.set(packet.sequence, packet);
      this.#gapSince ??= now;
    } else if (ahead >= 0x1_00_00 - maxAhead) this.late++;
    else {
      this.flush();
      this.#pass(packet);
    }
  }

  #pass(packet: T): void {
    this.#next = (packet.sequence + 1) & 0xff_ff;
    this.emit(packet);
  }

  #passHeld(now: number): void {
    for (let packet = this.#held.get(this.#next!); packet; packet = this.#held.get(this.#next!)) {
      this.#held.delete(packet.sequence);
      this.#pass(packet);
    }
    this.#gapSince = this.#held.size > 0 ? now : undefined;
  }

  /** Gives up the packets that were waited for long enough. */
  advance(now: number): void {
    while (this.#gapSince !== undefined && now - this.#gapSince >= this.holdMs) {
      while (!this.#held.has(this.#next!)) {
        this.#next = (this.#next! + 1) & 0xff_ff;
        this.lost++;
      }
      this.#passHeld(now);
    }
  }

  /** Sequence numbers of the packets that are missing, in ascending order. */
  missing(): number[] {
    const missing: number[] = [];
    if (this.#held.size === 0) return missing;
    for (let found = 0, sequence = this.#next!; found < this.#held.size; sequence = (sequence + 1) & 0xff_ff)
      if (this.#held.has(sequence)) found++;
      else missing.push(sequence);
    return missing;
  }

  /** Passes what is held, and begins with any sequence number. */
  flush(): void {
    while (this.#held.size > 0) {
      while (!this.#held.has(this.#next!)) {
        this.#next = (this.#next! + 1) & 0xff_ff;
        this.lost++;
      }
      this.#passHeld(0);
    }
    this.#gapSince = undefined;
    this.#next = undefined;
  }
}
