import type { MemoryEventLog } from '@flotilla/bus/events';
import type { Topology, TopologyVertex } from '@flotilla/contracts';
import type { Store } from '../store.ts';
import { breakerVertex, canaryVertices, mediaOf, migrationVertex, nodeVertex, topologyOf } from '../topology.ts';
import { MemoryBreakers } from './breakers.ts';
import { MemoryCanary } from './canary.ts';
import { MemoryHistory } from './history.ts';
import { MemoryLeases } from './leases.ts';
import { MemoryMigrations } from './migrations.ts';
import { MemoryNodes } from './nodes.ts';
import { MemoryOperations } from './operations.ts';
import { MemoryRelays } from './relays.ts';
import { MemoryRooms } from './rooms.ts';
import { MemorySessions } from './sessions.ts';
import { MemorySnapshots } from './snapshots.ts';
import { MemoryState } from './state.ts';

/** The fleet's state in the memory of this process. */
export class MemoryStore implements Store {
  readonly rooms: MemoryRooms;
  readonly nodes: MemoryNodes;
  readonly sessions: MemorySessions;
  readonly migrations: MemoryMigrations;
  readonly history: MemoryHistory;
  readonly leases: MemoryLeases;
  readonly relays: MemoryRelays;
  readonly breakers: MemoryBreakers;
  readonly canary: MemoryCanary;
  readonly operations: MemoryOperations;
  readonly snapshots: MemorySnapshots;

  constructor(
    log: MemoryEventLog,
    private readonly now: () => number = Date.now,
  ) {
    this.canary = new MemoryCanary();
    this.nodes = new MemoryNodes(log, now);
    this.relays = new MemoryRelays(now);
    this.history = new MemoryHistory();
    const shared = new MemoryState(log, this.nodes, this.history, this.canary, this.relays, now);
    this.rooms = new MemoryRooms(shared, this.relays);
    this.sessions = new MemorySessions(shared);
    this.leases = new MemoryLeases(now);
    this.breakers = new MemoryBreakers(now);
    this.operations = new MemoryOperations(now);
    this.snapshots = new MemorySnapshots(now);
    this.migrations = new MemoryMigrations(shared, this.leases);
  }

  async topology(): Promise<Topology> {
    const migrations = await this.history.recent();
    const [gateways, sessions] = this.sessions.vertices(mediaOf(this.nodes.peerScores(), migrations));
    return topologyOf(this.now(), [
      gateways,
      this.nodes.view().map(nodeVertex),
      this.rooms.vertices(),
      sessions,
      this.rooms.negotiations(),
      migrations.map(migrationVertex),
      (await this.breakers.list()).map(breakerVertex),
      canaryVertices((await this.canary.read())?.canary),
    ]);
  }

  async pulse(): Promise<TopologyVertex[]> {
    const [migrations, breakers, canary] = await Promise.all([
      this.history.recent(),
      this.breakers.list(),
      this.canary.read(),
    ]);
    return [
      ...this.nodes.view().map(nodeVertex),
      ...migrations.map(migrationVertex),
      ...breakers.map(breakerVertex),
      ...canaryVertices(canary?.canary),
    ];
  }

  problem(): string | undefined {
    return undefined;
  }

  async close(): Promise<void> {}
}
