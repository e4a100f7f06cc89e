export { forEachRecord } from './each-record.ts';
export type { MigrationHistory } from './history.ts';
export { brokenInvariants, type Inventory, takeInventory } from './invariants.ts';
export { MemoryStore } from './memory/memory-store.ts';
export { type Candidate, chooseNode } from './placement.ts';
export { RedisStore } from './redis/redis-store.ts';
export { storeAccess, type StoreMethod } from './redis/store-access.ts';
export { roomIdOf } from './room-id.ts';
export * from './store.ts';
