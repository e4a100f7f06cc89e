import {
  broadcastStream,
  entryValue,
  type EventLog,
  gatewayStream,
  idleStreamSeconds,
  type StreamSubscription,
} from '@flotilla/bus';
import {
  AddressedMessage,
  compareOffsets,
  GatewayEvent,
  type Offset,
  type StreamAddress,
  startOfStream,
  userAddress,
} from '@flotilla/contracts';
import { type Logger, retry } from '@flotilla/runtime';
import type { SessionStore } from '@flotilla/store';
import { dispatchSeconds } from '../delivery/dispatch-metric.ts';
import { eventFrame } from '../delivery/frames.ts';
import { type Delivery, readBatch } from '../delivery/ordered-delivery.ts';
import type { UserBytes } from '../limits/user-bytes.ts';
import type { FleetSessions } from '../sessions/fleet-sessions.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionTable } from '../sessions/session-table.ts';

/** The address of messages to everybody. */
const everybody = '*';

/** A replaced connection is reported for this long while Redis is out of reach, ms; its client has noticed by then. */
const notifyForMs = 30_000;

/** Handlers of events that other services append to the stream of a gateway. */
export interface GatewayEventHandlers {
  readonly onReplaced: (sessionId: string, resumeHash: string) => void;
  readonly onCutSocket: (sessionId: string) => void;
  readonly onRevoked: (sessionId: string) => void;
}

/**
 * Messages to users and to everybody. A gateway reads two streams, however many users it has: its own, which also carries
 * requests of other services about its sessions, and the one for everybody.
 */
export class UserMessages {
  #subscriptions: StreamSubscription[] = [];
  #lastBroadcast: Offset = startOfStream;

  constructor(
    private readonly gatewayId: string,
    private readonly table: SessionTable,
    private readonly store: SessionStore,
    private readonly events: EventLog,
    private readonly bytes: UserBytes,
    private readonly fleetSessions: FleetSessions,
    private readonly handlers: GatewayEventHandlers,
    private readonly log: Logger,
  ) {}

  async start(): Promise<void> {
    const own = gatewayStream(this.gatewayId);
    const [ownOffset, lastBroadcast] = await Promise.all([
      this.events.lastOffset(own),
      this.events.lastOffset(broadcastStream),
    ]);
    this.#lastBroadcast = lastBroadcast;
    // Resumed sessions name the last message that they have of each address.
    const onMissed = (): void => {
      for (const session of this.table) session.close('SERVICE_RESTART', 'messages were missed, resume');
    };
    this.#subscriptions = [
      this.events.subscribe(
        own,
        ownOffset,
        (entries) => {
          for (const { data } of entries) this.#receive(data);
        },
        onMissed,
      ),
      this.events.subscribe(
        broadcastStream,
        lastBroadcast,
        (entries) => {
          for (const { offset, data } of entries) this.#broadcast(offset, data);
        },
        onMissed,
      ),
    ];
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.stop();
  }

  /** Offset of the last message to everybody. A session that connects now receives what follows it. */
  get lastBroadcast(): Offset {
    return this.#lastBroadcast;
  }

  /** Throws RECIPIENT_OFFLINE, RATE_LIMITED, UNAVAILABLE. */
  async sendToUser(session: Session, userId: string, data: unknown): Promise<Offset> {
    const message = encode(session, data);
    // A user has few sessions, see `maxSessionsPerUser`.
    this.#take(session, userId, message, 1);
    return this.store.sendToUser(userId, message);
  }

  /** Throws RATE_LIMITED, SESSION_EXPIRED, FORBIDDEN, UNAVAILABLE. */
  async sendToEverybody(session: Session, data: unknown): Promise<Offset> {
    const message = encode(session, data);
    const receivers = await this.fleetSessions.count();
    session.requireStill('message', everybody);
    this.#take(session, everybody, message, receivers);
    return this.events.append(broadcastStream, message);
  }

  #take(session: Session, to: string, message: string, receivers: number): void {
    this.bytes.take({ from: session.identity.userId, to, bytes: Buffer.byteLength(message), receivers });
  }

  /** Notifies another gateway that the connection with this resume token was replaced. Retried while Redis is out of reach. */
  notifyReplaced(gatewayId: string, sessionId: string, resumeHash: string): void {
    const event: GatewayEvent = { type: 'session_replaced', sessionId, resumeHash };
    const append = (): Promise<Offset> =>
      this.events.append(gatewayStream(gatewayId), JSON.stringify(event), idleStreamSeconds);
    retry(append, { forMs: notifyForMs }).catch((error: unknown) =>
      this.log.warn({ err: error, sessionId, gatewayId }, 'gateway not notified of a replaced connection'),
    );
  }

  #receive(data: string): void {
    const event = GatewayEvent.safeParse(entryValue(data));
    if (!event.success) return this.log.debug({ data }, 'unknown entry in the stream of this gateway skipped');
    const { onReplaced, onCutSocket, onRevoked } = this.handlers;
    if (event.data.type === 'session_replaced') return onReplaced(event.data.sessionId, event.data.resumeHash);
    if (event.data.type === 'cut_socket') return onCutSocket(event.data.sessionId);
    if (event.data.type === 'session_revoked') return onRevoked(event.data.sessionId);
    const { userId, seq, message } = event.data;
    const frame = eventFrame(userAddress(userId), seq, { type: 'message', ...message });
    for (const session of this.table.ofUser(userId)) session.inbox.deliver({ offset: seq, frame });
    dispatchSeconds.observe({ to: 'user' }, (Date.now() - message.at) / 1000);
  }

  #broadcast(offset: Offset, data: string): void {
    this.#lastBroadcast = offset;
    const message = AddressedMessage.safeParse(entryValue(data));
    if (!message.success) return;
    const frame = eventFrame(everybody, offset, { type: 'message', ...message.data });
    for (const session of this.table) session.broadcasts.deliver({ offset, frame });
    dispatchSeconds.observe({ to: 'everybody' }, (Date.now() - message.data.at) / 1000);
  }

  /**
   * Sends a resumed session the messages to its user and to everybody after the given offsets, of those to everybody none from before
   * it was opened; without an offset, those since it connected. Returns the addresses whose streams were trimmed after the offset; the remaining messages are sent.
   */
  async catchUp(session: Session, offsets: Readonly<Record<string, Offset>>): Promise<StreamAddress[]> {
    const { userId } = session.identity;
    const user = userAddress(userId);
    const missed: StreamAddress[] = [];

    const lastOfUser = offsets[user];
    if (lastOfUser !== undefined) {
      await session.inbox.catchUp(async (after) => {
        const { complete, entries } = await this.store.messagesToUser(userId, after);
        if (!complete) missed.push(user);
        return entries.map((entry) => deliveryOf(user, entry));
      }, lastOfUser);
    } else session.inbox.flush();

    const named = offsets[everybody];
    const opened = session.resumption?.broadcastsAfter;
    // Messages from before the session was opened are not its own.
    const lastOfEverybody =
      named !== undefined && opened !== undefined && compareOffsets(named, opened) < 0 ? opened : named;
    if (lastOfEverybody !== undefined) {
      const complete = await session.broadcasts.catchUp((after) => this.#readBroadcasts(after), lastOfEverybody);
      if (!complete) {
        missed.push(everybody);
        session.broadcasts.flush();
      }
    } else session.broadcasts.flush();
    return missed;
  }

  async #readBroadcasts(after: Offset): Promise<Delivery[] | 'trimmed'> {
    const entries = await this.events.readAfter(broadcastStream, after, readBatch);
    return entries === 'trimmed' ? entries : entries.map((entry) => deliveryOf(everybody, entry));
  }
}

function encode(session: Session, data: unknown): string {
  const message: AddressedMessage = {
    from: userAddress(session.identity.userId),
    payload: { data },
    at: Date.now(),
  };
  return JSON.stringify(message);
}

/** An entry that can't be parsed was written by a newer version or is damaged; it is skipped. */
function deliveryOf(to: string, { offset, data }: { offset: Offset; data: string }): Delivery {
  const message = AddressedMessage.safeParse(entryValue(data));
  return { offset, frame: message.success ? eventFrame(to, offset, { type: 'message', ...message.data }) : undefined };
}
