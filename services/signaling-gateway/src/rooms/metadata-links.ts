import type { CommandBus } from '@flotilla/bus';
import {
  type CommandPayload,
  FlotillaError,
  type MetadataSession,
  relayQueue,
  type RequestPayload,
} from '@flotilla/contracts';
import { withRetries } from '@flotilla/resilience';
import type { Logger } from '@flotilla/runtime';
import type { Store } from '@flotilla/store';
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
    private readonly store: Pick<Store, 'relays' | 'rooms'>,
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
    const exclude = this.bus.refusedInstances('relay');
    const { relays, rooms } = this.store;
    const isLast = exceptRelay !== undefined && exceptRelay === (await rooms.linkedRelay(roomId, participantId));
    const avoid = isLast ? exceptRelay : undefined;
    const payload: CommandPayload<'relay.connect'> = { roomId, sessionId: session.id, participantId, dtlsParameters };
    for (let tried = 1; ; tried++) {
      const relayId = await relays.assign(roomId, exclude, avoid);
      const link = await this.#open(relayId, payload).catch((error: unknown) => {
        const { code } = FlotillaError.from(error);
        if (!retryableCodes.has(code) || tried >= maxRelaysTried) throw error;
        if (code === 'DEADLINE_EXCEEDED' && !this.bus.mayRetry(relayQueue(relayId))) throw error;
        this.log.warn({ relayId, roomId, sessionId: session.id, code }, 'relay does not answer, trying another');
        exclude.push(relayId);
      });
      if (link) {
        // The participant may have been removed while the link was opened, or have left and joined again.
        if (session.rooms.has(roomId) && (await this.#keep(roomId, participantId, relayId))) return link;
        await this.bus.call(relayQueue(relayId), 'relay.disconnect', { roomId, sessionId: session.id });
      }
      if (link || !session.rooms.has(roomId)) throw new FlotillaError('NOT_IN_ROOM');
    }
  }

  /** Keeps the relay for the next link, which another gateway may open. Returns false when the participant is not in the room. */
  async #keep(roomId: string, participantId: string, relayId: string): Promise<boolean> {
    try {
      await this.store.rooms.linkRelay(roomId, participantId, relayId);
    } catch (error) {
      const { code } = FlotillaError.from(error);
      if (code === 'NOT_IN_ROOM') return false;
      // The link works. When it fails, the client may be given the same relay again.
      this.log.warn({ err: error, roomId, relayId }, 'the relay of a link is not kept');
    }
    return true;
  }

  /** A repeated command replaces the link that the first may have opened. */
  #open(relayId: string, payload: CommandPayload<'relay.connect'>): Promise<MetadataSession> {
    const queue = relayQueue(relayId);
    return withRetries(
      {
        retries: 1,
        when: (error) => FlotillaError.from(error).code === 'DEADLINE_EXCEEDED',
        take: () => this.bus.mayRetry(queue),
      },
      (attempt) => {
        const timeoutMs = attempt === 0 ? firstAttemptTimeoutMs : openTimeoutMs;
        return this.bus.call(queue, 'relay.connect', payload, { timeoutMs });
      },
    );
  }
}
