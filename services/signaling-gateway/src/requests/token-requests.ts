import type { TokenVerifier } from '@flotilla/auth';
import type { ReplyPayload } from '@flotilla/contracts';
import type { SessionStore } from '@flotilla/store';
import { sessionClaims, usedToken } from '../sessions/token-claims.ts';
import type { Received } from './request-handler.ts';

/** Exchanges the token of a session. */
export class TokenRequests {
  constructor(
    private readonly verifier: TokenVerifier,
    private readonly store: SessionStore,
  ) {}

  /** Throws TOKEN_*, UNAUTHENTICATED, UNAVAILABLE, SESSION_EXPIRED when another connection resumed the session. */
  async refresh({ session, payload }: Received<'refresh_token'>): Promise<ReplyPayload<'refresh_token'>> {
    const claims = await this.verifier.verifyRefresh(payload.token, session.identity);
    const granted = sessionClaims(claims);
    await this.store.refresh(session.id, session.resumeHash, usedToken(claims), granted);
    session.identity = { id: session.id, userId: session.identity.userId, ...granted };
    session.warnedOfExpiry = false;
    return { expiresAt: granted.expiresAt };
  }
}
