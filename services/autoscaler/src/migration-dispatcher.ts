import type { CommandBus } from '@flotilla/bus';
import { FlotillaError, registryQueue } from '@flotilla/contracts';
import { counter, type Logger } from '@flotilla/runtime';
import { peerKey, type PlannedMigration } from './planner/state.ts';

/** Calls to the registry at a time. */
const callsAtOnce = 32;
const callTimeoutMs = 5000;

const migrations = counter({
  name: 'autoscaler_migrations_total',
  help: 'Migrations asked for, by reason and outcome: ok, dropped (not the leader any more), or the error code.',
  labelNames: ['reason', 'outcome'],
});

export interface MigrationDispatcherOptions {
  readonly bus: Pick<CommandBus, 'call'>;
  /** Asked before each call. */
  readonly mayAct: () => boolean;
  /** The peer left its room, or the registry took it off a lost node, which can't report that it is elsewhere. */
  readonly onGone: (migration: PlannedMigration) => void;
  readonly log: Logger;
}

/** Asks the registry for migrations, some at a time, in the order they came. Holds one plan's worth, see `perPlan`. */
export class MigrationDispatcher {
  /** Those waiting and those asked for, by `peerKey`. */
  readonly #asked = new Map<string, PlannedMigration>();
  #waiting: PlannedMigration[] = [];
  readonly #workers = new Set<Promise<void>>();

  constructor(private readonly options: MigrationDispatcherOptions) {}

  /** Migrations that were handed over and not answered yet. */
  get moving(): PlannedMigration[] {
    return [...this.#asked.values()];
  }

  take(planned: readonly PlannedMigration[]): void {
    for (const migration of planned) this.#asked.set(peerKey(migration), migration);
    this.#waiting.push(...planned);
    for (let free = callsAtOnce - this.#workers.size; free > 0 && this.#waiting.length > 0; free--) {
      const worker: Promise<void> = this.#work(this.#waiting.shift()!).finally(() => this.#workers.delete(worker));
      this.#workers.add(worker);
    }
  }

  async #work(first: PlannedMigration): Promise<void> {
    for (let next: PlannedMigration | undefined = first; next; next = this.#waiting.shift()) {
      const key = peerKey(next);
      // A newer plan for the same peer is in its place: its node was lost meanwhile.
      if (this.#asked.get(key) !== next) continue;
      const outcome = this.options.mayAct() ? await this.#ask(next) : 'dropped';
      migrations.inc({ reason: next.reason, outcome });
      if (this.#asked.get(key) === next) this.#asked.delete(key);
    }
  }

  async #ask(migration: PlannedMigration): Promise<string> {
    const { roomId, sessionId, fromNode, toNode, reason } = migration;
    const { bus, onGone, log } = this.options;
    try {
      await bus.call(
        registryQueue,
        'registry.migrate',
        { roomId, sessionId, fromNode, toNode, reason },
        { timeoutMs: callTimeoutMs },
      );
      if (reason === 'node_lost') onGone(migration);
      return 'ok';
    } catch (error) {
      const { code } = FlotillaError.from(error);
      if (code === 'NOT_IN_ROOM') onGone(migration);
      else log.debug({ err: error, ...migration }, 'migration refused');
      return code;
    }
  }

  /** What was not asked for yet is not; resolves when the rest is answered. */
  async stop(): Promise<void> {
    for (const migration of this.#waiting) this.#asked.delete(peerKey(migration));
    this.#waiting = [];
    await Promise.all(this.#workers);
  }
}
