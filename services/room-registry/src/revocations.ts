import { type EventLog, gatewayStream, idleStreamSeconds } from '@flotilla/bus';
import { FlotillaError, type GatewayEvent, type Revoked, tenantOfUser, userIdOf } from '@flotilla/contracts';
import type { SessionRecord, SessionStore } from '@flotilla/store';

/** Ends sessions on behalf of an operator, and refuses tokens. */
export class Revocations {
  constructor(
    private readonly sessions: SessionStore,
    private readonly events: EventLog,
  ) {}

  /** `tenant`: that of the requester, undefined for the whole fleet. Throws NOT_FOUND. */
  async session(sessionId: string, tenant?: string): Promise<void> {
    const session = await this.sessions.get(sessionId);
    if (!session || (tenant !== undefined && tenantOfUser(session.userId) !== tenant))
      throw new FlotillaError('NOT_FOUND', `there is no session ${sessionId}`);
    await this.#end(session);
  }

  /** The tokens first: a session that is opened meanwhile is refused, or among those that are ended. */
  async user(user: string, tenant?: string, issuedBefore = untilNow()): Promise<Revoked> {
    const userId = tenant === undefined ? user : userIdOf(user, tenant);
    if (userId === undefined) throw new FlotillaError('NOT_FOUND', `there is no user ${user}`);
    await this.sessions.revokeTokens(userId, issuedBefore);
    const sessions = await this.sessions.ofUser(userId);
    let failure: FlotillaError | undefined;
    for (const session of sessions)
      await this.#end(session).catch((error: unknown) => (failure ??= FlotillaError.from(error)));
    // The others have ended. To repeat the call ends what is left.
    if (failure) throw failure;
    return { issuedBefore, sessions: sessions.length };
  }

  async tokens(issuedBefore = untilNow()): Promise<Revoked> {
    await this.sessions.revokeTokens(undefined, issuedBefore);
    return { issuedBefore, sessions: 0 };
  }

  /** The record first, so that the session cannot resume; then its connection. */
  async #end({ id, gatewayId }: SessionRecord): Promise<void> {
    await this.sessions.close(id, 'removed');
    const event: GatewayEvent = { type: 'session_revoked', sessionId: id };
    await this.events.append(gatewayStream(gatewayId), JSON.stringify(event), idleStreamSeconds);
  }
}

/** Tokens are dated in whole seconds: those of this second are included. */
const untilNow = (): number => Math.floor(Date.now() / 1000) + 1;
