import type { IncomingMessage } from 'node:http';
import { FlotillaError, resumeSubprotocolPrefix, type TokenClaims, tokenSubprotocolPrefix } from '@flotilla/contracts';
import { Strategy, type StrategyOptionsWithoutRequest } from 'passport-jwt';
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

/** The join token: `Authorization: Bearer <token>`, or, for browsers, the subprotocol entry `flotilla.token.<token>`. Never the URL, which ends up in logs. */
export function tokenOf(request: IncomingMessage): string | undefined {
  const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return bearer ?? subprotocolWith(tokenSubprotocolPrefix, request);
}

// jsonwebtoken, which passport-jwt would verify with, knows neither EdDSA nor JWKS rotation: jose verifies instead. The
// "key" that reaches this hook is our verifier.
(Strategy as unknown as { JwtVerifier: unknown }).JwtVerifier = (
  token: string,
  verifier: TokenVerifier,
  _options: unknown,
  done: (error: unknown, claims?: TokenClaims) => void,
): void => {
  verifier.verify(token).then(
    (claims) => done(null, claims),
    (error: unknown) => done(error),
  );
};

/** Authenticates a WebSocket upgrade with passport-jwt. */
export class UpgradeAuthenticator {
  readonly #strategy: Strategy;

  constructor(verifier: TokenVerifier) {
    const options = {
      jwtFromRequest: (request: unknown) => tokenOf(request as IncomingMessage) ?? null,
      secretOrKeyProvider: (_request: unknown, _token: unknown, done: (error: null, key: unknown) => void) =>
        done(null, verifier),
    } as unknown as StrategyOptionsWithoutRequest;
    this.#strategy = new Strategy(options, (claims: unknown, done: (error: null, user: unknown) => void) =>
      done(null, claims),
    );
  }

  /** @throws FlotillaError UNAUTHENTICATED, TOKEN_EXPIRED or TOKEN_INVALID. */
  authenticate(request: IncomingMessage): Promise<TokenClaims> {
    return new Promise((resolve, reject) => {
      // Passport's own protocol: the strategy reports through methods that its caller puts on a copy of it.
      const attempt = Object.assign(Object.create(this.#strategy) as Strategy, {
        success: (claims: TokenClaims) => resolve(claims),
        fail: (reason: unknown) =>
          reject(reason instanceof FlotillaError ? reason : new FlotillaError('UNAUTHENTICATED')),
        error: (reason: Error) => reject(reason),
      });
      attempt.authenticate(request as never);
    });
  }
}
