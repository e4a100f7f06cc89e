import { FlotillaError } from '@flotilla/contracts';
import { counter, gauge, histogram, latencyBuckets, type Logger } from '@flotilla/runtime';

export interface SharedSnapshot {
  readonly version: string;
  /** Time since its build began, ms. */
  readonly ageMs: number;
  readonly text: string;
}

/** The snapshots that all instances see, each with a lock that expires: see SnapshotStore of the store. */
export interface SharedSnapshots {
  lock(name: string, holder: string, ttlMs: number): Promise<boolean>;
  renew(name: string, holder: string, ttlMs: number): Promise<boolean>;
  unlock(name: string, holder: string): Promise<void>;
  /** Undefined when there is none, or when it has the known version. */
  read(name: string, known: string): Promise<SharedSnapshot | undefined>;
  /** False when the lock is no longer the holder's: nothing is written. */
  write(name: string, holder: string, snapshot: SharedSnapshot): Promise<boolean>;
}

export interface SnapshotTimes {
  /** Age up to which a snapshot is served without being rebuilt, ms. Default 1000. */
  readonly freshMs?: number;
  /** Age up to which the previous snapshot is served while the next is built, ms. Default 3000. */
  readonly maxAgeMs?: number;
  /** Age up to which it is served, marked as stale, while the store is out of reach, ms. Default 600,000. */
  readonly staleMs?: number;
  /** Time after which the lock of a builder that has ended expires, ms. Default 3000. */
  readonly lockMs?: number;
  /** Pause before looking again whether another instance has finished, ms. Default 50. */
  readonly pollMs?: number;
}

export interface SnapshotCacheOptions {
  readonly name: string;
  /** Form of the text. Instances of a version with another form share another snapshot. Default: all have the same. */
  readonly form?: string;
  readonly build: () => Promise<string>;
  readonly shared: SharedSnapshots;
  readonly log: Logger;
  readonly times?: SnapshotTimes;
  /** Length above which it is not shared, so that each instance builds its own, in turn. Default 16 Mi characters. */
  readonly maxLength?: number;
}

export interface Snapshot {
  readonly text: string;
  readonly version: string;
  readonly ageMs: number;
  /** The store is out of reach: this is what was last known. */
  readonly stale: boolean;
}

interface Kept {
  readonly text: string;
  readonly version: string;
  /** Local time when its build began, ms. */
  readonly builtAt: number;
}

/** Inaccuracy of the age of a shared snapshot, ms. */
const slackMs = 50;
/** How long a reader waits for another instance's build, ms. */
const maxWaitMs = 10_000;

const reads = counter({
  name: 'flotilla_snapshot_reads_total',
  help: 'Reads of a snapshot by result: hit (served at once), waited (for a build or a load), stale (the store is out of reach), failed.',
  labelNames: ['snapshot', 'result'],
});
const builds = histogram({
  name: 'flotilla_snapshot_build_duration_seconds',
  help: 'How long the build of a snapshot took.',
  labelNames: ['snapshot'],
  buckets: latencyBuckets,
});
const length = gauge({
  name: 'flotilla_snapshot_characters',
  help: 'Length of the snapshot that is kept.',
  labelNames: ['snapshot'],
});

/**
 * A text that is expensive to read from the store, built by one of all instances at a time and shared with the others. Each instance keeps
 * one copy. A builder that ends without releasing the lock is replaced when the lock has expired.
 */
export class SnapshotCache {
  readonly #options: SnapshotCacheOptions;
  readonly #times: Required<SnapshotTimes>;
  readonly #holder = crypto.randomUUID();
  /** Name in the store. */
  readonly #sharedName: string;
  #kept: Kept | undefined;
  #loading: Promise<void> | undefined;
  /** When each client last changed something through this instance: earlier snapshots are not served to it. */
  readonly #changedAt = new Map<string, number>();
  /** Earlier snapshots are not enough for those who wait. */
  #awaited = -Infinity;

  constructor(options: SnapshotCacheOptions) {
    this.#options = options;
    const { name, form } = options;
    this.#sharedName = form === undefined ? name : `${name}:${form}`;
    this.#times = { freshMs: 1000, maxAgeMs: 3000, staleMs: 600_000, lockMs: 3000, pollMs: 50, ...options.times };
  }

  /** The next read of the same client at this instance sees what has been written until now. Others may see what was before. */
  changed(client: string): void {
    this.#changedAt.set(client, performance.now());
  }

  /** @throws FlotillaError UNAVAILABLE when the store is out of reach and nothing is kept that could be served. */
  async read(client: string): Promise<Snapshot> {
    const { freshMs, maxAgeMs } = this.#times;
    const since = this.#changedAt.get(client) ?? -Infinity;
    if (this.#isYounger(freshMs, since)) return this.#served('hit');
    this.#awaited = Math.max(this.#awaited, since);
    const loading = this.#load();
    if (this.#isYounger(maxAgeMs, since)) {
      loading.catch((error: unknown) => this.#options.log.debug({ err: error }, 'snapshot not rebuilt'));
      return this.#served('hit');
    }
    try {
      await loading;
      // It may have begun before the last change. Later changes are not waited for: there may always be another.
      while (this.#kept === undefined || this.#kept.builtAt < since) await this.#load();
      return this.#served('waited');
    } catch (error) {
      if (FlotillaError.from(error).code === 'UNAVAILABLE' && this.#kept && this.#age <= this.#times.staleMs)
        return this.#served('stale');
      reads.inc({ snapshot: this.#options.name, result: 'failed' });
      throw error;
    }
  }

  get #age(): number {
    return this.#kept ? performance.now() - this.#kept.builtAt : Infinity;
  }

  #isYounger(ageMs: number, since: number): boolean {
    return this.#kept !== undefined && this.#kept.builtAt >= since && this.#age <= ageMs;
  }

  #served(result: 'hit' | 'waited' | 'stale'): Snapshot {
    reads.inc({ snapshot: this.#options.name, result });
    const { text, version } = this.#kept!;
    return { text, version, ageMs: this.#age, stale: result === 'stale' };
  }

  #load(): Promise<void> {
    return (this.#loading ??= this.#loadOrBuild().finally(() => (this.#loading = undefined)));
  }

  async #loadOrBuild(): Promise<void> {
    const { name, shared } = this.#options;
    const { freshMs, maxAgeMs, lockMs, pollMs } = this.#times;
    const deadline = performance.now() + maxWaitMs;
    for (;;) {
      const isNew = await this.#adopt();
      // What another instance has just finished may have taken longer than `freshMs`.
      if (this.#isYounger(isNew ? maxAgeMs : freshMs, this.#awaited)) return;
      if (await shared.lock(this.#sharedName, this.#holder, lockMs)) return this.#build();
      if (performance.now() > deadline)
        throw new FlotillaError('UNAVAILABLE', `no instance has built the ${name} in time`);
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  /** Takes over a newer snapshot of another instance. */
  async #adopt(): Promise<boolean> {
    const { shared } = this.#options;
    const askedAt = performance.now();
    const found = await shared.read(this.#sharedName, this.#kept?.version ?? '');
    if (!found) return false;
    const builtAt = askedAt - found.ageMs - slackMs;
    if (this.#kept && builtAt <= this.#kept.builtAt) return false;
    this.#keep({ text: found.text, version: found.version, builtAt });
    return true;
  }

  async #build(): Promise<void> {
    const { name, build, shared, log, maxLength = 16 * 1024 * 1024 } = this.#options;
    const { lockMs } = this.#times;
    const builtAt = performance.now();
    const renewing = setInterval(() => {
      shared
        .renew(this.#sharedName, this.#holder, lockMs)
        .catch((error: unknown) => log.debug({ err: error }, 'lock of a snapshot not renewed'));
    }, lockMs / 3);
    try {
      const text = await build();
      builds.observe({ snapshot: name }, (performance.now() - builtAt) / 1000);
      const version = crypto.randomUUID();
      this.#keep({ text, version, builtAt });
      const ageMs = Math.ceil(performance.now() - builtAt);
      if (text.length > maxLength) log.warn({ name, characters: text.length }, 'snapshot too large to be shared');
      else await shared.write(this.#sharedName, this.#holder, { version, ageMs, text });
    } finally {
      clearInterval(renewing);
      await shared
        .unlock(this.#sharedName, this.#holder)
        .catch((error: unknown) => log.debug({ err: error }, 'lock of a snapshot not released'));
    }
  }

  #keep(kept: Kept): void {
    this.#kept = kept;
    for (const [client, at] of this.#changedAt) if (at <= kept.builtAt) this.#changedAt.delete(client);
    length.set({ snapshot: this.#options.name }, kept.text.length);
  }
}
