import type { CommandBus } from '@flotilla/bus';
import {
  type CommandPayload,
  FlotillaError,
  type MetadataSession,
  relayQueue,
  type RequestPayload,
} from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { RelayStore } from '@flotilla/store';
import type { Membership, Session } from '../sessions/session.ts';

/** A relay that does not answer, or takes nobody, is passed over this often. */
const maxRelaysTried = 3;
const openTimeoutMs = 4000;
/** What reaches a relay's queue in the moment between the relay's end and the queue's is never answered; asked again, it fails at once. */
const askAgainMs = 500;
const passedOver: ReadonlySet<string> = new Set(['NODE_UNAVAILABLE', 'DEADLINE_EXCEEDED', 'NO_CAPACITY']);

/** Opens links for metadata, on the room's relay or on another when that one does not answer. */
export class MetadataLinks {
  constructor(
    private readonly bus: CommandBus,
    private readonly relays: RelayStore,
    private readonly log: Logger,
  ) {}

  async connect(
    session: Session,
    { roomId, participantId }: Membership,
    { dtlsParameters, exceptRelay }: RequestPayload<'metadata.connect'>,
  ): Promise<MetadataSession> {
    const exclude = exceptRelay === undefined ? [] : [exceptRelay];
    const payload: CommandPayload<'relay.connect'> = { roomId, sessionId: session.id, participantId, dtlsParameters };
    for (let tried = 1; ; tried++) {
      const relayId = await this.relays.assign(roomId, exclude);
      try {
        return await this.#open(relayId, payload);
      } catch (error) {
        const { code } = FlotillaError.from(error);
        if (!passedOver.has(code) || tried >= maxRelaysTried) throw error;
        this.log.warn({ relay: relayId, roomId, sessionId: session.id, code }, 'relay does not answer, taking another');
        exclude.push(relayId);
      }
    }
  }

  /** Asked for twice, the second link takes the place of the first. */
  async #open(relayId: string, payload: CommandPayload<'relay.connect'>): Promise<MetadataSession> {
    const ask = (timeoutMs: number): Promise<MetadataSession> =>
      this.bus.call(relayQueue(relayId), 'relay.connect', payload, { timeoutMs });
    try {
      return await ask(askAgainMs);
    } catch (error) {
      if (FlotillaError.from(error).code !== 'DEADLINE_EXCEEDED') throw error;
      return ask(openTimeoutMs);
    }
  }
}
