import { type RedisAddress, RedisLink } from '@flotilla/bus/events';
import type { Topology, TopologyVertex } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Store } from '../store.ts';
import { breakerVertex, canaryVertices, migrationVertex, nodeVertex } from '../topology.ts';
import { RedisBreakers } from './breakers.ts';
import { RedisCanary } from './canary.ts';
import { RedisHistory } from './history.ts';
import { keysOf } from './keys.ts';
import { lastingKeys } from './lasting-keys.ts';
import { RedisLeases } from './leases.ts';
import { RedisMigrations } from './migrations.ts';
import { RedisNodes } from './nodes.ts';
import { RedisOperations } from './operations.ts';
import { RedisRelays } from './relays.ts';
import { RedisRooms } from './rooms.ts';
import { luaOf, ScriptClient } from './script-client.ts';
import { RedisSessions } from './sessions.ts';
import { RedisSnapshots } from './snapshots.ts';
import { RedisTopology } from './topology.ts';

/**
 * The fleet's state in Redis 7. Replication is asynchronous: a failover may lose acknowledged writes. Members that are lost are
 * added again when their clients rejoin.
 */
export class RedisStore implements Store {
  readonly rooms: RedisRooms;
  readonly nodes: RedisNodes;
  readonly sessions: RedisSessions;
  readonly migrations: RedisMigrations;
  readonly history: RedisHistory;
  readonly leases: RedisLeases;
  readonly relays: RedisRelays;
  readonly breakers: RedisBreakers;
  readonly canary: RedisCanary;
  readonly operations: RedisOperations;
  readonly snapshots: RedisSnapshots;
  readonly #link: RedisLink;
  readonly #namespace: string;
  readonly #topology: RedisTopology;

  private constructor(link: RedisLink, namespace: string, script: typeof luaOf) {
    this.#link = link;
    this.#namespace = namespace;
    const keys = keysOf(namespace);
    const client = new ScriptClient(link.redis, namespace, script);
    this.rooms = new RedisRooms(client, keys);
    this.nodes = new RedisNodes(client, keys);
    this.sessions = new RedisSessions(client, keys);
    this.migrations = new RedisMigrations(client, keys);
    this.history = new RedisHistory(client, keys);
    this.leases = new RedisLeases(client);
    this.relays = new RedisRelays(client, keys);
    this.breakers = new RedisBreakers(client);
    this.canary = new RedisCanary(client, keys);
    this.operations = new RedisOperations(client, keys);
    this.snapshots = new RedisSnapshots(client);
    this.#topology = new RedisTopology(client, keys, this);
  }

  /** @param script returns the Lua of a script; tests inject failures with it. */
  static async connect(
    options: RedisAddress & { namespace: string; log: Logger },
    script: typeof luaOf = luaOf,
  ): Promise<RedisStore> {
    const link = new RedisLink(options, options.log, 'store');
    await link.connect();
    return new RedisStore(link, options.namespace, script);
  }

  topology(): Promise<Topology> {
    return this.#topology.read();
  }

  async pulse(): Promise<TopologyVertex[]> {
    const [nodes, migrations, breakers, canary] = await Promise.all([
      this.nodes.list(),
      this.history.recent(),
      this.breakers.list(),
      this.canary.read(),
    ]);
    return [
      ...nodes.map(nodeVertex),
      ...migrations.map(migrationVertex),
      ...breakers.map(breakerVertex),
      ...canaryVertices(canary?.canary),
    ];
  }

  problem(): string | undefined {
    return this.#link.problem();
  }

  /**
   * The keys that have no time to live and do not belong to the fleet itself, that is, those of rooms and sessions. Once everybody
   * has left and the rooms were deleted there are none; one that remains was leaked. Scans the whole database.
   */
  lastingKeys(): Promise<string[]> {
    return lastingKeys(this.#link.redis, this.#namespace);
  }

  async close(): Promise<void> {
    this.#link.close();
  }
}
