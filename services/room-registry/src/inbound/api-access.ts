import { type ApiKey, knownApiKey } from '@flotilla/auth';
import { type ApiScope, FlotillaError, type RestRoute, restRoutes } from '@flotilla/contracts';
import { bearerTokenOf, type Logger, TokenBucket } from '@flotilla/runtime';
import {
  type CallHandler,
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import { type Observable, tap } from 'rxjs';

/** Bursts of an API key, in seconds of its rate. */
const burstSeconds = 3;

export const Public = SetMetadata('public', true);

const expressPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/** The routes by path, as Express spells it, and method. */
const routesByPath = new Map<string, Map<string, RestRoute>>();
for (const [name, { path, method }] of Object.entries(restRoutes)) {
  const methods = routesByPath.get(expressPath(path)) ?? new Map<string, RestRoute>();
  routesByPath.set(expressPath(path), methods.set(method.toUpperCase(), name as RestRoute));
}

/** The methods of each path of the table. */
export const methodsByPath: ReadonlyMap<string, readonly string[]> = new Map([
  ...[...routesByPath].map(([path, methods]) => [path, [...methods.keys()]] as const),
  ['/v1/openapi.json', ['GET']] as const,
]);

/** Checks API keys: known, with the scope of the route, within their rate. Writes the audit log of what they change. */
export class ApiAccess {
  readonly #buckets = new Map<string, TokenBucket>();

  /**
   * @param keys the keys of now; undefined: every request is served, and none is audited
   * @param perSecond requests of one key per second
   */
  constructor(
    private readonly keys: (() => readonly ApiKey[]) | undefined,
    private readonly perSecond: number,
    private readonly log: Pick<Logger, 'info'>,
  ) {}

  /** The key of a request; undefined when none is needed. Throws UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED. */
  check(request: Request): ApiKey | undefined {
    if (!this.keys) return undefined;
    const sent = bearerTokenOf(request.headers.authorization);
    if (sent === undefined)
      throw new FlotillaError('UNAUTHENTICATED', 'send an API key: `Authorization: Bearer <key>`');
    const key = knownApiKey(sent, this.keys());
    if (!key) throw new FlotillaError('FORBIDDEN', 'unknown API key; its hash must be in FLOTILLA_API_KEYS');
    const route = routeOf(request);
    try {
      if (!this.#bucket(key).take()) throw new FlotillaError('RATE_LIMITED', 'too many requests with this API key');
      if (route === undefined) throw new FlotillaError('NOT_FOUND');
      requireScopes(key, restRoutes[route].scope);
      if (key.tenant !== undefined && 'wholeFleet' in restRoutes[route])
        throw new FlotillaError(
          'FORBIDDEN',
          `the API key ${key.name} is for one tenant, and this concerns the whole fleet`,
        );
    } catch (error) {
      this.audit(request, key, FlotillaError.from(error).code);
      throw error;
    }
    return key;
  }

  /** Logs what a key changed, or could not change. Reads are not logged. */
  audit(request: Request, key: ApiKey, outcome: string): void {
    if (request.method === 'GET' || request.method === 'HEAD') return;
    const route = routeOf(request);
    this.log.info(
      {
        audit: true,
        key: key.name,
        ...(key.tenant !== undefined && { tenant: key.tenant }),
        action: route,
        target: request.params,
        // Only a request that was carried out has been parsed by its schemas, which bound it.
        ...(outcome === 'ok' && route !== undefined && { parameters: parametersOf(request, restRoutes[route]) }),
        outcome,
      },
      'REST write',
    );
  }

  #bucket({ name }: ApiKey): TokenBucket {
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

/** What the route's schemas read of a request. */
function parametersOf({ query, body }: Request, route: object): object {
  return { ...('query' in route && query), ...('body' in route && (body as object | undefined)) };
}

function routeOf({ method, route }: Request): RestRoute | undefined {
  const { path } = route as { path: string };
  return routesByPath.get(path)?.get(method === 'HEAD' ? 'GET' : method);
}

/** Throws FORBIDDEN when the key lacks one of the scopes. Without a key, the API is open. */
export function requireScopes(key: ApiKey | undefined, ...scopes: readonly ApiScope[]): void {
  const missing = key && scopes.find((scope) => !key.scopes.includes(scope));
  if (missing !== undefined) throw new FlotillaError('FORBIDDEN', `the API key ${key?.name} has no scope ${missing}`);
}

/** The tenant whose rooms and users a request is about, undefined for the whole fleet. */
export const Tenant = createParamDecorator(
  (_data: undefined, context: ExecutionContext) => apiKeyOf(context.switchToHttp().getResponse<Response>())?.tenant,
);

/** The key of a request that the guard admitted. */
export const apiKeyOf = ({ locals }: Response): ApiKey | undefined => locals['apiKey'] as ApiKey | undefined;

/** The name of the key of a request; empty without a key. */
export const keyNameOf = (response: Response): string => apiKeyOf(response)?.name ?? '';

/** Admits requests with a sufficient API key, and those of public routes. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    @Inject(ApiAccess) private readonly access: ApiAccess,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    if (this.reflector.get<boolean>('public', context.getHandler())) return true;
    const http = context.switchToHttp();
    http.getResponse<Response>().locals['apiKey'] = this.access.check(http.getRequest<Request>());
    return true;
  }
}

/** Audits what became of admitted requests. */
@Injectable()
export class Audit implements NestInterceptor {
  constructor(@Inject(ApiAccess) private readonly access: ApiAccess) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const key = apiKeyOf(http.getResponse<Response>());
    if (!key) return next.handle();
    const audit = (outcome: string): void => this.access.audit(http.getRequest<Request>(), key, outcome);
    return next
      .handle()
      .pipe(tap({ complete: () => audit('ok'), error: (error: unknown) => audit(FlotillaError.from(error).code) }));
  }
}
