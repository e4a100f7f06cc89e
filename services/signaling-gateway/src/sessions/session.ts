import type { Duplex } from 'node:stream';
import {
  type CloseCodeName,
  closeCodes,
  type ConnectionEventType,
  coversRequest,
  describeRule,
  FlotillaError,
  type MediaReport,
  type Offset,
  type Reply,
  requestGrants,
  type RequestType,
  type SignalEventPayload,
  tenantOfUser,
} from '@flotilla/contracts';
import { counter, type TokenBucket, type TraceCarrier } from '@flotilla/runtime';
import type { SessionClaims } from '@flotilla/store';
import type { WebSocket } from 'ws';
import { maxBacklogBytes, probeBacklogBytes } from '../delivery/backlog.ts';
import { connectionEventFrame } from '../delivery/frames.ts';
import { OrderedDelivery } from '../delivery/ordered-delivery.ts';
import { pingFrame, textFrame } from '../delivery/websocket-frames.ts';
import type { LifecycleState } from './lifecycle-table.ts';
import { RequestQueue } from './request-queue.ts';

/** A room the session is in: its participant there, and the SFU node of its media. */
export interface Membership {
  readonly roomId: string;
  readonly participantId: string;
  nodeId: string;
  /** The latest migration. Requests that name it go to its target node. */
  migration?:
    | {
        readonly id: string;
        readonly toNode: string;
        /** The trace in which it began. */
        readonly trace?: TraceCarrier | undefined;
      }
    | undefined;
  /** The media reports that still count; see `observeMediaReport`. */
  reports?: Set<MediaReport['measure']> | undefined;
}

/** The session's user and the claims of its token. */
export interface SessionIdentity extends SessionClaims {
  readonly id: string;
  readonly userId: string;
}

/** What a connection that resumes a session takes over. */
export interface Resumption {
  /** Ids of the session's rooms. Their events are sent after the `resume` request. */
  readonly rooms: readonly string[];
  /** SHA-256 of the resume token that was presented. */
  readonly usedHash: string;
  /** The session may read messages to everybody after it. */
  readonly broadcastsAfter?: Offset | undefined;
}

/** Offsets after which a session receives the messages to its user and to everybody. */
export interface AddressOffsets {
  readonly user: Offset;
  readonly everybody: Offset;
}

const probes = counter({
  name: 'signaling_probes_total',
  help: 'Pings sent out of turn because of a backlog of unsent bytes.',
});

/** A client's session on this gateway: its identity, its rooms and its connection. */
export class Session {
  readonly rooms = new Map<string, Membership>();
  /** Ids of the rooms whose join has not been answered. */
  readonly joining = new Set<string>();
  /** Joins by room id that failed and that the store may still have; see Memberships. */
  readonly rollbacks = new Map<string, object>();
  /** Requests that were received and not answered yet. */
  readonly requests = new RequestQueue();
  /** Messages to its user. */
  readonly inbox: OrderedDelivery<Session>;
  /** Messages to everybody. */
  readonly broadcasts: OrderedDelivery<Session>;
  state: LifecycleState = 'handshaking';
  /** Consecutive pings without a pong or a message. */
  missedPongs = 0;
  /** Whether `token_expiring` was sent for the token in use. */
  warnedOfExpiry = false;
  /** Called when more bytes are unsent than `maxBacklogBytes`. */
  onBacklogExceeded: () => void = () => undefined;
  /** The `resume` request was received and the token of the resume used up. */
  resumeConfirmed = false;
  /** The `resume` request was answered: its rooms are restored. */
  resumeAnswered = false;
  /** Bytes that its deliveries hold. */
  heldBytes = 0;
  readonly openedAt = performance.now();
  /** Time of the next ping, by `performance.now`. */
  nextPingAt = Infinity;
  /** Rate limit shared by all connections of the client's address. */
  messagesOfAddress: TokenBucket | undefined;
  /** Kept by `RoomBytes`, since the first message into a room. */
  sentBytes?: TokenBucket | undefined;
  /** Kept by `RoomEvents`, since the first event that it causes. */
  ownEvents?: TokenBucket | undefined;
  #probed = false;

  constructor(
    public identity: SessionIdentity,
    /** Undefined for a new session. */
    readonly resumption: Resumption | undefined,
    private readonly websocket: WebSocket,
    /** The connection under the WebSocket. Encoded frames are written to it, between those that `websocket` writes itself. */
    private readonly connection: Duplex,
    /** SHA-256 of the resume token that this connection was given. Identifies the connection among those of the session. */
    readonly resumeHash: string,
    offsets: AddressOffsets,
  ) {
    this.inbox = new OrderedDelivery<Session>(this, offsets.user);
    this.broadcasts = new OrderedDelivery<Session>(this, offsets.everybody);
    if (!this.resumed) return;
    this.inbox.hold();
    this.broadcasts.hold();
  }

  /** Whether an earlier connection of the session existed. */
  get resumed(): boolean {
    return this.resumption !== undefined;
  }

  /** Whether the rooms that the session was in before this connection await its `resume` request. */
  get awaitsResume(): boolean {
    return this.resumed && !this.resumeAnswered;
  }

  get id(): string {
    return this.identity.id;
  }

  /** The tenant of its user. It sees the rooms and the users of this tenant only. */
  get tenant(): string | undefined {
    return tenantOfUser(this.identity.userId);
  }

  get isOpen(): boolean {
    return this.websocket.readyState === 1;
  }

  /** Unsent bytes. */
  get backlog(): number {
    return this.connection.writableLength;
  }

  /** Throws FORBIDDEN unless the token's grants cover a request of this type and address. */
  requireGrantsFor(type: RequestType, to: string | undefined): void {
    if (!coversRequest(this.identity.grants, type, to))
      throw new FlotillaError('FORBIDDEN', `${type} needs the grant ${describeRule(requestGrants[type])}`);
  }

  /** Requires again, after other work, that a request may be carried out. Throws SESSION_EXPIRED, FORBIDDEN. */
  requireStill(type: RequestType, to: string | undefined): void {
    if (!this.isOpen) throw new FlotillaError('SESSION_EXPIRED');
    this.requireGrantsFor(type, to);
  }

  /** The membership of a room. Throws NOT_IN_ROOM. */
  membership(roomId: string): Membership {
    const membership = this.rooms.get(roomId);
    if (!membership) throw new FlotillaError('NOT_IN_ROOM');
    return membership;
  }

  /** Sends an encoded frame. Pings the client when unsent bytes accumulate, and reports when they exceed the limit. */
  send(frame: Buffer): void {
    if (!this.isOpen) return;
    const { backlog } = this;
    if (backlog > maxBacklogBytes) return this.onBacklogExceeded();
    if (backlog > probeBacklogBytes) this.#probe();
    this.connection.write(frame);
  }

  #probe(): void {
    if (this.#probed) return;
    this.#probed = true;
    probes.inc();
    // Counts as a regular ping, so that a dead connection is detected one interval sooner.
    this.missedPongs = Math.max(this.missedPongs, 1);
    this.ping();
  }

  /** Notes that a pong or a message was received. */
  recordActivity(): void {
    this.missedPongs = 0;
    this.#probed = false;
  }

  reply(reply: Reply): void {
    this.send(textFrame(JSON.stringify(reply)));
  }

  /** Sends an event about the connection. */
  notify<T extends ConnectionEventType>(type: T, payload: SignalEventPayload<T>): void {
    this.send(connectionEventFrame(this.identity.userId, type, payload));
  }

  ping(): void {
    if (this.isOpen) this.connection.write(pingFrame);
  }

  /** Destroys the socket without a close frame, as a network failure does. */
  cut(): void {
    this.websocket.terminate();
  }

  /** Sends a close frame. The socket is destroyed when the client does not answer it within two seconds. */
  close(code: CloseCodeName, reason: string): void {
    this.websocket.close(closeCodes[code], reason);
  }
}
