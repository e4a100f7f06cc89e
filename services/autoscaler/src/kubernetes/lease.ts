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
  /** False when it changed meanwhile. */
  writeLease(name: string, spec: LeaseSpec, previous: V1Lease | undefined): Promise<boolean>;
}

export interface LeaseSpec {
  /** Empty: it was released. */
  readonly holder: string;
  readonly ttlMs: number;
  readonly term: number;
}

/**
 * Leases of the API group coordination.k8s.io. Their times are of other machines' clocks, so a lease has expired when it did not
 * change for its duration by this instance's monotonic clock, as in Kubernetes' own leader election.
 */
export class KubernetesLeases implements LeaseStore {
  readonly #seen = new Map<string, { readonly version: string | undefined; readonly at: number }>();

  constructor(
    private readonly requests: LeaseRequests,
    private readonly now: () => number = () => performance.now(),
  ) {}

  async acquire(name: string, holder: string, ttlMs: number): Promise<number | undefined> {
    const lease = await this.requests.readLease(name);
    if (lease && !this.#hasExpired(name, lease)) return undefined;
    const term = (lease?.spec?.leaseTransitions ?? 0) + 1;
    return (await this.requests.writeLease(name, { holder, ttlMs, term }, lease)) ? term : undefined;
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
    return this.requests.writeLease(name, { holder, ttlMs, term: lease.spec.leaseTransitions ?? 0 }, lease);
  }

  async release(name: string, holder: string): Promise<void> {
    const lease = await this.requests.readLease(name);
    if (lease?.spec?.holderIdentity !== holder) return;
    await this.requests.writeLease(name, { holder: '', ttlMs: 1000, term: lease.spec.leaseTransitions ?? 0 }, lease);
  }
}
