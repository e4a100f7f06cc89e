import { prefixOf } from './address-prefix.ts';
import type { TokenBucket } from './token-bucket.ts';

/** What a limit keeps of an address. */
export interface AddressState {
  /** Number of connections that are open: `AddressMap` counts them. */
  open: number;
  readonly rates: readonly TokenBucket[];
}

/** Maximum number of addresses without a connection whose rates are kept. */
const maxIdleAddresses = 10_000;

/**
 * What limits keep per address, of a bounded number of addresses. Of IPv6 an address is a network of 64 bits, see `prefixOf`. An
 * address with an open connection is kept.
 */
export class AddressMap<T extends AddressState> {
  readonly #states = new Map<string, T>();
  #open = 0;

  /** @param create the state of an address that is not known yet */
  constructor(private readonly create: (now: number) => T) {}

  of(address: string, now: number = performance.now()): T {
    const prefix = prefixOf(address);
    let state = this.#states.get(prefix);
    if (!state) {
      if (this.#states.size >= maxIdleAddresses + this.#open) this.#evictIdle(now);
      state = this.create(now);
      this.#states.set(prefix, state);
    }
    return state;
  }

  /** Counts a connection of an address. Returns what uncounts it; further calls of that do nothing. */
  connect(state: T): () => void {
    state.open++;
    this.#open++;
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      state.open--;
      this.#open--;
    };
  }

  /** Evicts addresses whose rates are unused; if those are too few, the oldest idle ones. */
  #evictIdle(now: number): void {
    const idle = [...this.#states].filter(([, { open }]) => open === 0);
    const unused = idle.filter(([, { rates }]) => rates.every((rate) => rate.isFull(now)));
    const minimum = Math.ceil(maxIdleAddresses / 10);
    for (const [prefix] of unused.length >= minimum ? unused : idle.slice(0, minimum)) this.#states.delete(prefix);
  }

  /** Number of connections that are open. */
  get open(): number {
    return this.#open;
  }

  /** Number of addresses that are kept. */
  get size(): number {
    return this.#states.size;
  }
}
