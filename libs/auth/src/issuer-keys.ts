import { FlotillaError } from '@flotilla/contracts';
import {
  createRemoteJWKSet,
  type CryptoKey,
  customFetch,
  errors,
  type FetchImplementation,
  type FlattenedJWSInput,
  type JWTHeaderParameters,
  type RemoteJWKSet,
} from 'jose';

export interface JwksSettings {
  /** URL of the issuer's public keys (RFC 7517, section 5). */
  readonly url: string;
  /** A key set older than this is fetched again, in milliseconds. Default 5 minutes. */
  readonly maxAgeMs?: number;
  /** Maximum age of the last key set while the issuer is unavailable, in milliseconds. Default 1 hour. */
  readonly maxStaleMs?: number;
  /** Minimum interval between two fetches because of unknown key ids, in milliseconds. Default 10,000. */
  readonly cooldownMs?: number;
  /** The same after a fetch that failed. Default 2,000. */
  readonly retryMs?: number;
  /** Deadline of a fetch, in milliseconds. Default 3,000. */
  readonly timeoutMs?: number;
  /** A monotonic clock, in milliseconds. Default `performance.now`. */
  readonly now?: () => number;
}

const defaults = {
  maxAgeMs: 300_000,
  maxStaleMs: 3_600_000,
  cooldownMs: 10_000,
  retryMs: 2_000,
  timeoutMs: 3_000,
  now: () => performance.now(),
} as const satisfies Partial<JwksSettings>;

/** Share of the maximum age from which on keys are fetched while the known ones still serve. */
const refreshedAt = 0.8;

/** Maximum size of a key set. Those of real issuers have a few thousand bytes. */
const maxJwksBytes = 262_144;

/**
 * The public keys of an issuer, from its JWKS. jose fetches and selects keys. The time of a fetch is decided here, because jose has a
 * cool-down after successful fetches only, and drops its keys when a later fetch fails.
 */
export class IssuerKeys {
  readonly #settings: Required<JwksSettings>;
  readonly #keys: RemoteJWKSet;
  #fetchedAt = -Infinity;
  #triedAt = -Infinity;
  #failure: unknown;
  #refreshing: Promise<void> | undefined;

  constructor(settings: JwksSettings) {
    this.#settings = { ...defaults, ...settings };
    this.#keys = createRemoteJWKSet(new URL(settings.url), {
      timeoutDuration: this.#settings.timeoutMs,
      cacheMaxAge: Infinity,
      cooldownDuration: Infinity,
      [customFetch]: fetchBounded,
    });
  }

  /**
   * The key that fits `kid` and `alg` of the header, by its `kty`, `crv`, `use` and `alg`.
   *
   * @throws FlotillaError UNAVAILABLE when the issuer did not answer and no cached key matches; a JOSEError when there is no such key.
   */
  async get(header: JWTHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    const { maxAgeMs, maxStaleMs } = this.#settings;
    if (this.#age >= maxAgeMs * refreshedAt) {
      const refreshed = this.#refresh();
      // An issuer that was slow or down at the last attempt delays nobody while older keys may serve.
      if (this.#age >= maxStaleMs || (this.#age >= maxAgeMs && this.#failure === undefined)) await refreshed;
    }
    if (this.#age >= maxStaleMs) throw this.#unavailable();
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#refresh();
      // The issuer may have published the key meanwhile.
      if (this.#failure !== undefined) throw this.#unavailable();
      return this.#keys(header, token);
    }
  }

  get #age(): number {
    return this.#settings.now() - this.#fetchedAt;
  }

  /** Fetches the key set. Concurrent calls share a fetch; calls during the cool-down after it do nothing. */
  #refresh(): Promise<void> {
    if (this.#refreshing) return this.#refreshing;
    const { now, cooldownMs, retryMs } = this.#settings;
    if (now() - this.#triedAt < (this.#failure === undefined ? cooldownMs : retryMs)) return Promise.resolve();
    this.#refreshing = this.#keys
      .reload()
      .then(
        () => {
          this.#fetchedAt = now();
          this.#failure = undefined;
        },
        (error: unknown) => {
          this.#failure = error ?? new Error('no reason was given');
        },
      )
      .finally(() => {
        this.#triedAt = now();
        this.#refreshing = undefined;
      });
    return this.#refreshing;
  }

  #unavailable(): FlotillaError {
    return new FlotillaError('UNAVAILABLE', "the token issuer's keys are unavailable", {
      cause: this.#failure,
    });
  }
}

/** `fetch` with a maximum body size. The deadline in `options.signal` covers the body. */
const fetchBounded: FetchImplementation = async (url, options) => {
  const response = await fetch(url, options);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxJwksBytes) throw new Error(`the key set is above ${maxJwksBytes} bytes`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status });
};
