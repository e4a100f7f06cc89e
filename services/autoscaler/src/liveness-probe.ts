import type { CommandBus } from '@flotilla/bus';
import { FlotillaError, sfuQueue } from '@flotilla/contracts';

/** `unreachable`: no process serves its queue. `unresponsive`: it did not answer in time, or RabbitMQ was unavailable. */
export type ProbeResult = 'unreachable' | 'alive' | 'unresponsive';

const probeTimeoutMs = 300;
const probeEveryMs = 500;
/** Time without heartbeats after which a node that does not answer the probe either is lost: its host may hang or be partitioned. */
export const unresponsiveLostAfterMs = 2000;

/**
 * Pings a node over RabbitMQ whose heartbeats stopped. The broker reports a dead process at once; a process that answers is
 * alive, however late its heartbeats are.
 */
export async function pingNode(bus: Pick<CommandBus, 'call'>, nodeId: string): Promise<ProbeResult> {
  try {
    await bus.call(sfuQueue(nodeId), 'sfu.ping', {}, { timeoutMs: probeTimeoutMs });
    return 'alive';
  } catch (error) {
    const { code } = FlotillaError.from(error);
    if (code === 'NODE_UNAVAILABLE') return 'unreachable';
    return code === 'DEADLINE_EXCEEDED' || code === 'UNAVAILABLE' ? 'unresponsive' : 'alive';
  }
}

/** Probes nodes whose heartbeats stopped, one probe per node at a time. */
export class LivenessProbe {
  readonly #probes = new Map<string, { at: number; waiting: boolean; result: ProbeResult | undefined }>();

  /** @param probe never rejects. */
  constructor(private readonly probe: (nodeId: string) => Promise<ProbeResult>) {}

  /**
   * Returns those of the nodes without heartbeats that are lost, and starts the probes that are due.
   * @param silent milliseconds without a heartbeat, by node
   */
  confirm(silent: ReadonlyMap<string, number>, now: number): string[] {
    for (const id of this.#probes.keys()) if (!silent.has(id)) this.#probes.delete(id);
    return [...silent].flatMap(([id, silentMs]) => {
      const result = this.#resultFor(id, now);
      return result === 'unreachable' || (result === 'unresponsive' && silentMs >= unresponsiveLostAfterMs) ? [id] : [];
    });
  }

  #resultFor(id: string, now: number): ProbeResult | undefined {
    const probe = this.#probes.get(id) ?? { at: -Infinity, waiting: false, result: undefined };
    if (!probe.waiting && probe.result !== 'unreachable' && now - probe.at >= probeEveryMs) {
      probe.at = now;
      probe.waiting = true;
      this.#probes.set(id, probe);
      void this.probe(id).then((result) => {
        probe.waiting = false;
        probe.result = result;
      });
    }
    return probe.result;
  }
}
