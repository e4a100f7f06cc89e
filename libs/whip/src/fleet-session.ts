import { SignalSession } from '@flotilla/client/signal';
import {
  addressee,
  type Event,
  FlotillaError,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  roomAddress,
  type RoomEventPayload,
  type RoomEventType,
  roomEvents,
  safeRead,
  type SignalEventPayload,
} from '@flotilla/contracts';

/** Why a session ended, for the log. */
export type EndReason =
  | 'deleted'
  | 'closed'
  | 'session_ended'
  | 'events_missed'
  | 'removed'
  | 'room_deleted'
  | 'node_lost'
  | 'node_drained'
  | 'publication_ended'
  | 'subscription_failed'
  | 'grant_lost'
  | 'key_removed'
  | 'transport_disconnected'
  | 'not_answered';

export interface FleetSessionOptions {
  /** URL of a signaling gateway. */
  readonly signalUrl: string;
  /** Returns a join token; called again before it expires. */
  readonly token: string | (() => Promise<string>);
  readonly room: string;
  /** Ends the session. */
  readonly signal: AbortSignal;
}

export type RoomEventOfClient = {
  [T in RoomEventType]: { readonly type: T; readonly payload: RoomEventPayload<T> };
}[RoomEventType];

/**
 * A participant of a room for a client that has no signaling. It survives the loss of a gateway, and ends when its media cannot go on
 * without signaling: when its SFU node drains or is lost, and when events were missed.
 */
export class FleetSession {
  #signal: SignalSession | undefined;
  #roomId = '';
  #ended = false;
  participantId = '';
  /** The SFU node of its media, once that is opened. */
  nodeId: string | undefined;
  /** Called once, whatever ended it. */
  onEnded: (reason: EndReason) => void = () => undefined;
  /** Called with the events of the room that do not end the session. */
  onRoomEvent: (event: RoomEventOfClient) => void = () => undefined;

  private constructor(private readonly options: FleetSessionOptions) {}

  /**
   * Opens a session and joins the room, without subscribing to anything.
   * @param openMedia opens the transports as well, for a client that publishes.
   * @throws FlotillaError with the reason of the fleet.
   */
  static async join(
    options: FleetSessionOptions,
    openMedia: boolean,
  ): Promise<{ readonly session: FleetSession; readonly joined: ReplyPayload<'join'> }> {
    const session = new FleetSession(options);
    options.signal.addEventListener('abort', () => session.end('closed'));
    try {
      return { session, joined: await session.#join(openMedia) };
    } catch (error) {
      session.end('closed');
      throw error;
    }
  }

  async #join(openMedia: boolean): Promise<ReplyPayload<'join'>> {
    const { signalUrl, token, room, signal: aborted } = this.options;
    const signal = await SignalSession.open(
      signalUrl,
      token,
      {
        onEvent: (event) => this.#onEvent(event),
        onDisconnected: () => undefined,
        onResumed: (rooms) => {
          const resumed = rooms.find(({ roomId }) => roomId === this.#roomId);
          if (!resumed?.resumed) this.end('events_missed');
        },
        // A new session has no media.
        onRestarted: async () => this.end('session_ended'),
        onRefreshed: () => undefined,
        onEnded: () => this.end('session_ended'),
      },
      aborted,
    );
    this.#signal = signal;
    // Aborted meanwhile.
    if (this.#ended) signal.close();
    const { rtpCapabilities } = this.welcome;
    const joined = await signal.request('join', {
      room,
      subscribe: false,
      ...(openMedia && rtpCapabilities && { rtpCapabilities }),
    });
    this.#roomId = joined.snapshot.room.id;
    this.participantId = joined.participantId;
    this.nodeId = joined.media?.nodeId;
    signal.setOffset(this.#roomId, joined.snapshot.offset);
    return joined;
  }

  get welcome(): SignalEventPayload<'welcome'> {
    return this.#signal!.welcome;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Sends a request about the room. */
  request<T extends RequestType>(type: T, payload: RequestPayload<T>): Promise<ReplyPayload<T>> {
    if (!this.#signal || this.#ended) return Promise.reject(new FlotillaError('UNAVAILABLE', 'the session has ended'));
    return this.#signal.request(type, payload, roomAddress(this.#roomId));
  }

  #onEvent({ type, to, payload }: Event): void {
    if (addressee('room', to) !== this.#roomId || !Object.hasOwn(roomEvents, type)) return;
    const parsed = safeRead(roomEvents[type as RoomEventType], payload);
    if (!parsed.success) return;
    const event = { type, payload: parsed.data } as RoomEventOfClient;
    switch (event.type) {
      case 'participant_left':
        if (event.payload.participantId === this.participantId) return this.end('removed');
        break;
      case 'media_lost': {
        const { participantIds, nodeId } = event.payload;
        // Another node lost a migration that this client refuses.
        const isElsewhere = nodeId !== undefined && this.nodeId !== undefined && nodeId !== this.nodeId;
        if (participantIds.includes(this.participantId) && !isElsewhere) return this.end('node_lost');
        break;
      }
      case 'room_deleted':
        return this.end('room_deleted');
      case 'migrate':
        if (event.payload.reason === 'drain') return this.end('node_drained');
        this.request('migration_failed', {
          migrationId: event.payload.migrationId,
          reason: 'a WHIP or WHEP client cannot be moved',
        }).catch(() => undefined);
        return;
      default:
    }
    this.onRoomEvent(event);
  }

  /** Leaves the room: the SFU node closes the transports with a DTLS alert. */
  end(reason: EndReason): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal?.close();
    this.onEnded(reason);
  }
}
