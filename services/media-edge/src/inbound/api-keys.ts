import { type ApiKey, knownApiKey } from '@flotilla/auth';
import { type ApiScope, FlotillaError } from '@flotilla/contracts';
import { bearerTokenOf, TokenBucket } from '@flotilla/runtime';
import { type CanActivate, type ExecutionContext, Inject, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';

/** Bursts of an API key, in seconds of its rate. */
const burstSeconds = 3;

/** The scope that an API key needs for a route. */
export const Scope = (scope: ApiScope): ReturnType<typeof SetMetadata> => SetMetadata('scope', scope);

/** Checks API keys: known, with the scope of the route, for the whole fleet, within their rate. */
export class ApiKeys {
  readonly #buckets = new Map<string, TokenBucket>();

  /**
   * @param keys the keys of now; undefined: every request is served
   * @param perSecond requests of one key per second
   */
  constructor(
    private readonly keys: (() => readonly ApiKey[]) | undefined,
    private readonly perSecond: number,
  ) {}

  /** The name of the key; undefined when none is needed. Throws UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED. */
  check(authorization: string | undefined, scope: ApiScope): string | undefined {
    return this.#check(authorization, scope, true);
  }

  /** Throws as `check` does when the key has been removed or changed since; it counts as no request. */
  checkAgain(authorization: string | undefined, scope: ApiScope): void {
    this.#check(authorization, scope, false);
  }

  #check(authorization: string | undefined, scope: ApiScope, isRequest: boolean): string | undefined {
    if (!this.keys) return undefined;
    const sent = bearerTokenOf(authorization);
    if (sent === undefined)
      throw new FlotillaError('UNAUTHENTICATED', 'send an API key: `Authorization: Bearer <key>`');
    const key = knownApiKey(sent, this.keys());
    if (!key) throw new FlotillaError('FORBIDDEN', 'unknown API key; its hash must be in FLOTILLA_API_KEYS');
    if (isRequest && !this.#bucketOf(key).take())
      throw new FlotillaError('RATE_LIMITED', 'too many requests with this API key');
    if (!key.scopes.includes(scope))
      throw new FlotillaError('FORBIDDEN', `the API key ${key.name} has no scope ${scope}`);
    // The edge's own key is for all rooms, and a tenant may only reach its own.
    if (key.tenant !== undefined)
      throw new FlotillaError(
        'FORBIDDEN',
        `the API key ${key.name} is for one tenant; the media edge takes keys of the fleet`,
      );
    return key.name;
  }

  #bucketOf({ name }: ApiKey): TokenBucket {
    let bucket = this.#buckets.get(name);
    if (!bucket) {
      // Keys that were replaced since are forgotten here, so that the map does not grow with them.
      for (const each of this.#buckets.keys())
        if (!this.keys?.().some((key) => key.name === each)) this.#buckets.delete(each);
      bucket = new TokenBucket(this.perSecond, this.perSecond * burstSeconds);
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }
}

/** Admits requests with a sufficient API key. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    @Inject(ApiKeys) private readonly keys: ApiKeys,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const scope = this.reflector.get<ApiScope>('scope', context.getHandler());
    const http = context.switchToHttp();
    const { headers } = http.getRequest<Request>();
    http.getResponse<Response>().locals['apiKey'] = this.keys.check(headers.authorization, scope);
    return true;
  }
}
