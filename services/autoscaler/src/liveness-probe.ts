import type { CommandBus } from '@flotilla/bus';
import { FlotillaError, sfuQueue } from '@flotilla/contracts';

/** `unreachable`: no process serves its queue. `unresponsive`: it did not answer in time, or RabbitMQ was unavailable. */
export type ProbeResult = 'unreachable' | 'alive' | 'unresponsive';

const answerWithinMs = 300;
const askEveryMs = 500;
/** A silent node that does not answer either is lost after this: its host may hang, or be cut off. */
export const unresponsiveLostAfterMs = 2000;

/**
 * Pings a node whose heartbeats stopped over RabbitMQ. The broker knows at once when a process is dead; one that answers is
 * alive, however late its heartbeats are.
 */
export async function pingNode(bus: Pick<CommandBus, 'call'>, nodeId: string): Promise<ProbeResult> {
  try {
    await bus.call(sfuQueue(nodeId), 'sfu.ping', {}, { timeoutMs: answerWithinMs });
    return 'alive';
  } catch (error) {
    const { code } = FlotillaError.from(error);
    if (code === 'NODE_UNAVAILABLE') return 'unreachable';
    return code === 'DEADLINE_EXCEEDED' || code === 'UNAVAILABLE' ? 'unresponsive' : 'alive';
  }
}

/** Second opinions about nodes that fell silent; one question to each at a time. */
export class LivenessProbe {
  readonly #asked = new Map<string, { at: number; waiting: boolean; result: ProbeResult | undefined }>();

  /** @param ask never rejects. */
  constructor(private readonly ask: (nodeId: string) => Promise<ProbeResult>) {}

  /** Of the silent nodes, with how long they are silent, those that are lost. What is not known yet is asked. */
  confirm(silent: ReadonlyMap<string, number>, now: number): string[] {
    for (const id of this.#asked.keys()) if (!silent.has(id)) this.#asked.delete(id);
    return [...silent].flatMap(([id, silentMs]) => {
      const result = this.#opinionOf(id, now);
      return result === 'unreachable' || (result === 'unresponsive' && silentMs >= unresponsiveLostAfterMs) ? [id] : [];
    });
  }

  #opinionOf(id: string, now: number): ProbeResult | undefined {
    const asked = this.#asked.get(id) ?? { at: -Infinity, waiting: false, result: undefined };
    if (!asked.waiting && asked.result !== 'unreachable' && now - asked.at >= askEveryMs) {
      asked.at = now;
      asked.waiting = true;
      this.#asked.set(id, asked);
      void this.ask(id).then((result) => {
        asked.waiting = false;
        asked.result = result;
      });
    }
    return asked.result;
  }
}
