import type { TokenVerifier } from '@flotilla/auth';
import type { ReplyPayload } from '@flotilla/contracts';
import type { SessionStore } from '@flotilla/store';
import { sessionClaims, useToken } from '../sessions/token-claims.ts';
import type { Received } from './request-handler.ts';

/** Exchanges the token of a session. */
export class TokenRequests {
  constructor(
    private readonly verifier: TokenVerifier,
    private readonly store: SessionStore,
  ) {}

  /** Throws TOKEN_*, UNAUTHENTICATED, UNAVAILABLE. */
  async refresh({ session, payload }: Received<'refresh_token'>): Promise<ReplyPayload<'refresh_token'>> {
    const claims = await this.verifier.verifyRefresh(payload.token, session.identity);
    await useToken(this.store, claims);
    const granted = sessionClaims(claims);
    await this.store.refresh(session.id, granted);
    session.identity = { id: session.id, userId: session.identity.userId, ...granted };
    session.warnedOfExpiry = false;
    return { expiresAt: granted.expiresAt };
  }
}
