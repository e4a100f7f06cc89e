import { randomUUID } from 'node:crypto';
import {
  FlotillaError,
  firstIssue,
  type Grant,
  grantsOfFleet,
  maxTokenSeconds,
  subjectOfUser,
  tenantOfUser,
  TokenClaims,
  userOfClaims,
} from '@flotilla/contracts';
import { errors, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose';
import { IssuerKeys } from './issuer-keys.ts';
import { KeyRing } from './key-ring.ts';
import { allowedAlgorithms, type TokenAlgorithm, type TokenSettings } from './token-settings.ts';

/** Tolerated clock difference to the issuer, in seconds. */
export const clockToleranceSeconds = 30;

/** Claims required of every token (RFC 8725, section 3). */
const requiredClaims = ['iss', 'aud', 'sub', 'jti', 'iat', 'nbf', 'exp'];

/** Maximum length of a token. 64 bridged rooms and a signature with a 4,096-bit RSA key need 7,000 characters. */
const maxTokenLength = 8_192;

/** Accepted values of the `typ` header (RFC 7519, section 5.1; RFC 9068, section 2.1). */
const tokenType = /^(application\/)?(at\+)?jwt$/i;

export interface TokenRequest {
  /** With its tenant, if it has one. */
  readonly userId: string;
  readonly name?: string | undefined;
  /** Id of the only room it opens. Without it, any room. */
  readonly room?: string | undefined;
  readonly grants: readonly Grant[];
  /** In bit/s. Without it, that of the room and the SFU node. */
  readonly maxPublishBitrate?: number | undefined;
  /** Rooms it may send messages into without being in them. */
  readonly bridge?: readonly string[] | undefined;
  readonly ttlSeconds: number;
}

/** Issues join tokens, signed with the first of the shared secrets. */
export class TokenIssuer {
  readonly #keys: KeyRing;

  constructor(private readonly settings: TokenSettings) {
    this.#keys = new KeyRing(settings);
  }

  /** @throws FlotillaError TOKENS_NOT_ISSUED without a shared secret. */
  async issue(request: TokenRequest): Promise<{ token: string; expiresAt: Date }> {
    const [key] = this.#keys.current;
    if (!key) throw new FlotillaError('TOKENS_NOT_ISSUED');
    const { userId, name, room, grants, maxPublishBitrate, bridge = [], ttlSeconds } = request;
    const now = Math.floor(Date.now() / 1000);
    const tenant = tenantOfUser(userId);
    const token = await new SignJWT({
      ...(tenant !== undefined && { tenant }),
      ...(name !== undefined && { name }),
      ...(room !== undefined && { room }),
      grants: [...grants],
      ...(maxPublishBitrate !== undefined && { maxPublishBitrate }),
      ...(bridge.length > 0 && { bridge: [...bridge] }),
    })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid: key.kid })
      .setIssuer(this.settings.issuer)
      .setAudience(this.settings.audience)
      .setSubject(subjectOfUser(userId))
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + ttlSeconds)
      .sign(key.bytes);
    return { token, expiresAt: new Date((now + ttlSeconds) * 1000) };
  }
}

/** Verifies join tokens: signature with an allowed algorithm, required claims and a bounded lifetime. */
export class TokenVerifier {
  readonly #algorithms: readonly TokenAlgorithm[];
  readonly #keys: KeyRing;
  readonly #issuerKeys: IssuerKeys | undefined;

  /** @throws ConfigError when algorithms and keys are inconsistent. */
  constructor(private readonly settings: TokenSettings) {
    this.#algorithms = allowedAlgorithms(settings);
    this.#keys = new KeyRing(settings);
    this.#issuerKeys = settings.jwks && new IssuerKeys(settings.jwks);
  }

  /**
   * @throws FlotillaError TOKEN_EXPIRED or TOKEN_INVALID, whose message names the claim, never the token; UNAVAILABLE when the
   * issuer's keys are unavailable.
   */
  async verify(token: string): Promise<TokenClaims> {
    if (!isCanonical(token)) throw new FlotillaError('TOKEN_INVALID');
    let payload: unknown;
    try {
      payload = await this.#payloadOf(token);
    } catch (error) {
      throw asRefusal(error);
    }
    const claims = TokenClaims.safeParse(payload);
    if (!claims.success) throw new FlotillaError('TOKEN_INVALID', `claim ${firstIssue(claims.error)}`);
    const { iat, exp } = claims.data;
    if (exp - iat > maxTokenSeconds)
      throw new FlotillaError('TOKEN_INVALID', `claim exp: a token may be valid for ${maxTokenSeconds} s at most`);
    if (iat > Date.now() / 1000 + clockToleranceSeconds)
      throw new FlotillaError('TOKEN_INVALID', 'claim iat: is in the future');
    const { tenant, grants } = claims.data;
    if (tenant !== undefined && grantsOfFleet(grants).length > 0)
      throw new FlotillaError(
        'TOKEN_INVALID',
        `claim grants: ${grantsOfFleet(grants).join(', ')} with the claim tenant`,
      );
    return claims.data;
  }

  /**
   * Verifies a token that refreshes a session, which must be of the same user, with the same tenant.
   *
   * @throws FlotillaError FORBIDDEN for a token of another user; else as `verify`.
   */
  async verifyRefresh(token: string, current: { readonly userId: string }): Promise<TokenClaims> {
    const claims = await this.verify(token);
    if (userOfClaims(claims) !== current.userId)
      throw new FlotillaError('FORBIDDEN', 'claim sub: a session is refreshed by a token of the same user');
    return claims;
  }

  /** The payload of a token with a valid signature. A token that names none of the shared secrets is tried with each of them. */
  async #payloadOf(token: string): Promise<unknown> {
    for (let attempt = 0; ; attempt++) {
      let isLast = true;
      const keyFor: JWTVerifyGetKey = (header, signed) => {
        if (header.typ !== undefined && !(typeof header.typ === 'string' && tokenType.test(header.typ)))
          throw new FlotillaError('TOKEN_INVALID', 'header typ: must be JWT or at+jwt');
        // The key source is selected by algorithm, so that a public key is never used as a secret (RFC 8725, section 2.1).
        if (header.alg !== 'HS256') return this.#issuerKeys?.get(header, signed) ?? noKey();
        const candidates = this.#keys.candidates(header.kid);
        isLast = attempt + 1 >= candidates.length;
        return candidates[attempt]?.bytes ?? noKey();
      };
      try {
        const { payload } = await jwtVerify(token, keyFor, {
          algorithms: [...this.#algorithms],
          issuer: this.settings.issuer,
          audience: this.settings.audience,
          requiredClaims,
          clockTolerance: clockToleranceSeconds,
        });
        return payload;
      } catch (error) {
        if (isLast || !(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      }
    }
  }
}

function noKey(): never {
  throw new FlotillaError('TOKEN_INVALID');
}

/** Whether a token has three parts in canonical base64url: no padding, no non-zero trailing bits (RFC 7515, section 2). */
function isCanonical(token: string): boolean {
  if (token.length > maxTokenLength) return false;
  const parts = token.split('.');
  return parts.length === 3 && parts.every((part) => Buffer.from(part, 'base64url').toString('base64url') === part);
}

/** Converts an error of the verification into the error for the client. */
function asRefusal(error: unknown): FlotillaError {
  if (error instanceof FlotillaError) return error;
  if (error instanceof errors.JWTExpired) return new FlotillaError('TOKEN_EXPIRED', undefined, { cause: error });
  return new FlotillaError('TOKEN_INVALID', reasonOf(error), { cause: error });
}

function reasonOf(error: unknown): string | undefined {
  if (error instanceof errors.JWTClaimValidationFailed)
    return `claim ${error.claim}: ${error.reason.replace('_', ' ')}`;
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'header kid: several keys of the issuer fit';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'header alg: not an allowed algorithm';
  return undefined;
}
