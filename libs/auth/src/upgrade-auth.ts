import type { IncomingMessage } from 'node:http';
import { FlotillaError, resumeSubprotocolPrefix, type TokenClaims, tokenSubprotocolPrefix } from '@flotilla/contracts';
import { bearerTokenOf } from '@flotilla/runtime';
import { ExtractJwt, Strategy } from 'passport-jwt';
import type { TokenVerifier } from './tokens.ts';

/** What the client offers in `Sec-WebSocket-Protocol`. */
export function offeredSubprotocols(request: IncomingMessage): string[] {
  return (request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean);
}

/** The rest of the offered entry that begins with `prefix`. */
export function subprotocolWith(prefix: string, request: IncomingMessage): string | undefined {
  return offeredSubprotocols(request)
    .find((entry) => entry.startsWith(prefix))
    ?.slice(prefix.length);
}

/** The resume token of an upgrade request, from the subprotocol entry `flotilla.resume.<token>`. */
export const resumeTokenOf = (request: IncomingMessage): string | undefined =>
  subprotocolWith(resumeSubprotocolPrefix, request);

/**
 * The join token: `Authorization: Bearer <token>`, or, for browsers, the subprotocol entry `flotilla.token.<token>`. Never the URL,
 * which ends up in logs.
 */
const tokenOf = ExtractJwt.fromExtractors<IncomingMessage>([
  // passport-jwt's own extractor takes half a second for 15 KB without a space.
  ({ headers }: IncomingMessage) => bearerTokenOf(headers.authorization) ?? null,
  (request: IncomingMessage) => subprotocolWith(tokenSubprotocolPrefix, request) ?? null,
]);

const neverCalled = (): never => {
  throw new Error('tokens are verified by TokenVerifier');
};

/**
 * The strategy of passport-jwt with TokenVerifier (jose) in place of jsonwebtoken, which has neither EdDSA nor the rotation of a
 * JWKS. passport-jwt takes its verifier from its class, one for the whole process, so `authenticate` is overridden instead.
 */
class JoinTokenStrategy extends Strategy {
  constructor(private readonly verifier: TokenVerifier) {
    super({ jwtFromRequest: tokenOf, secretOrKeyProvider: neverCalled }, neverCalled);
  }

  override authenticate(request: IncomingMessage): void {
    const token = tokenOf(request);
    if (token === null) this.error(new FlotillaError('UNAUTHENTICATED'));
    else
      this.verifier.verify(token).then(
        (claims) => this.success(claims),
        (error: Error) => this.error(error),
      );
  }
}

/** Authenticates a WebSocket upgrade with passport-jwt. */
export class UpgradeAuthenticator {
  readonly #strategy: Strategy;

  constructor(verifier: TokenVerifier) {
    this.#strategy = new JoinTokenStrategy(verifier);
  }

  /** @throws FlotillaError UNAUTHENTICATED, TOKEN_EXPIRED or TOKEN_INVALID. */
  authenticate(request: IncomingMessage): Promise<TokenClaims> {
    return new Promise((resolve, reject) => {
      // Passport's contract: the caller makes a copy of the strategy for each request, with the methods it reports through.
      const attempt = Object.assign(Object.create(this.#strategy) as Strategy, {
        success: resolve,
        error: reject,
      });
      attempt.authenticate(request as never);
    });
  }
}
