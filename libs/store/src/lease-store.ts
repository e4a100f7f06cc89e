/** The lease whose holder plans the migrations of the fleet. Orders of a holder whose term has ended are refused. */
export const plannerLease = 'autoscaler';

/**
 * A lease elects one of several processes. It expires by the store's clock; its holder must measure the time since before its
 * request by a monotonic clock, and stop before the lease expires. `holder` is unique to the process.
 */
export interface LeaseStore {
  /** Takes a lease that nobody holds. Returns its term, a number that rises with every holder; undefined when it is held. */
  acquire(name: string, holder: string, ttlMs: number): Promise<number | undefined>;

  /** Extends it to `ttlMs` from now. False when another holds it or it has expired. */
  renew(name: string, holder: string, ttlMs: number): Promise<boolean>;

  /** Releases it. Does nothing when another holds it. */
  release(name: string, holder: string): Promise<void>;
}
