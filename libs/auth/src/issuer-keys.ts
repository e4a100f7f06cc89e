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
  /** Where the issuer publishes its public keys (RFC 7517, section 5). */
  readonly url: string;
  /** A key set older than this is fetched again, in milliseconds. Default 5 minutes. */
  readonly maxAgeMs?: number;
  /** While the issuer is out of reach, the last key set works until it is this old, in milliseconds. Default 1 hour. */
  readonly maxStaleMs?: number;
  /** After a fetch, an unknown key id causes no other for this long, in milliseconds. Default 10,000. */
  readonly cooldownMs?: number;
  /** The same after a fetch that failed. Default 2,000. */
  readonly retryMs?: number;
  /** Deadline of a fetch, in milliseconds. Default 3,000. */
  readonly timeoutMs?: number;
  /** A clock in milliseconds that never goes back. Default `performance.now`. */
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

/** A key set above this many bytes is not read: sets of real issuers have a few thousand. */
const maxJwksBytes = 262_144;

/**
 * The public keys of an issuer, by JWKS. jose fetches and picks; when to fetch is decided here, since jose alone pauses only
 * after a fetch that worked, and drops keys it holds when a later fetch fails.
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
   * @throws FlotillaError UNAVAILABLE when the issuer did not answer and no key at hand fits; a JOSEError when there is no such key.
   */
  async get(header: JWTHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    if (this.#age >= this.#settings.maxAgeMs) await this.#refresh();
    if (this.#age >= this.#settings.maxStaleMs) throw this.#unavailable();
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#refresh();
      // Whether there is such a key by now is known to the issuer alone.
      if (this.#failure !== undefined) throw this.#unavailable();
      return this.#keys(header, token);
    }
  }

  get #age(): number {
    return this.#settings.now() - this.#fetchedAt;
  }

  /** Fetches the key set; those who ask meanwhile share the fetch, those who ask during the pause after it get none. */
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
    return new FlotillaError('UNAVAILABLE', "the token issuer's keys are out of reach for now", {
      cause: this.#failure,
    });
  }
}

/** As `fetch`, but gives up on a body that is too large. The deadline in `options.signal` covers the body. */
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
