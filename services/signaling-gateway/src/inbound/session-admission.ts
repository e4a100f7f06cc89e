import { newResumeToken, resumeTokenHash } from '@flotilla/auth';
import { FlotillaError, newId, type RtpCapabilities, type TokenClaims, userOfClaims } from '@flotilla/contracts';
import { counter } from '@flotilla/runtime';
import type { SessionRecord, SessionStore } from '@flotilla/store';
import type { UserMessages } from '../messages/user-messages.ts';
import type { NodeDirectory } from '../node-directory.ts';
import type { Lifecycle } from '../sessions/lifecycle.ts';
import type { AddressOffsets, Resumption, SessionIdentity } from '../sessions/session.ts';
import { sessionClaims, usedToken } from '../sessions/token-claims.ts';

/** A session that a connection may be opened for. */
export interface AdmittedSession {
  readonly identity: SessionIdentity;
  /** Undefined for a new session. */
  readonly resumption: Resumption | undefined;
  /** Single-use token for the next resume. */
  readonly resumeToken: { readonly token: string; readonly hash: string };
  readonly offsets: AddressOffsets;
  /** For a new session: its client loads a device with them. Undefined while no SFU node is known. */
  readonly rtpCapabilities?: RtpCapabilities | undefined;
}

const resumes = counter({
  name: 'signaling_resumes_total',
  help: 'Attempts to resume a session: ok, ok_moved (from another gateway), or the error code.',
  labelNames: ['outcome'],
});

/** Creates sessions, and hands existing ones over to a new connection. */
export class SessionAdmission {
  constructor(
    private readonly gatewayId: string,
    private readonly store: SessionStore,
    private readonly lifecycle: Lifecycle,
    private readonly messages: UserMessages,
    private readonly nodes: NodeDirectory,
  ) {}

  /** Creates a session and uses the token up. Throws TOKEN_REPLAYED, TOKEN_REVOKED, TOO_MANY_SESSIONS, UNAVAILABLE. */
  async open(claims: TokenClaims): Promise<AdmittedSession> {
    const resumeToken = newResumeToken();
    const rtpCapabilities = await this.nodes.rtpCapabilities();
    const identity: SessionIdentity = { id: newId('session'), userId: userOfClaims(claims), ...sessionClaims(claims) };
    // Read first: a message that is sent meanwhile is then delivered rather than missed.
    const everybody = this.messages.lastBroadcast;
    const session = { ...identity, gatewayId: this.gatewayId, broadcastsAfter: everybody };
    const user = await this.store.open(session, resumeToken.hash, usedToken(claims));
    return { identity, resumption: undefined, resumeToken, offsets: { everybody, user }, rtpCapabilities };
  }

  /** Takes a session over, and closes its previous connection on whichever gateway it is. Throws SESSION_EXPIRED, UNAVAILABLE. */
  async resume(token: string): Promise<AdmittedSession> {
    const resumeToken = newResumeToken();
    const everybody = this.messages.lastBroadcast;
    try {
      const usedHash = resumeTokenHash(token);
      const {
        rooms,
        gatewayId: previousGateway,
        broadcastsAfter,
        ...identity
      } = await this.#takeOver(usedHash, resumeToken.hash);
      resumes.inc({ outcome: previousGateway === this.gatewayId ? 'ok' : 'ok_moved' });
      // Messages to the user are held until the `resume` request names the last one seen.
      return {
        identity,
        resumption: { rooms, usedHash, broadcastsAfter },
        resumeToken,
        offsets: { user: '0-0', everybody },
      };
    } catch (error) {
      resumes.inc({ outcome: FlotillaError.from(error).code });
      throw error;
    }
  }

  async #takeOver(resumeHash: string, nextHash: string): Promise<SessionRecord> {
    // Nothing else is awaited: connections of one session are opened in the order in which they were given the session.
    const resumed = await this.store.resume(resumeHash, nextHash, this.gatewayId);
    if (!resumed) throw new FlotillaError('SESSION_EXPIRED');
    const { session, replacedHash } = resumed;
    if (session.gatewayId === this.gatewayId) this.lifecycle.replaced(session.id, replacedHash);
    else this.messages.notifyReplaced(session.gatewayId, session.id, replacedHash);
    return session;
  }

  /** Throws what `open` would throw now. Does not use the token up. */
  async requireOpenable(claims: TokenClaims): Promise<void> {
    await this.store.requireOpenable(userOfClaims(claims), { tokenId: claims.jti, issuedAt: claims.iat });
  }

  /** Throws SESSION_EXPIRED unless the token can be used to resume now. Does not use it up. */
  async requireResumable(token: string): Promise<void> {
    if (!(await this.store.isResumable(resumeTokenHash(token)))) throw new FlotillaError('SESSION_EXPIRED');
  }
}
