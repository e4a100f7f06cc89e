import type { CommandBus } from '@flotilla/bus';
import { FlotillaError, registryQueue } from '@flotilla/contracts';
import { withRetries } from '@flotilla/resilience';
import { counter, type Logger } from '@flotilla/runtime';
import { peerKey, type PlannedMigration } from './planner/state.ts';

/** Maximum number of concurrent calls to the registry. */
const callsAtOnce = 32;
const callTimeoutMs = 5000;
/**
 * The registry reassigns a lost peer within milliseconds. Where its machine was lost with the node, it stays a consumer for some seconds
 * and gets every other command: the next attempt goes to another registry. The attempts are essential, as those peers have no media, and
 * bounded by `callsAtOnce`.
 */
const lostNode = { timeoutMs: 400, attempts: 12 } as const;

const migrations = counter({
  name: 'autoscaler_migrations_total',
  help: 'Migrations requested, by reason and outcome: ok, dropped (no longer the leader), or the error code.',
  labelNames: ['reason', 'outcome'],
});

interface Order extends PlannedMigration {
  /** That of the leadership that planned it: another leader may have been elected since. */
  readonly term: number;
}

export interface MigrationDispatcherOptions {
  readonly bus: Pick<CommandBus, 'call' | 'mayRetry'>;
  /** Checked before each call. */
  readonly mayAct: () => boolean;
  /** The peer left its room, was moved off a lost node, or is on another one: a lost node cannot report that. */
  readonly onRemoved: (migration: PlannedMigration) => void;
  readonly log: Logger;
}

/** Requests planned migrations from the registry in order, some at a time. Bounded by the size of a plan, see `perPlan`. */
export class MigrationDispatcher {
  /** Waiting and requested migrations, by `peerKey`. */
  readonly #pending = new Map<string, Order>();
  #waiting: Order[] = [];
  readonly #workers = new Set<Promise<void>>();

  constructor(private readonly options: MigrationDispatcherOptions) {}

  /** Migrations that were dispatched and not answered yet. */
  get moving(): PlannedMigration[] {
    return [...this.#pending.values()];
  }

  /** `term`: that of the leadership that planned them. */
  dispatch(planned: readonly PlannedMigration[], term: number): void {
    const orders = planned.map((migration): Order => ({ ...migration, term }));
    for (const order of orders) this.#pending.set(peerKey(order), order);
    this.#waiting.push(...orders);
    for (let free = callsAtOnce - this.#workers.size; free > 0 && this.#waiting.length > 0; free--) {
      const worker: Promise<void> = this.#work(this.#waiting.shift()!).finally(() => this.#workers.delete(worker));
      this.#workers.add(worker);
    }
  }

  async #work(first: Order): Promise<void> {
    for (let next: Order | undefined = first; next; next = this.#waiting.shift()) {
      const key = peerKey(next);
      // A newer plan for the same peer replaced it, because its node was lost meanwhile.
      if (this.#pending.get(key) !== next) continue;
      const outcome = this.options.mayAct() ? await this.#request(next) : 'dropped';
      migrations.inc({ reason: next.reason, outcome });
      if (this.#pending.get(key) === next) this.#pending.delete(key);
    }
  }

  async #request(migration: Order): Promise<string> {
    const { roomId, sessionId, fromNode, toNode, reason, term } = migration;
    const { bus, onRemoved, log } = this.options;
    try {
      const { timeoutMs, attempts } =
        reason === 'node_lost' ? lostNode : ({ timeoutMs: callTimeoutMs, attempts: 1 } as const);
      const commandId = crypto.randomUUID();
      const payload = { roomId, sessionId, fromNode, toNode, reason, term };
      await withRetries(
        {
          retries: attempts - 1,
          when: (error) => FlotillaError.from(error).code === 'DEADLINE_EXCEEDED' && this.options.mayAct(),
          take: () => bus.mayRetry(registryQueue, true),
        },
        () => bus.call(registryQueue, 'registry.migrate', payload, { timeoutMs, commandId }),
      );
      if (reason === 'node_lost') onRemoved(migration);
      return 'ok';
    } catch (error) {
      const { code } = FlotillaError.from(error);
      // Not on the lost node: a migration to that node was not committed, or an earlier attempt was carried out and answered too late.
      const isElsewhere = reason === 'node_lost' && code === 'WRONG_STATE';
      if (code === 'NOT_IN_ROOM' || isElsewhere) onRemoved(migration);
      else log.debug({ err: error, ...migration }, 'migration refused');
      return code;
    }
  }

  /** Drops the waiting migrations and resolves when the requested ones are answered. */
  async stop(): Promise<void> {
    for (const migration of this.#waiting) this.#pending.delete(peerKey(migration));
    this.#waiting = [];
    await Promise.all(this.#workers);
  }
}
