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

/** Number of relays to try before `metadata.connect` fails. */
const maxRelaysTried = 3;
const openTimeoutMs = 4000;
/**
 * Timeout of the first attempt, ms. A command that arrives between the end of a relay and that of its queue is never
 * answered; repeated, it fails at once.
 */
const firstAttemptTimeoutMs = 500;
const retryableCodes: ReadonlySet<string> = new Set(['NODE_UNAVAILABLE', 'DEADLINE_EXCEEDED', 'NO_CAPACITY']);

/** Opens metadata links on the room's relay, or on another one when that does not answer. */
export class MetadataLinks {
  constructor(
    private readonly bus: CommandBus,
    private readonly relays: RelayStore,
    private readonly log: Logger,
  ) {}

  /**
   * Throws NOT_IN_ROOM when the membership ends meanwhile; the link is closed then. `exceptRelay` counts when it is the relay of the
   * participant's last link: otherwise clients would choose their relays.
   */
  async connect(
    session: Session,
    membership: Membership,
    { dtlsParameters, exceptRelay }: RequestPayload<'metadata.connect'>,
  ): Promise<MetadataSession> {
    const { roomId, participantId } = membership;
    const exclude: string[] = [];
    const avoid = exceptRelay === membership.relayId ? exceptRelay : undefined;
    const payload: CommandPayload<'relay.connect'> = { roomId, sessionId: session.id, participantId, dtlsParameters };
    for (let tried = 1; ; tried++) {
      const relayId = await this.relays.assign(roomId, exclude, avoid);
      const link = await this.#open(relayId, payload).catch((error: unknown) => {
        const { code } = FlotillaError.from(error);
        if (!retryableCodes.has(code) || tried >= maxRelaysTried) throw error;
        this.log.warn({ relayId, roomId, sessionId: session.id, code }, 'relay does not answer, trying another');
        exclude.push(relayId);
      });
      // The participant may have been removed while the link was opened, or have left and joined again.
      const current = session.rooms.get(roomId);
      if (link && current) {
        current.relayId = relayId;
        return link;
      }
      if (link) await this.bus.call(relayQueue(relayId), 'relay.disconnect', { roomId, sessionId: session.id });
      if (!session.rooms.has(roomId)) throw new FlotillaError('NOT_IN_ROOM');
    }
  }

  /** A repeated command replaces the link that the first may have opened. */
  async #open(relayId: string, payload: CommandPayload<'relay.connect'>): Promise<MetadataSession> {
    const attempt = (timeoutMs: number): Promise<MetadataSession> =>
      this.bus.call(relayQueue(relayId), 'relay.connect', payload, { timeoutMs });
    try {
      return await attempt(firstAttemptTimeoutMs);
    } catch (error) {
      if (FlotillaError.from(error).code !== 'DEADLINE_EXCEEDED') throw error;
      return attempt(openTimeoutMs);
    }
  }
}
