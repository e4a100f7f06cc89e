import type { Canary, CanaryOrder } from '@flotilla/contracts';

export interface StoredCanary {
  readonly canary: Canary;
  /** What the leader remembers of the comparison: opaque to the store. */
  readonly evidence: string;
  /** The order of an operator that the leader has not carried out yet. */
  readonly order: CanaryOrder | undefined;
}

/**
 * The canary of SFU nodes: one record, written by the leading autoscaler. Placement applies it to a node with the node's next
 * heartbeat. Without a record all nodes are treated alike.
 */
export interface CanaryStore {
  read(): Promise<StoredCanary | undefined>;

  /** Replaces the record, and removes its order if that is `done`. False when another autoscaler has led since `term`. */
  write(term: number, canary: Canary, evidence: string, done?: CanaryOrder): Promise<boolean>;

  /** Replaces the order. False without a record. */
  order(order: CanaryOrder): Promise<boolean>;

  /** Removes the record. Does nothing when another autoscaler has led since `term`. */
  remove(term: number): Promise<void>;
}
