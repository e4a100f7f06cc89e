import { type NodeView, versionOf } from '@flotilla/contracts';

type SeenNode = Pick<NodeView, 'id' | 'lastSeenAt' | 'startedAt' | 'revision' | 'instance' | 'workerDeaths'>;

/**
 * A node without peers counts as dead when its last heartbeat is this much older than the newest of any node, in milliseconds. Those of
 * busy machines are late by seconds.
 */
export const silentMs = 30_000;

/** A node, or a media worker of one, that died. */
export interface Crash {
  readonly version: string;
  /** Name of the process that died; undefined for a media worker. */
  readonly process: string | undefined;
}

interface Known {
  readonly startedAt: number;
  readonly version: string;
  readonly process: string;
  readonly workerDeaths: number;
  readonly isDead: boolean;
}

/**
 * Finds crashes by comparing the listed nodes with those of the last time. A node that stops in order removes itself from the list;
 * one that died stays in it without heartbeats, or is in it with another start. Being late with heartbeats is no crash.
 */
export class Crashes {
  readonly #known = new Map<string, Known>();

  /** Starts again: what died before does not count. */
  restart(): void {
    this.#known.clear();
  }

  /** @param lost ids of the nodes that were declared dead, see liveness-probe.ts. */
  update(nodes: readonly SeenNode[], lost: ReadonlySet<string>): Crash[] {
    const crashes: Crash[] = [];
    const newest = Math.max(...nodes.map(({ lastSeenAt }) => lastSeenAt));
    const listed = new Set(nodes.map(({ id }) => id));
    for (const id of this.#known.keys()) if (!listed.has(id)) this.#known.delete(id);
    for (const node of nodes) {
      const { id, lastSeenAt, startedAt, instance = id, workerDeaths = 0 } = node;
      const isDead = lost.has(id) || newest - lastSeenAt >= silentMs;
      const known = this.#known.get(id);
      const isSame = known?.startedAt === startedAt;
      const hasDied = known !== undefined && !known.isDead && (!isSame || isDead);
      if (hasDied) crashes.push({ version: known.version, process: known.process });
      // Workers that die together have one cause.
      else if (isSame && workerDeaths > known.workerDeaths)
        crashes.push({ version: known.version, process: undefined });
      this.#known.set(id, { startedAt, version: versionOf(node), process: instance, workerDeaths, isDead });
    }
    return crashes;
  }
}
