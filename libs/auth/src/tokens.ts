import { randomUUID } from 'node:crypto';
import { FlotillaError, firstIssue, type Grant, maxTokenSeconds, TokenClaims } from '@flotilla/contracts';
import { errors, jwtVerify, SignJWT } from 'jose';

export interface TokenSettings {
  /** The shared secret of HS256, 32 bytes at least (RFC 7518, section 3.2). */
  readonly secret: string;
  readonly issuer: string;
  readonly audience: string;
}

/** Clocks of the issuer and of ours may differ by this much, in seconds. */
export const clockToleranceSeconds = 30;

/** The claims a token must carry, whatever issued it (RFC 8725, section 3). */
const requiredClaims = ['iss', 'aud', 'sub', 'jti', 'iat', 'nbf', 'exp'];

export interface TokenRequest {
  readonly userId: string;
  readonly name?: string | undefined;
  /** Id of the only room it opens. */
  readonly room: string;
  readonly grants: readonly Grant[];
  readonly ttlSeconds: number;
}

/** Issues join tokens, signed with the shared secret. */
export class TokenIssuer {
  readonly #key: Uint8Array;

  constructor(private readonly settings: TokenSettings) {
    this.#key = new TextEncoder().encode(settings.secret);
  }

  async issue({ userId, name, room, grants, ttlSeconds }: TokenRequest): Promise<{ token: string; expiresAt: Date }> {
    const now = Math.floor(Date.now() / 1000);
    const token = await new SignJWT({ ...(name !== undefined && { name }), room, grants: [...grants] })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuer(this.settings.issuer)
      .setAudience(this.settings.audience)
      .setSubject(userId)
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + ttlSeconds)
      .sign(this.#key);
    return { token, expiresAt: new Date((now + ttlSeconds) * 1000) };
  }
}

/** Verifies join tokens: signature by an allowed algorithm, every required claim, a life within bounds. */
export class TokenVerifier {
  readonly #key: Uint8Array;

  constructor(private readonly settings: TokenSettings) {
    this.#key = new TextEncoder().encode(settings.secret);
  }

  /** @throws FlotillaError TOKEN_EXPIRED or TOKEN_INVALID; the message names the claim, never the token. */
  async verify(token: string): Promise<TokenClaims> {
    try {
      const { payload } = await jwtVerify(token, this.#key, {
        algorithms: ['HS256'],
        issuer: this.settings.issuer,
        audience: this.settings.audience,
        requiredClaims,
        clockTolerance: clockToleranceSeconds,
      });
      const claims = TokenClaims.safeParse(payload);
      if (!claims.success) throw new FlotillaError('TOKEN_INVALID', `claim ${firstIssue(claims.error)}`);
      const { iat, exp } = claims.data;
      if (exp - iat > maxTokenSeconds)
        throw new FlotillaError('TOKEN_INVALID', `claim exp: a token lives ${maxTokenSeconds} s at most`);
      if (iat > Date.now() / 1000 + clockToleranceSeconds)
        throw new FlotillaError('TOKEN_INVALID', 'claim iat: lies in the future');
      return claims.data;
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new FlotillaError('TOKEN_EXPIRED', undefined, { cause: error });
      if (error instanceof errors.JWTClaimValidationFailed) {
        throw new FlotillaError('TOKEN_INVALID', `claim ${error.claim}: ${error.reason.replace('_', ' ')}`, {
          cause: error,
        });
      }
      if (error instanceof errors.JOSEError) throw new FlotillaError('TOKEN_INVALID', undefined, { cause: error });
      throw error;
    }
  }
}
