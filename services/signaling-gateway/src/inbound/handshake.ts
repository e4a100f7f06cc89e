import type { IncomingMessage } from 'node:http';
import { checkClientTime, resumeTokenOf, type UpgradeAuthenticator } from '@flotilla/auth';
import { FlotillaError, subprotocol } from '@flotilla/contracts';
import type { TokenBucket } from '@flotilla/runtime';
import type { Edge } from '../edge/edge.ts';
import type { ConnectionLimits } from '../limits/connection-limits.ts';
import type { Overload } from '../limits/overload.ts';
import { countRejection } from '../limits/rejections.ts';
import type { AdmittedSession, SessionAdmission } from './session-admission.ts';

export interface Admitted extends AdmittedSession {
  /** Rate limit shared by all connections of the client's address. */
  readonly messagesOfAddress: TokenBucket;
}

export interface HandshakeSettings {
  readonly allowedOrigins: readonly string[];
  /** Host names that clients may use. Empty: all. */
  readonly allowedHosts: readonly string[];
  readonly requireClientTime: boolean;
}

/**
 * Decides whether a connection is admitted: from an allowed origin, within the limits, with an unused token or a resume
 * token. The cheap checks come first.
 */
export class Handshake {
  #stopped = false;

  constructor(
    private readonly authenticator: UpgradeAuthenticator,
    private readonly sessions: SessionAdmission,
    private readonly limits: ConnectionLimits,
    private readonly overload: Overload,
    private readonly edge: Edge,
    private readonly settings: HandshakeSettings,
  ) {}

  /** From now on connections are refused with UNAVAILABLE. */
  stopAdmitting(): void {
    this.#stopped = true;
  }

  /** Browsers send an Origin that pages can't forge; other clients need none. Throws FORBIDDEN. */
  checkOrigin(request: IncomingMessage): void {
    const { allowedOrigins, allowedHosts } = this.settings;
    const { origin, host } = request.headers;
    // A page whose host name was made to resolve to this server has that name in both fields (DNS rebinding).
    if (allowedHosts.length > 0 && !allowedHosts.includes(hostName(host)))
      throw new FlotillaError('FORBIDDEN', `not served at ${host ?? 'no host'}; see FLOTILLA_ALLOWED_HOSTS`);
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

  /** Throws unless this gateway admits connections from the request's origin now. */
  #checkOpen(request: IncomingMessage, resumeToken: string | undefined): void {
    this.checkOrigin(request);
    if (this.#stopped) throw new FlotillaError('UNAVAILABLE', 'this gateway is about to stop, connect to another');
    // Under overload, sessions in a call are still resumed when new ones are refused.
    if (this.overload.level >= (resumeToken === undefined ? 1 : 2)) throw new FlotillaError('OVERLOADED');
  }

  async #admit(request: IncomingMessage): Promise<Admitted> {
    const resumeToken = resumeTokenOf(request);
    this.#checkOpen(request, resumeToken);
    const { release, messages } = this.limits.admit(this.edge.clientOf(request).address);
    request.socket.once('close', release);
    checkClientTime(request, { required: this.settings.requireClientTime });
    const session =
      resumeToken === undefined
        ? await this.sessions.open(await this.authenticator.authenticate(request))
        : await this.sessions.resume(resumeToken);
    return { ...session, messagesOfAddress: messages };
  }

  /**
   * Throws what a connection with this credential would be refused with now, and uses nothing up: for clients that can't read why an
   * upgrade failed.
   */
  async validate(request: IncomingMessage): Promise<void> {
    const resumeToken = /^Resume (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    this.#checkOpen(request, resumeToken);
    this.limits.check(this.edge.clientOf(request).address);
    checkClientTime(request, { required: false });
    if (resumeToken !== undefined) return this.sessions.requireResumable(resumeToken);
    await this.sessions.requireOpenable(await this.authenticator.authenticate(request));
  }
}

/** The host name of a `Host` field, without its port. */
const hostName = (host = ''): string => host.replace(/:\d*$/, '').toLowerCase();

/** Subprotocol of the answer: the protocol, never the entry that carries a credential. */
export function selectSubprotocol(offered: ReadonlySet<string>): string | false {
  return offered.has(subprotocol) ? subprotocol : false;
}
