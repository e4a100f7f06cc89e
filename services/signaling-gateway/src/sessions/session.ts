import type { Duplex } from 'node:stream';
import {
  type CloseCodeName,
  closeCodes,
  FlotillaError,
  type Grant,
  type Offset,
  type Reply,
} from '@flotilla/contracts';
import { counter, type TokenBucket } from '@flotilla/runtime';
import type { SessionClaims } from '@flotilla/store';
import type { WebSocket } from 'ws';
import { OrderedDelivery } from '../delivery/ordered-delivery.ts';
import { pingFrame, textFrame } from '../delivery/websocket-frames.ts';
import type { LifecycleState } from './lifecycle-table.ts';

/** A room the session is in: who it is there, and where its media is. */
export interface Membership {
  readonly roomId: string;
  readonly participantId: string;
  nodeId: string;
  /** While it is being moved, and of the last move: requests that name it are about its new side. */
  migration?: { readonly id: string; readonly toNode: string } | undefined;
}

/** Who a session is, and what its token says it may. */
export interface SessionIdentity extends SessionClaims {
  readonly id: string;
  readonly userId: string;
}

/** Where a session begins in the messages to its user and to everybody. */
export interface AddressOffsets {
  readonly user: Offset;
  readonly everybody: Offset;
}

/** What waits to be sent to a client before it is asked for a sign of life, and before it is too slow to keep; bytes. */
export const probeBacklogBytes = 64 * 1024;
export const maxBacklogBytes = 1024 * 1024;

const probes = counter({
  name: 'signaling_probes_total',
  help: 'Connections asked for a sign of life out of turn, because what is sent to them piles up.',
});

/** A client's session on this gateway: who it is, the rooms it is in, its connection. */
export class Session {
  readonly rooms = new Map<string, Membership>();
  /** Messages to its user, and to everybody. */
  readonly inbox: OrderedDelivery;
  readonly broadcasts: OrderedDelivery;
  state: LifecycleState = 'handshaking';
  /** Heartbeats without a sign of life. */
  missedPongs = 0;
  /** Told that its token expires soon. */
  warnedOfExpiry = false;
  /** Called once, when more waits to be sent than a client may leave unread. */
  onBacklogExceeded: () => void = () => undefined;
  readonly openedAt = performance.now();
  /** When it is asked for a sign of life next, by `performance.now`. */
  nextPingAt = Infinity;
  /** What all connections of its address may send together. */
  messagesOfAddress: TokenBucket | undefined;
  #probed = false;

  constructor(
    public identity: SessionIdentity,
    /** The rooms it was in before, when it was: nothing is sent of them until it said what it saw last. */
    readonly resumedRooms: readonly string[] | undefined,
    private readonly websocket: WebSocket,
    /** The connection under the WebSocket: frames that are ready go there, between those that the WebSocket makes itself. */
    private readonly connection: Duplex,
    /** Of the token that brings it back after this connection. */
    readonly resumeHash: string,
    offsets: AddressOffsets,
  ) {
    this.inbox = new OrderedDelivery(this, offsets.user, this.resumed);
    this.broadcasts = new OrderedDelivery(this, offsets.everybody, this.resumed);
  }

  /** It was here before. */
  get resumed(): boolean {
    return this.resumedRooms !== undefined;
  }

  get id(): string {
    return this.identity.id;
  }

  get isOpen(): boolean {
    return this.websocket.readyState === 1;
  }

  /** Bytes that wait to be sent. */
  get backlog(): number {
    return this.connection.writableLength;
  }

  requireGrant(grant: Grant): void {
    if (!this.identity.grants.includes(grant))
      throw new FlotillaError('FORBIDDEN', `the token does not grant "${grant}"`);
  }

  /** The room a request is about. Throws NOT_IN_ROOM. */
  membership(roomId: string): Membership {
    const membership = this.rooms.get(roomId);
    if (!membership) throw new FlotillaError('NOT_IN_ROOM');
    return membership;
  }

  /** Sends a frame that is ready. A client whose frames pile up is probed; one that lets too much pile up is closed. */
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
    // Counts as a heartbeat: without an answer it is a zombie one beat sooner.
    this.missedPongs = Math.max(this.missedPongs, 1);
    this.ping();
  }

  /** A pong or a message came. */
  recordActivity(): void {
    this.missedPongs = 0;
    this.#probed = false;
  }

  reply(reply: Reply): void {
    this.send(textFrame(JSON.stringify(reply)));
  }

  ping(): void {
    if (this.isOpen) this.connection.write(pingFrame);
  }

  /** Cuts the connection without a word, as when a network goes. */
  cut(): void {
    this.websocket.terminate();
  }

  /** Closes with a code of ours. The client has two seconds to answer, then the socket is cut. */
  close(code: CloseCodeName, reason: string): void {
    this.websocket.close(closeCodes[code], reason);
  }
}
