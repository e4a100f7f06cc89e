import type { CommandBus } from '@flotilla/bus';
import { FlotillaError, sfuQueue } from '@flotilla/contracts';
import type { PlannerPeer } from './planner/state.ts';

/** `gone`: nobody serves its queue any more. `mute`: it did not answer, or could not be asked. */
export type Opinion = 'gone' | 'alive' | 'mute';

const answerWithinMs = 300;
const askEveryMs = 500;
/** A silent node that does not answer either is lost after this: its host may hang, or be cut off. */
export const muteLostAfterMs = 2000;

/**
 * Asks a silent node over RabbitMQ whether it has one of its peers. The broker knows at once when a process is dead; one that
 * answers is alive, however late its heartbeats are or whatever keeps it from Redis.
 */
export async function askNode(bus: Pick<CommandBus, 'call'>, nodeId: string, peer: PlannerPeer): Promise<Opinion> {
  const { roomId, sessionId } = peer;
  try {
    await bus.call(sfuQueue(nodeId), 'sfu.describe_session', { roomId, sessionId }, { timeoutMs: answerWithinMs });
    return 'alive';
  } catch (error) {
    const { code } = FlotillaError.from(error);
    if (code === 'NODE_UNAVAILABLE') return 'gone';
    return code === 'DEADLINE_EXCEEDED' || code === 'UNAVAILABLE' ? 'mute' : 'alive';
  }
}

/** Second opinions about nodes that fell silent; one question to each at a time. */
export class SecondOpinion {
  readonly #asked = new Map<string, { at: number; waiting: boolean; opinion: Opinion | undefined }>();

  /** @param ask never rejects. */
  constructor(private readonly ask: (nodeId: string) => Promise<Opinion>) {}

  /** Of the silent nodes, with how long they are silent, those that are lost. What is not known yet is asked. */
  confirm(silent: ReadonlyMap<string, number>, now: number): string[] {
    for (const id of this.#asked.keys()) if (!silent.has(id)) this.#asked.delete(id);
    return [...silent].flatMap(([id, silentMs]) => {
      const opinion = this.#opinionOf(id, now);
      return opinion === 'gone' || (opinion === 'mute' && silentMs >= muteLostAfterMs) ? [id] : [];
    });
  }

  #opinionOf(id: string, now: number): Opinion | undefined {
    const asked = this.#asked.get(id) ?? { at: -Infinity, waiting: false, opinion: undefined };
    if (!asked.waiting && asked.opinion !== 'gone' && now - asked.at >= askEveryMs) {
      asked.at = now;
      asked.waiting = true;
      this.#asked.set(id, asked);
      void this.ask(id).then((opinion) => {
        asked.waiting = false;
        asked.opinion = opinion;
      });
    }
    return asked.opinion;
  }
}
