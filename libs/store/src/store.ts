import type { Topology, TopologyVertex } from '@flotilla/contracts';
import type { BreakerStore } from './breaker-store.ts';
import type { CanaryStore } from './canary-store.ts';
import type { MigrationHistory } from './history.ts';
import type { LeaseStore } from './lease-store.ts';
import type { MigrationStore } from './migration-store.ts';
import type { NodeStore } from './node-store.ts';
import type { OperationsStore } from './operations-store.ts';
import type { RelayStore } from './relay-store.ts';
import type { RoomStore } from './room-store.ts';
import type { SessionStore } from './session-store.ts';
import type { SnapshotStore } from './snapshot-store.ts';

export type { FailedRecord } from './each-record.ts';
export * from './breaker-store.ts';
export * from './canary-store.ts';
export * from './lease-store.ts';
export * from './migration-store.ts';
export * from './node-store.ts';
export * from './operations-store.ts';
export * from './relay-store.ts';
export * from './room-store.ts';
export * from './session-store.ts';
export * from './snapshot-store.ts';

/**
 * The fleet's state. A change of a room and its event are written in one step, so that the snapshot at an offset and the events
 * after it are the complete state. Adapters: redis/ (Lua scripts) and memory/.
 *
 * Every method throws FlotillaError UNAVAILABLE while the store is unreachable, and INTERNAL for a damaged record.
 */
export interface Store {
  readonly rooms: RoomStore;
  readonly nodes: NodeStore;
  readonly sessions: SessionStore;
  readonly migrations: MigrationStore;
  readonly history: MigrationHistory;
  readonly leases: LeaseStore;
  readonly relays: RelayStore;
  readonly breakers: BreakerStore;
  readonly canary: CanaryStore;
  readonly operations: OperationsStore;
  readonly snapshots: SnapshotStore;
  /** The whole fleet as a graph. Of the sessions, those that are connected or may resume. */
  topology(): Promise<Topology>;
  /** Nodes, migrations, open breakers and the canary: the part of the topology that is cheap enough to read every second. */
  pulse(): Promise<TopologyVertex[]>;
  /** Undefined when the store is reachable, otherwise the reason why not. */
  problem(): string | undefined;
  close(): Promise<void>;
}
