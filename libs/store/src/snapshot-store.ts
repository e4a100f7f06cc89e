/** A text that one process has built from the store for all. */
export interface StoredSnapshot {
  readonly version: string;
  /** Time since its build began, ms. */
  readonly ageMs: number;
  readonly text: string;
}

/** A snapshot that is not replaced is deleted after this time, ms. */
export const snapshotKeptMs = 60_000;

/**
 * Snapshots by name, each with a lock that expires by the store's clock. Not a lease: who may take one could take that of the autoscaler.
 * `holder` is unique to the process.
 */
export interface SnapshotStore {
  /** Takes the lock for `ttlMs` from now. False when it is held. */
  lock(name: string, holder: string, ttlMs: number): Promise<boolean>;

  /** Extends the lock to `ttlMs` from now. False when another holds it or it has expired. */
  renew(name: string, holder: string, ttlMs: number): Promise<boolean>;

  /** Releases the lock. Does nothing when another holds it. */
  unlock(name: string, holder: string): Promise<void>;

  /** Undefined when there is none, or when it has the version `known`. */
  read(name: string, known: string): Promise<StoredSnapshot | undefined>;

  /** False when the lock is not the holder's: nothing is written. */
  write(name: string, holder: string, snapshot: StoredSnapshot): Promise<boolean>;
}
