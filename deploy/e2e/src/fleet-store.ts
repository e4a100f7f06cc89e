import type { Fleet } from '@flotilla/local-fleet';
import { createLogger } from '@flotilla/runtime';
import { brokenInvariants, type Inventory, RedisStore, takeInventory } from '@flotilla/store';
import { notYet, type RestApi, waitFor } from '@flotilla/testkit';

/** Covers the deadline of a migration that was cut short. */
const settlesWithinMs = 20_000;
/** Covers the time until a gateway counts as dead, and the resume window after it. */
const emptiesWithinMs = 90_000;

/** The names of the running processes that begin with a prefix. SFU nodes (`nd_`) and relays (`rl_`) are named by their id. */
const runningIn = ({ processes }: Fleet, prefix: string): string[] =>
  [...processes].flatMap(([name, child]) => (name.startsWith(prefix) && !child.ended ? [name] : [])).toSorted();

/** What a fleet keeps in Redis, and the checks that tests make of it. */
export class FleetStore {
  private constructor(
    private readonly store: RedisStore,
    private readonly fleet: Fleet,
    private readonly api: RestApi,
  ) {}

  static async connect(fleet: Fleet, namespace: string, api: RestApi): Promise<FleetStore> {
    const log = createLogger({ service: 'test', level: 'error' });
    return new FleetStore(await RedisStore.connect({ url: fleet.redisUrl, namespace, log }), fleet, api);
  }

  /** Waits until no invariant is violated and no migration is active. Returns the contents. */
  settled(): Promise<Inventory> {
    return waitFor('the invariants of the store hold', () => this.#settled(), { timeoutMs: settlesWithinMs });
  }

  async #settled(): Promise<Inventory> {
    const inventory = await takeInventory(this.store);
    const broken = brokenInvariants(inventory);
    if (broken.length > 0) notYet(broken.join('; '));
    if (inventory.migrations.length > 0) notYet(`the migration ${inventory.migrations[0]!.id} is active`);
    return inventory;
  }

  /**
   * Deletes all rooms through the REST API and waits until the store holds nothing but the running processes, records that expire
   * and what `RedisStore.lastingKeys` documents. Everybody must have left.
   */
  async emptied(): Promise<void> {
    await deleteRooms(this.api);
    await waitFor('the store is empty', () => this.#emptied(), { timeoutMs: emptiesWithinMs, everyMs: 200 });
  }

  async #emptied(): Promise<void> {
    const remaining = await this.store.lastingKeys();
    if (remaining.length > 0) notYet(`these keys remain: ${remaining.join(', ')}`);
    const { rooms, nodes } = await this.#settled();
    const listed = {
      rooms: rooms.length,
      nodes: nodes.map(({ id }) => id).toSorted(),
      relays: (await this.store.relays.list()).map(({ id }) => id).toSorted(),
      gateways: (await this.store.topology()).vertices.filter(({ kind }) => kind === 'gateway').length,
    };
    const running = {
      rooms: 0,
      nodes: runningIn(this.fleet, 'nd_'),
      relays: runningIn(this.fleet, 'rl_'),
      gateways: runningIn(this.fleet, 'gateway-').length,
    };
    if (JSON.stringify(listed) !== JSON.stringify(running))
      notYet(`the store lists ${JSON.stringify(listed)}, but ${JSON.stringify(running)} run`);
  }

  /** Waits until all running SFU nodes and relays report to the store. */
  async allReport(): Promise<void> {
    await waitFor('all processes report', async () => {
      const [nodes, relays] = [await this.store.nodes.list(), await this.store.relays.list()];
      const alive = [...nodes, ...relays].flatMap((each) => (each.alive ? [each.id] : [])).toSorted();
      const running = [...runningIn(this.fleet, 'nd_'), ...runningIn(this.fleet, 'rl_')];
      if (alive.join() !== running.join()) notYet(`alive are ${alive.join(', ')}, running ${running.join(', ')}`);
    });
  }

  close(): Promise<void> {
    return this.store.close();
  }
}

/** Deletes every room. */
export async function deleteRooms(api: RestApi): Promise<void> {
  for (;;) {
    const { body } = await api.request('GET', '/v1/rooms');
    const { rooms } = body as { rooms: { name: string }[] };
    if (rooms.length === 0) return;
    for (const { name } of rooms) {
      const { status } = await api.request('DELETE', `/v1/rooms/${name}`);
      // 404: it expired meanwhile.
      if (status !== 204 && status !== 404) throw new Error(`the room ${name} was not deleted: ${status}`);
    }
  }
}
