import { BlockList } from 'node:net';
import type { NodeReport } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { NodeStore } from '@flotilla/store';
import type { PipeProbe } from './pipe-probe.ts';

/** Interval at which one other node is probed, and one of those that did not answer, in milliseconds. */
const everyMs = 5000;
/** A node is unreachable when it did not answer this many probes in a row: it may have been busy or starting. */
const maxUnanswered = 2;
/** Number of nodes that are named in reports. */
const maxNamed = 16;

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

type Target = NodeReport & { readonly pipes: NonNullable<NodeReport['pipes']> };

/**
 * Checks whether the other nodes can be reached where they receive pipes: one of them in each round, in turn, so that the work does not grow
 * with the fleet. Begins when the node starts; the first round has the node that follows it by id.
 */
export class PipeChecks {
  #timer: NodeJS.Timeout | undefined;
  #isRunning = false;
  /** The node that was probed in the last round. */
  #last: string;
  /** Number of unanswered probes in a row and what was probed, by node id. The longest unprobed first. */
  readonly #unanswered = new Map<string, { readonly count: number; readonly target: Target }>();

  constructor(
    private readonly nodeId: string,
    private readonly probe: Pick<PipeProbe, 'reaches'>,
    private readonly nodes: Pick<NodeStore, 'aliveIds' | 'get'>,
    private readonly log: Logger,
  ) {
    this.#last = nodeId;
  }

  start(): void {
    const check = (): void => {
      if (this.#isRunning) return;
      this.#isRunning = true;
      this.round()
        .catch((error: unknown) => this.log.debug({ err: error }, 'addresses for pipes not read'))
        .finally(() => (this.#isRunning = false));
    };
    this.#timer = setInterval(check, everyMs);
    check();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Probes the next node and one of those that did not answer. Throws UNAVAILABLE. */
  async round(): Promise<void> {
    const others = (await this.nodes.aliveIds()).filter((id) => id !== this.nodeId).toSorted();
    const alive = new Set(others);
    for (const id of this.#unanswered.keys()) if (!alive.has(id)) this.#unanswered.delete(id);
    const next = others.find((id) => id > this.#last) ?? others[0];
    if (next === undefined) return;
    this.#last = next;
    const again = this.#unanswered.keys().next().value ?? next;
    await Promise.all([...new Set([next, again])].map((id) => this.#checkNode(id)));
  }

  async #checkNode(id: string): Promise<void> {
    const report = await this.nodes.get(id);
    if (report?.pipes) await this.#check({ ...report, pipes: report.pipes });
    else this.#unanswered.delete(id);
  }

  async #check(target: Target): Promise<void> {
    const { id, pipes } = target;
    const isReached = await this.probe.reaches(id, pipes.ip, pipes.probePort);
    const count = (this.#unanswered.get(id)?.count ?? 0) + 1;
    const wasUnreachable = count > maxUnanswered;
    this.#unanswered.delete(id);
    if (!isReached) this.#unanswered.set(id, { count, target });
    const fields = { toNode: id, ip: pipes.ip, port: pipes.probePort };
    if (isReached && wasUnreachable) this.log.info(fields, 'node is reached at its address for pipes again');
    if (!isReached && count === maxUnanswered)
      this.log.warn({ ...fields, cure: cureOf(target) }, 'node is not reached at its address for pipes');
  }

  #unreachableTargets(): Target[] {
    return [...this.#unanswered.values()].flatMap(({ count, target }) => (count >= maxUnanswered ? [target] : []));
  }

  /** Nodes whose addresses for pipes do not answer, at most 16. */
  get unreachable(): string[] {
    return this.#unreachableTargets()
      .slice(0, maxNamed)
      .map(({ id }) => id);
  }

  /** What is wrong, and what to do; undefined when all that were probed answer. */
  problem(): string | undefined {
    const [first, ...others] = this.#unreachableTargets();
    if (!first) return undefined;
    const more = others.length > 0 ? ` (and ${others.length} more)` : '';
    return `${first.id}${more} does not answer at ${first.pipes.ip}:${first.pipes.probePort}/UDP, where it receives pipes: ${cureOf(first)}`;
  }
}

function cureOf({ pipes: { ip } }: Target): string {
  return loopback.check(ip, ip.includes(':') ? 'ipv6' : 'ipv4')
    ? 'it announces a loopback address, which is reached on its own machine only; set FLOTILLA_SFU_PIPE_IP or FLOTILLA_SFU_PIPE_ANNOUNCED_ADDRESS there'
    : 'let UDP through between the nodes (FLOTILLA_SFU_PIPE_PORTS), or correct FLOTILLA_SFU_PIPE_ANNOUNCED_ADDRESS there';
}
