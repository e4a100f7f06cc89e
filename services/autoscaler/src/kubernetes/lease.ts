import type { Logger } from '@flotilla/runtime';
import type { LeaseStore } from '@flotilla/store';
import type { V1Lease } from '@kubernetes/client-node';
import type { LeaseTiming } from '../leadership.ts';

/** Longer than that of Redis, because each renewal is a write to etcd. */
const kubernetesLeaseMs = 4000;
export const kubernetesTiming: LeaseTiming = { leaseMs: kubernetesLeaseMs, renewEveryMs: 1000, acquireEveryMs: 1000 };

/** The requests to the API server that leases need. Writes fail with a conflict when the lease has changed since it was read. */
export interface LeaseRequests {
  /** Undefined when there is none. */
  readLease(name: string): Promise<V1Lease | undefined>;
  /** Creates it without a previous one. Returns it as written; undefined when it changed meanwhile. */
  writeLease(name: string, spec: LeaseSpec, previous: V1Lease | undefined): Promise<V1Lease | undefined>;
}

export interface LeaseSpec {
  /** Empty: it was released. */
  readonly holder: string;
  readonly ttlMs: number;
  /** Number of holders that the Lease has had. */
  readonly transitions: number;
}

/** More holders than a Lease has in a year, changing each minute. */
const maxTransitions = 2 ** 20;

/** Rises with every holder, also when the Lease was deleted and created again: the second of its creation, then its holders. */
function termOf({ metadata, spec }: V1Lease): number {
  const createdMs = metadata?.creationTimestamp ? new Date(metadata.creationTimestamp).getTime() : 0;
  return Math.floor(createdMs / 1000) * maxTransitions + (spec?.leaseTransitions ?? 0);
}

const transitionsOf = (lease: V1Lease | undefined): number => lease?.spec?.leaseTransitions ?? 0;

/**
 * Leases of the API group coordination.k8s.io. Their times are of other machines' clocks, so a lease has expired when it did not
 * change for its duration by this instance's monotonic clock, as in Kubernetes' own leader election.
 */
export class KubernetesLeases implements LeaseStore {
  readonly #seen = new Map<string, { readonly version: string | undefined; readonly at: number }>();
  /** The Lease that is missing, as was logged. */
  #warnedOf: string | undefined;

  constructor(
    private readonly requests: LeaseRequests,
    private readonly log: Logger,
    private readonly now: () => number = () => performance.now(),
  ) {}

  async acquire(name: string, holder: string, ttlMs: number): Promise<number | undefined> {
    const lease = await this.requests.readLease(name);
    if (lease) this.#warnedOf = undefined;
    if (lease && !this.#hasExpired(name, lease)) return undefined;
    const spec = { holder, ttlMs, transitions: transitionsOf(lease) + 1 };
    const written = lease ? await this.requests.writeLease(name, spec, lease) : await this.#create(name, spec);
    return written && termOf(written);
  }

  /** Creates a Lease that somebody deleted. Warns once, not with every attempt until there is a Lease again. */
  async #create(name: string, spec: LeaseSpec): Promise<V1Lease | undefined> {
    try {
      return await this.requests.writeLease(name, spec, undefined);
    } catch (error) {
      const message =
        'Lease missing and not created, SFU pods are not scaled: run `helm upgrade`, or permit the autoscaler to create leases';
      if (this.#warnedOf !== name) this.log.warn({ err: error, lease: name }, message);
      this.#warnedOf = name;
      throw error;
    }
  }

  #hasExpired(name: string, { metadata, spec }: V1Lease): boolean {
    if (!spec?.holderIdentity) return true;
    const version = metadata?.resourceVersion;
    const seen = this.#seen.get(name);
    if (seen?.version !== version) {
      this.#seen.set(name, { version, at: this.now() });
      return false;
    }
    return this.now() - seen!.at >= (spec.leaseDurationSeconds ?? 0) * 1000;
  }

  async renew(name: string, holder: string, ttlMs: number): Promise<boolean> {
    const lease = await this.requests.readLease(name);
    if (lease?.spec?.holderIdentity !== holder) return false;
    const written = await this.requests.writeLease(name, { holder, ttlMs, transitions: transitionsOf(lease) }, lease);
    return written !== undefined;
  }

  async release(name: string, holder: string): Promise<void> {
    const lease = await this.requests.readLease(name);
    if (lease?.spec?.holderIdentity !== holder) return;
    await this.requests.writeLease(name, { holder: '', ttlMs: 1000, transitions: transitionsOf(lease) }, lease);
  }
}
