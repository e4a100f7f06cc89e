import { type CloseCodeName, closeCodes, FlotillaError, type Grant, type Reply } from '@flotilla/contracts';
import type { WebSocket } from 'ws';

/** A room the session is in: who it is there, and where its media is. */
export interface Membership {
  readonly roomId: string;
  readonly participantId: string;
  nodeId: string;
}

export interface SessionIdentity {
  readonly id: string;
  readonly userId: string;
  readonly name?: string | undefined;
  /** The only room its token opens. */
  readonly room?: string | undefined;
  readonly grants: readonly Grant[];
}

/** What waits to be sent to a client before it is too slow to keep, in bytes. */
export const maxBacklogBytes = 1024 * 1024;

/** A client's session on this gateway: who it is, the rooms it is in, its connection. */
export class Session {
  readonly rooms = new Map<string, Membership>();
  /** Heartbeats without a sign of life. */
  silentBeats = 0;

  constructor(
    readonly identity: SessionIdentity,
    /** It was here before: nothing is sent of its rooms until it said what it saw last. */
    readonly resumed: boolean,
    private readonly socket: WebSocket,
  ) {}

  get id(): string {
    return this.identity.id;
  }

  get isOpen(): boolean {
    return this.socket.readyState === 1;
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

  /** Sends a frame that is ready. A client that lets too much pile up is closed. */
  send(text: string): void {
    if (!this.isOpen) return;
    if (this.socket.bufferedAmount > maxBacklogBytes) return this.close('SLOW_CONSUMER', 'too much waits to be sent');
    this.socket.send(text);
  }

  reply(reply: Reply): void {
    this.send(JSON.stringify(reply));
  }

  ping(): void {
    if (this.isOpen) this.socket.ping();
  }

  /** Closes with a code of ours. The client has some seconds to answer, then the socket is cut. */
  close(code: CloseCodeName, reason: string): void {
    this.socket.close(closeCodes[code], reason);
    const cut = setTimeout(() => this.socket.terminate(), 2000);
    this.socket.once('close', () => clearTimeout(cut));
  }

  /** Cuts the connection without a word: the other side is not there to hear one. */
  terminate(): void {
    this.socket.terminate();
  }
}
