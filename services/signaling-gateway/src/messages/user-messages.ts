import { broadcastStream, type EventLog, type StreamSubscription, gatewayStream } from '@flotilla/bus';
import {
  AddressedMessage,
  GatewayEvent,
  type Offset,
  type StreamAddress,
  startOfStream,
  userAddress,
} from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { SessionStore } from '@flotilla/store';
import type { Session } from '../sessions/session.ts';
import type { SessionTable } from '../sessions/session-table.ts';
import { dispatchSeconds } from '../delivery/dispatch-metric.ts';
import { eventFrame } from '../delivery/frames.ts';
import { type Delivery, readBatch } from '../delivery/ordered-delivery.ts';

const everybody = '*';

/**
 * What reaches this gateway besides the events of rooms: messages to users and to everybody, and word of sessions that moved
 * elsewhere or are to be cut off. One stream of its own, and one that all gateways follow, however many users there are.
 */
export class UserMessages {
  #followings: StreamSubscription[] = [];
  #lastBroadcast: Offset = startOfStream;

  constructor(
    private readonly gatewayId: string,
    private readonly table: SessionTable,
    private readonly store: SessionStore,
    private readonly events: EventLog,
    private readonly onReplaced: (sessionId: string) => void,
    private readonly onCut: (sessionId: string) => void,
    private readonly log: Logger,
  ) {}

  async start(): Promise<void> {
    const own = gatewayStream(this.gatewayId);
    const [ownOffset, lastBroadcast] = await Promise.all([
      this.events.lastOffset(own),
      this.events.lastOffset(broadcastStream),
    ]);
    this.#lastBroadcast = lastBroadcast;
    this.#followings = [
      this.events.subscribe(own, ownOffset, (entries) => {
        for (const { data } of entries) this.#take(data);
      }),
      this.events.subscribe(broadcastStream, lastBroadcast, (entries) => {
        for (const { offset, data } of entries) this.#broadcast(offset, data);
      }),
    ];
  }

  stop(): void {
    for (const following of this.#followings) following.stop();
  }

  /** Where the messages to everybody stand: a session that connects now gets what comes after. */
  get lastBroadcast(): Offset {
    return this.#lastBroadcast;
  }

  /** Throws RECIPIENT_OFFLINE, UNAVAILABLE. */
  sendToUser(session: Session, userId: string, data: unknown): Promise<Offset> {
    return this.store.sendToUser(userId, messageOf(session, data));
  }

  /** Throws UNAVAILABLE. */
  sendToEverybody(session: Session, data: unknown): Promise<Offset> {
    return this.events.append(broadcastStream, messageOf(session, data));
  }

  /** Tells another gateway that a session is no longer its own. */
  async tellReplaced(gatewayId: string, sessionId: string): Promise<void> {
    const event: GatewayEvent = { type: 'session_replaced', sessionId };
    await this.events.append(gatewayStream(gatewayId), JSON.stringify(event));
  }

  #take(data: string): void {
    const event = GatewayEvent.safeParse(JSON.parse(data));
    if (!event.success) return this.log.debug({ data }, 'an entry of a newer gateway');
    if (event.data.type === 'session_replaced') return this.onReplaced(event.data.sessionId);
    if (event.data.type === 'cut_socket') return this.onCut(event.data.sessionId);
    const { userId, seq, message } = event.data;
    const frame = eventFrame(userAddress(userId), seq, { type: 'message', ...message });
    for (const session of this.table.ofUser(userId)) session.inbox.deliver(seq, frame);
    dispatchSeconds.observe({ to: 'user' }, (Date.now() - message.at) / 1000);
  }

  #broadcast(offset: Offset, data: string): void {
    this.#lastBroadcast = offset;
    const message = AddressedMessage.safeParse(JSON.parse(data));
    if (!message.success) return;
    const frame = eventFrame(everybody, offset, { type: 'message', ...message.data });
    for (const session of this.table) session.broadcasts.deliver(offset, frame);
    dispatchSeconds.observe({ to: 'everybody' }, (Date.now() - message.data.at) / 1000);
  }

  /**
   * Sends a session that came back the messages to its user and to everybody that it missed. Without an offset it gets what
   * came since it connected. Returns the addresses whose messages are not all there any more; what is left is sent.
   */
  async catchUp(session: Session, offsets: Readonly<Record<string, Offset>>): Promise<StreamAddress[]> {
    const { userId } = session.identity;
    const user = userAddress(userId);
    const missed: StreamAddress[] = [];

    const seen = offsets[user];
    if (seen !== undefined) {
      await session.inbox.catchUp(async (after) => {
        const { complete, entries } = await this.store.messagesToUser(userId, after);
        if (!complete) missed.push(user);
        return entries.map((entry) => deliveryOf(user, entry));
      }, seen);
    } else session.inbox.flush();

    const heard = offsets[everybody];
    if (heard !== undefined) {
      const complete = await session.broadcasts.catchUp((after) => this.#readBroadcasts(after), heard);
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

function messageOf(session: Session, data: unknown): string {
  const message: AddressedMessage = {
    from: userAddress(session.identity.userId),
    payload: { data },
    at: Date.now(),
  };
  return JSON.stringify(message);
}

/** An entry that can't be read comes from a newer gateway and is passed over. */
function deliveryOf(to: string, { offset, data }: { offset: Offset; data: string }): Delivery {
  const message = AddressedMessage.safeParse(JSON.parse(data));
  return { offset, frame: message.success ? eventFrame(to, offset, { type: 'message', ...message.data }) : undefined };
}
