import { connect } from 'node:net';
import type { CommandBus } from '@flotilla/bus';
import { FlotillaError, sfuQueue } from '@flotilla/contracts';

/**
 * `unreachable`: no process serves its queue. `unresponsive`: it did not answer in time, or RabbitMQ was unavailable. `offline`: nor
 * does its machine accept connections.
 */
export type ProbeResult = 'unreachable' | 'alive' | 'unresponsive' | 'offline';

const probeTimeoutMs = 300;
const probeEveryMs = 500;
/** Time without heartbeats after which a node that does not answer the probe either is lost: its process hangs or is partitioned. */
export const unresponsiveLostAfterMs = 2000;
/** The same where its machine does not answer: a busy process is no explanation, as the kernel accepts connections. */
export const offlineLostAfterMs = 1000;

const lostAfterMs: Readonly<Record<ProbeResult, number>> = {
  unreachable: 0,
  offline: offlineLostAfterMs,
  unresponsive: unresponsiveLostAfterMs,
  alive: Infinity,
};

/**
 * Pings a node over RabbitMQ whose heartbeats stopped. The broker reports a dead process at once; a process that answers is
 * alive, however late its heartbeats are.
 *
 * @param address host and port of its process, where known
 */
export async function pingNode(
  bus: Pick<CommandBus, 'call'>,
  nodeId: string,
  address: string | undefined,
): Promise<ProbeResult> {
  const accepts = address === undefined ? true : acceptsConnections(address);
  try {
    await bus.call(sfuQueue(nodeId), 'sfu.ping', {}, { timeoutMs: probeTimeoutMs, unguarded: true });
    return 'alive';
  } catch (error) {
    const { code } = FlotillaError.from(error);
    if (code === 'NODE_UNAVAILABLE') return 'unreachable';
    if (code !== 'DEADLINE_EXCEEDED' && code !== 'UNAVAILABLE') return 'alive';
    return (await accepts) ? 'unresponsive' : 'offline';
  }
}

/** Errors of a connection attempt that a machine without power or network does not cause: it answered, or this process failed. */
const noEvidence: ReadonlySet<string | undefined> = new Set([
  ...['ECONNREFUSED', 'ECONNRESET'],
  ...['ENOTFOUND', 'EAI_AGAIN', 'EMFILE', 'ENFILE', 'EADDRNOTAVAIL'],
]);

/** Whether a machine answers a connection attempt, as far as is known. Refusing it is an answer, too. Never rejects. */
async function acceptsConnections(address: string): Promise<boolean> {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(address) ?? [];
  // An address of another version is no evidence.
  if (host === undefined || Number(port) > 65_535) return true;
  const socket = connect({ host, port: Number(port), timeout: probeTimeoutMs });
  return new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('timeout', () => resolve(false));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(noEvidence.has(code)));
  }).finally(() => socket.destroy());
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
      return result !== undefined && silentMs >= lostAfterMs[result] ? [id] : [];
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
