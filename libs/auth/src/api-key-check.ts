import { FlotillaError } from '@flotilla/contracts';
import { bearerTokenOf, type Logger, TokenBucket } from '@flotilla/runtime';
import { type ApiKey, knownApiKey } from './api-keys.ts';

/** Bursts of an API key, in seconds of its rate. */
const burstSeconds = 3;

/** Identifies the API key of a request, and limits the requests of each key. */
export class ApiKeyCheck {
  readonly #buckets = new Map<string, TokenBucket>();
  /** Requests that counted. */
  readonly #counted = new WeakSet<object>();

  /**
   * @param keys the keys of now
   * @param perSecond requests of one key per second; bursts of three times as many
   * @param whereKeyIs where a client finds the key, for its user; undefined: the client's operator knows
   */
  constructor(
    private readonly keys: () => readonly ApiKey[],
    private readonly perSecond: number,
    private readonly whereKeyIs?: string,
  ) {}

  /** The key in an `Authorization` field, undefined if it has no known one. */
  find(authorization: string | undefined): ApiKey | undefined {
    const sent = bearerTokenOf(authorization);
    return sent === undefined ? undefined : knownApiKey(sent, this.keys());
  }

  /** The key in an `Authorization` field. Throws UNAUTHENTICATED, FORBIDDEN. */
  identify(authorization: string | undefined): ApiKey {
    const { whereKeyIs } = this;
    if (bearerTokenOf(authorization) === undefined)
      throw new FlotillaError(
        'UNAUTHENTICATED',
        `send an API key: \`Authorization: Bearer <key>\`${whereKeyIs === undefined ? '' : `; ${whereKeyIs}`}`,
      );
    const key = this.find(authorization);
    if (!key)
      throw new FlotillaError('FORBIDDEN', `unknown API key; ${whereKeyIs ?? 'its hash must be in FLOTILLA_API_KEYS'}`);
    return key;
  }

  /** Counts a request of a key. Throws RATE_LIMITED above its rate. @param request counts once */
  take(key: ApiKey, request?: object): void {
    if (request && this.#counted.has(request)) return;
    if (request) this.#counted.add(request);
    if (!this.#bucket(key).take()) throw new FlotillaError('RATE_LIMITED', 'too many requests with this API key');
  }

  /**
   * What a request that failed is answered. One that failed before it counted, because its body cannot be read, counts here: above the rate
   * of its key the answer is RATE_LIMITED.
   */
  failureOf(key: ApiKey, request: object, failure: FlotillaError): FlotillaError {
    try {
      this.take(key, request);
      return failure;
    } catch (error) {
      return FlotillaError.from(error);
    }
  }

  #bucket({ name }: ApiKey): TokenBucket {
    let bucket = this.#buckets.get(name);
    if (!bucket) {
      // Keys that were replaced since are forgotten here, so that the map does not grow with them.
      for (const each of this.#buckets.keys())
        if (!this.keys().some((key) => key.name === each)) this.#buckets.delete(each);
      bucket = new TokenBucket(this.perSecond, this.perSecond * burstSeconds);
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }
}

/** A change that a request with an API key made, or was refused. */
export interface AuditedWrite {
  readonly action: string | undefined;
  /** What it is about, by the names of the path's parameters. */
  readonly target: object;
  /** What it asked for, if it was carried out. */
  readonly parameters?: object;
  /** `ok`, or the code of the error. */
  readonly outcome: string;
}

/** Writes the audit record of a write. */
export function auditWrite(log: Pick<Logger, 'info'>, { name, tenant }: ApiKey, write: AuditedWrite): void {
  log.info({ audit: true, key: name, ...(tenant !== undefined && { tenant }), ...write }, 'REST write');
}
