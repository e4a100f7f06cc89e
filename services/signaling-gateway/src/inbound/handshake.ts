import type { IncomingMessage } from 'node:http';
import { newResumeToken, resumeTokenHash, resumeTokenOf, type UpgradeAuthenticator } from '@flotilla/auth';
import { FlotillaError, newId, subprotocol } from '@flotilla/contracts';
import type { SessionStore } from '@flotilla/store';
import type { Lifecycle } from '../sessions/lifecycle.ts';
import type { SessionIdentity } from '../sessions/session.ts';

export interface Admitted {
  readonly identity: SessionIdentity;
  readonly resumed: boolean;
  /** The rooms a resumed session is in. */
  readonly rooms: readonly string[];
  /** What brings it back once more. */
  readonly resumeToken: string;
}

/** A used token is remembered until it has expired and this much longer, in milliseconds. */
const replaySkewMs = 300_000;

/** Decides who may connect: a page from an allowed origin, with a token that was not used before, or with a resume token. */
export class Handshake {
  constructor(
    private readonly authenticator: UpgradeAuthenticator,
    private readonly lifecycle: Lifecycle,
    private readonly store: SessionStore,
    private readonly allowedOrigins: readonly string[],
  ) {}

  /** Browsers send an Origin and cannot forge it; other clients need none. Throws FORBIDDEN. */
  checkOrigin(request: IncomingMessage): void {
    const { origin, host } = request.headers;
    if (origin === undefined || this.allowedOrigins.includes('*') || this.allowedOrigins.includes(origin)) return;
    if (URL.canParse(origin) && new URL(origin).host === host) return;
    throw new FlotillaError('FORBIDDEN', `pages from ${origin} may not connect; see FLOTILLA_ALLOWED_ORIGINS`);
  }

  /** @throws FlotillaError: FORBIDDEN, UNAUTHENTICATED, TOKEN_*, SESSION_EXPIRED, UNAVAILABLE. */
  async admit(request: IncomingMessage): Promise<Admitted> {
    this.checkOrigin(request);
    const resumeToken = newResumeToken();
    const former = resumeTokenOf(request);
    if (former !== undefined) {
      const {
        rooms,
        gatewayId: _former,
        ...identity
      } = await this.lifecycle.resume(resumeTokenHash(former), resumeToken.hash);
      return { identity, resumed: true, rooms, resumeToken: resumeToken.token };
    }
    const { sub, name, room, grants, jti, exp } = await this.authenticator.authenticate(request);
    if (!(await this.store.useTokenOnce(jti, exp * 1000 + replaySkewMs))) throw new FlotillaError('TOKEN_REPLAYED');
    const identity: SessionIdentity = { id: newId('session'), userId: sub, name, room, grants };
    await this.lifecycle.open(identity, resumeToken.hash);
    return { identity, resumed: false, rooms: [], resumeToken: resumeToken.token };
  }

  /** Says what is wrong with a credential without using it up; for clients that can't see why an upgrade failed. */
  async validate(request: IncomingMessage): Promise<void> {
    this.checkOrigin(request);
    const resumeToken = /^Resume (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (resumeToken === undefined) await this.authenticator.authenticate(request);
    else if (!(await this.store.isResumable(resumeTokenHash(resumeToken)))) throw new FlotillaError('SESSION_EXPIRED');
  }
}

/** The subprotocol the server answers with: the protocol, never the entry that carries a credential. */
export function selectSubprotocol(offered: ReadonlySet<string>): string | false {
  return offered.has(subprotocol) ? subprotocol : false;
}
