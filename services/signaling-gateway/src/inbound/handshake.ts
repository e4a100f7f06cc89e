import type { IncomingMessage } from 'node:http';
import {
  checkClientTime,
  newResumeToken,
  resumeTokenHash,
  resumeTokenOf,
  type UpgradeAuthenticator,
} from '@flotilla/auth';
import { FlotillaError, newId, subprotocol, type TokenClaims } from '@flotilla/contracts';
import { counter, type TokenBucket } from '@flotilla/runtime';
import { roomIdOf, type SessionClaims, type SessionStore } from '@flotilla/store';
import type { ConnectionLimits } from '../limits/connection-limits.ts';
import type { Overload } from '../limits/overload.ts';
import type { Lifecycle } from '../sessions/lifecycle.ts';
import type { AddressOffsets, SessionIdentity } from '../sessions/session.ts';
import type { Edge } from '../edge/edge.ts';

export interface Admitted {
  readonly identity: SessionIdentity;
  /** The rooms of a session that comes back. */
  readonly resumedRooms: readonly string[] | undefined;
  /** What brings it back once more. */
  readonly resumeToken: { readonly token: string; readonly hash: string };
  readonly offsets: AddressOffsets;
  /** What all connections of its address may send together. */
  readonly messagesOfAddress: TokenBucket;
}

export interface HandshakeSettings {
  readonly allowedOrigins: readonly string[];
  readonly requireClientTime: boolean;
}

/** A used token is remembered until it has expired and this much longer, in milliseconds. */
const replaySkewMs = 300_000;

const rejected = counter({
  name: 'signaling_rejected_total',
  help: 'Connections and requests refused to protect the service or for want of rights, by reason.',
  labelNames: ['what', 'reason'],
});

/** Counts something that was refused. `what` is `connection` or `request`. */
export function countRejection(what: 'connection' | 'request', reason: string): void {
  rejected.inc({ what, reason });
}

/**
 * Decides who may connect: a page from an allowed origin, while there is room, with a token that was not used before, or
 * with a resume token. What is cheap to check comes first.
 */
export class Handshake {
  constructor(
    private readonly authenticator: UpgradeAuthenticator,
    private readonly lifecycle: Lifecycle,
    private readonly store: SessionStore,
    private readonly limits: ConnectionLimits,
    private readonly overload: Overload,
    private readonly edge: Edge,
    private readonly settings: HandshakeSettings,
  ) {}

  /** Browsers send an Origin and cannot forge it; other clients need none. Throws FORBIDDEN. */
  checkOrigin(request: IncomingMessage): void {
    const { allowedOrigins } = this.settings;
    const { origin, host } = request.headers;
    if (origin === undefined || allowedOrigins.includes('*') || allowedOrigins.includes(origin)) return;
    if (URL.canParse(origin) && new URL(origin).host === host) return;
    throw new FlotillaError('FORBIDDEN', `pages from ${origin} may not connect; see FLOTILLA_ALLOWED_ORIGINS`);
  }

  /**
   * @throws FlotillaError: FORBIDDEN, RATE_LIMITED, OVERLOADED, CLOCK_SKEW, UNAUTHENTICATED, TOKEN_*, SESSION_EXPIRED,
   * UNAVAILABLE.
   */
  async admit(request: IncomingMessage): Promise<Admitted> {
    try {
      return await this.#admit(request);
    } catch (error) {
      countRejection('connection', FlotillaError.from(error).code);
      throw error;
    }
  }

  async #admit(request: IncomingMessage): Promise<Admitted> {
    this.checkOrigin(request);
    if (this.lifecycle.stopping) throw new FlotillaError('UNAVAILABLE', 'this gateway is about to stop');
    const former = resumeTokenOf(request);
    // Who is in a call comes back before anybody new gets in.
    if (this.overload.level >= (former === undefined ? 1 : 2)) throw new FlotillaError('OVERLOADED');
    const { release, messages: messagesOfAddress } = this.limits.admit(this.edge.clientOf(request).address);
    request.socket.once('close', release);
    checkClientTime(request, { required: this.settings.requireClientTime });

    const resumeToken = newResumeToken();
    if (former !== undefined) {
      const everybody = this.lifecycle.mail.lastBroadcast;
      const record = await this.lifecycle.resume(resumeTokenHash(former), resumeToken.hash);
      const { rooms: resumedRooms, gatewayId: _former, ...identity } = record;
      // Messages to the user wait until `resume` says what was seen last.
      const offsets = { user: '0-0', everybody };
      return { identity, resumedRooms, resumeToken, offsets, messagesOfAddress };
    }
    const claims = await this.authenticator.authenticate(request);
    await useToken(this.store, claims);
    const identity: SessionIdentity = { id: newId('session'), userId: claims.sub, ...sessionClaims(claims) };
    const offsets = await this.lifecycle.open(identity, resumeToken.hash);
    return { identity, resumedRooms: undefined, resumeToken, offsets, messagesOfAddress };
  }

  /** Says what is wrong with a credential without using it up; for clients that can't see why an upgrade failed. */
  async validate(request: IncomingMessage): Promise<void> {
    this.checkOrigin(request);
    checkClientTime(request, { required: false });
    const resumeToken = /^Resume (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (resumeToken === undefined) await this.authenticator.authenticate(request);
    else if (!(await this.store.isResumable(resumeTokenHash(resumeToken)))) throw new FlotillaError('SESSION_EXPIRED');
  }
}

/** Marks a token as used. Throws TOKEN_REPLAYED when it was. */
export async function useToken(store: SessionStore, { jti, exp }: TokenClaims): Promise<void> {
  if (!(await store.useTokenOnce(jti, exp * 1000 + replaySkewMs))) throw new FlotillaError('TOKEN_REPLAYED');
}

/** What a token lets its session do. */
export function sessionClaims({ name, room, grants, bridge, exp }: TokenClaims): SessionClaims {
  return { name, room, grants, bridge: bridge.map(roomIdOf), expiresAt: exp * 1000 };
}

/** The subprotocol the server answers with: the protocol, never the entry that carries a credential. */
export function selectSubprotocol(offered: ReadonlySet<string>): string | false {
  return offered.has(subprotocol) ? subprotocol : false;
}
