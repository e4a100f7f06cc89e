import { FlotillaError, type Revoked, tenantOfUser, userIdOf } from '@flotilla/contracts';
import type { SessionStore } from '@flotilla/store';

/** How far ahead of the clock tokens are refused, s: a time in milliseconds would refuse all tokens for ever. */
const maxAheadSeconds = 60;

/** Sessions that are ended at the same time. */
const endedAtOnce = 50;

/** Ends sessions on behalf of an operator, and refuses tokens. */
export class Revocations {
  constructor(private readonly sessions: SessionStore) {}

  /** `tenant`: that of the requester, undefined for the whole fleet. Throws NOT_FOUND. */
  async session(sessionId: string, tenant?: string): Promise<void> {
    const session = await this.sessions.get(sessionId);
    if (!session || (tenant !== undefined && tenantOfUser(session.userId) !== tenant))
      throw new FlotillaError('NOT_FOUND', `there is no session ${sessionId}`);
    await this.sessions.revoke(sessionId);
  }

  /** The tokens first: a session that is opened meanwhile is refused, or among those that are ended. */
  async user(user: string, tenant?: string, requested?: number): Promise<Revoked> {
    const issuedBefore = cutoff(requested);
    const userId = tenant === undefined ? user : userIdOf(user, tenant);
    if (userId === undefined) throw new FlotillaError('NOT_FOUND', `there is no user ${user}`);
    await this.sessions.revokeTokens(userId, issuedBefore);
    const ids = await this.sessions.ofUser(userId);
    const failures: unknown[] = [];
    for (let from = 0; from < ids.length; from += endedAtOnce)
      failures.push(...(await this.#end(ids.slice(from, from + endedAtOnce))));
    return revoked(issuedBefore, ids.length, failures);
  }

  /** As `user`, for the sessions of such tokens. */
  async tokens(requested?: number): Promise<Revoked> {
    const issuedBefore = cutoff(requested);
    await this.sessions.revokeTokens(undefined, issuedBefore);
    const failures: unknown[] = [];
    for (let sessions = 0; ;) {
      // Those that failed are still listed, oldest token first.
      const ids = await this.sessions.issuedBefore(issuedBefore, failures.length, endedAtOnce);
      if (ids.length === 0) return revoked(issuedBefore, sessions, failures);
      failures.push(...(await this.#end(ids)));
      sessions += ids.length;
    }
  }

  /** Returns the errors of those that could not be ended. */
  async #end(ids: readonly string[]): Promise<unknown[]> {
    const outcomes = await Promise.allSettled(ids.map((id) => this.sessions.revoke(id)));
    return outcomes.flatMap((outcome): unknown[] => (outcome.status === 'rejected' ? [outcome.reason] : []));
  }
}

/** Throws the first failure: the others have ended, and to repeat the call ends what is left. */
function revoked(issuedBefore: number, sessions: number, [failure]: readonly unknown[]): Revoked {
  if (failure !== undefined) throw FlotillaError.from(failure);
  return { issuedBefore, sessions };
}

/** Default: until now. Tokens are dated in whole seconds: those of this second are included. */
function cutoff(requested: number | undefined): number {
  const now = Math.floor(Date.now() / 1000);
  return Math.min(requested ?? now + 1, now + maxAheadSeconds);
}
