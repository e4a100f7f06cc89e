import { randomUUID } from 'node:crypto';
import { FlotillaError, firstIssue, type Grant, maxTokenSeconds, TokenClaims } from '@flotilla/contracts';
import { errors, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose';
import { IssuerKeys } from './issuer-keys.ts';
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
  readonly userId: string;
  readonly name?: string | undefined;
  /** Id of the only room it opens. Without it, any room. */
  readonly room?: string | undefined;
  readonly grants: readonly Grant[];
  /** Rooms it may send messages into without being in them. */
  readonly bridge?: readonly string[] | undefined;
  readonly ttlSeconds: number;
}

const secretKey = (secret: string | undefined): Uint8Array | undefined =>
  secret === undefined ? undefined : new TextEncoder().encode(secret);

/** Issues join tokens, signed with the shared secret. */
export class TokenIssuer {
  readonly #key: Uint8Array | undefined;

  constructor(private readonly settings: TokenSettings) {
    this.#key = secretKey(settings.secret);
  }

  /** @throws FlotillaError TOKENS_NOT_ISSUED without a shared secret. */
  async issue(request: TokenRequest): Promise<{ token: string; expiresAt: Date }> {
    if (!this.#key) throw new FlotillaError('TOKENS_NOT_ISSUED');
    const { userId, name, room, grants, bridge = [], ttlSeconds } = request;
    const now = Math.floor(Date.now() / 1000);
    const token = await new SignJWT({
      ...(name !== undefined && { name }),
      ...(room !== undefined && { room }),
      grants: [...grants],
      ...(bridge.length > 0 && { bridge: [...bridge] }),
    })
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

/** Verifies join tokens: signature with an allowed algorithm, required claims and a bounded lifetime. */
export class TokenVerifier {
  readonly #algorithms: readonly TokenAlgorithm[];
  readonly #secret: Uint8Array | undefined;
  readonly #issuerKeys: IssuerKeys | undefined;

  /** @throws ConfigError when algorithms and keys are inconsistent. */
  constructor(private readonly settings: TokenSettings) {
    this.#algorithms = allowedAlgorithms(settings);
    this.#secret = secretKey(settings.secret);
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
      ({ payload } = await jwtVerify(token, this.#keyFor, {
        algorithms: [...this.#algorithms],
        issuer: this.settings.issuer,
        audience: this.settings.audience,
        requiredClaims,
        clockTolerance: clockToleranceSeconds,
      }));
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
    return claims.data;
  }

  /**
   * Verifies a token that refreshes a session, which must be of the same user.
   *
   * @throws FlotillaError FORBIDDEN for a token of another user; else as `verify`.
   */
  async verifyRefresh(token: string, current: { readonly userId: string }): Promise<TokenClaims> {
    const claims = await this.verify(token);
    if (claims.sub !== current.userId)
      throw new FlotillaError('FORBIDDEN', 'claim sub: a session is refreshed by a token of the same user');
    return claims;
  }

  /** Selects the key source by algorithm, so that a public key is never used as a secret (RFC 8725, section 2.1). */
  readonly #keyFor: JWTVerifyGetKey = (header, token) => {
    if (header.typ !== undefined && !(typeof header.typ === 'string' && tokenType.test(header.typ)))
      throw new FlotillaError('TOKEN_INVALID', 'header typ: must be JWT or at+jwt');
    const key = header.alg === 'HS256' ? this.#secret : this.#issuerKeys?.get(header, token);
    if (!key) throw new FlotillaError('TOKEN_INVALID');
    return key;
  };
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
