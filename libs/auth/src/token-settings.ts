import { ConfigError } from '@flotilla/runtime';
import type { JwksSettings } from './issuer-keys.ts';

/** Every algorithm a token may be signed with, once it is allowed: HS256 by the shared secret, the others by a key of the JWKS. */
export const tokenAlgorithms = ['HS256', 'RS256', 'PS256', 'ES256', 'EdDSA'] as const;
export type TokenAlgorithm = (typeof tokenAlgorithms)[number];

export interface TokenSettings {
  /** The shared secret of HS256, 32 bytes at least (RFC 7518, section 3.2). */
  readonly secret?: string | undefined;
  /** Where the public keys of an issuer outside the fleet are. */
  readonly jwks?: JwksSettings | undefined;
  /** Default: HS256 with a secret; RS256, ES256 and EdDSA with a JWKS. */
  readonly algorithms?: readonly TokenAlgorithm[] | undefined;
  readonly issuer: string;
  readonly audience: string;
}

const isSymmetric = (algorithm: TokenAlgorithm): boolean => algorithm === 'HS256';

/**
 * The algorithms that count (RFC 8725, section 3.1): each has a key source, and each key source has an algorithm.
 *
 * @throws ConfigError with one line that names the settings which do not fit together.
 */
export function allowedAlgorithms({ secret, jwks, algorithms }: TokenSettings): readonly TokenAlgorithm[] {
  if (secret === undefined && jwks === undefined)
    throw new ConfigError('FLOTILLA_TOKEN_SECRET or FLOTILLA_TOKEN_JWKS_URL is required: tokens are verified with it');
  if (algorithms === undefined) {
    const bySecret: TokenAlgorithm[] = secret === undefined ? [] : ['HS256'];
    return jwks === undefined ? bySecret : [...bySecret, 'RS256', 'ES256', 'EdDSA'];
  }
  const symmetric = algorithms.some(isSymmetric);
  const asymmetric = algorithms.some((algorithm) => !isSymmetric(algorithm));
  const misfits = [
    symmetric && secret === undefined && 'allows HS256, which needs FLOTILLA_TOKEN_SECRET',
    !symmetric && secret !== undefined && 'must allow HS256 while FLOTILLA_TOKEN_SECRET is set',
    asymmetric && jwks === undefined && 'allows public keys, which need FLOTILLA_TOKEN_JWKS_URL',
    !asymmetric && jwks !== undefined && 'must allow more than HS256 while FLOTILLA_TOKEN_JWKS_URL is set',
  ].filter((misfit) => misfit !== false);
  if (misfits.length > 0) throw new ConfigError(`FLOTILLA_TOKEN_ALGORITHMS ${misfits.join(', and ')}`);
  return algorithms;
}
