import { ConfigError } from '@flotilla/runtime';
import type { JwksSettings } from './issuer-keys.ts';

/** All supported signature algorithms: HS256 with the shared secret, the others with a key of the JWKS. */
export const tokenAlgorithms = ['HS256', 'RS256', 'PS256', 'ES256', 'EdDSA'] as const;
export type TokenAlgorithm = (typeof tokenAlgorithms)[number];

export interface TokenSettings {
  /** The shared secrets of HS256, at least 32 bytes each (RFC 7518, section 3.2), one a line: the first one signs. */
  readonly secret?: string | undefined;
  /** Public keys of an external issuer. */
  readonly jwks?: JwksSettings | undefined;
  /** Default: HS256 with a secret; RS256, ES256 and EdDSA with a JWKS. */
  readonly algorithms?: readonly TokenAlgorithm[] | undefined;
  readonly issuer: string;
  readonly audience: string;
}

const isSymmetric = (algorithm: TokenAlgorithm): boolean => algorithm === 'HS256';

/** Settings that depend on each other. */
interface TokenKeys {
  readonly secret: unknown;
  readonly jwks: unknown;
  readonly algorithms: readonly TokenAlgorithm[] | undefined;
}

/** A setting that is inconsistent with the others. */
interface Inconsistency {
  readonly setting: 'FLOTILLA_TOKEN_SECRET' | 'FLOTILLA_TOKEN_JWKS_URL' | 'FLOTILLA_TOKEN_ALGORITHMS';
  readonly message: string;
}

/** Each algorithm needs a source of keys, and each source an algorithm. */
export function inconsistencies({ secret, jwks, algorithms }: TokenKeys): Inconsistency[] {
  const found: Inconsistency[] = [];
  const wrong = (setting: Inconsistency['setting'], message: string) => found.push({ setting, message });
  if (secret === undefined && jwks === undefined)
    wrong('FLOTILLA_TOKEN_SECRET', 'this or FLOTILLA_TOKEN_JWKS_URL, to verify tokens with');
  else if (algorithms !== undefined) {
    const symmetric = algorithms.some(isSymmetric);
    const asymmetric = algorithms.some((algorithm) => !isSymmetric(algorithm));
    if (symmetric && secret === undefined) wrong('FLOTILLA_TOKEN_SECRET', 'FLOTILLA_TOKEN_ALGORITHMS has HS256');
    if (asymmetric && jwks === undefined)
      wrong('FLOTILLA_TOKEN_JWKS_URL', 'FLOTILLA_TOKEN_ALGORITHMS has more than HS256');
    if (!symmetric && secret !== undefined)
      wrong('FLOTILLA_TOKEN_ALGORITHMS', 'must have HS256 while FLOTILLA_TOKEN_SECRET is set');
    if (!asymmetric && jwks !== undefined)
      wrong('FLOTILLA_TOKEN_ALGORITHMS', 'must have more than HS256 while FLOTILLA_TOKEN_JWKS_URL is set');
  }
  return found;
}

/**
 * The allowed algorithms (RFC 8725, section 3.1).
 *
 * @throws ConfigError when keys and algorithms are inconsistent.
 */
export function allowedAlgorithms(settings: TokenSettings): readonly TokenAlgorithm[] {
  const { secret, jwks, algorithms } = settings;
  const wrong = inconsistencies({ secret, jwks, algorithms });
  if (wrong.length > 0) throw new ConfigError(wrong.map(({ setting, message }) => `${setting}: ${message}`));
  const bySecret: TokenAlgorithm[] = secret === undefined ? [] : ['HS256'];
  const byKeys: TokenAlgorithm[] = jwks === undefined ? [] : ['RS256', 'ES256', 'EdDSA'];
  return algorithms ?? [...bySecret, ...byKeys];
}
