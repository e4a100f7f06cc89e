import type { IncomingMessage } from 'node:http';
import { type ApiKey, ApiKeyCheck, auditWrite } from '@flotilla/auth';
import { type ApiScope, FlotillaError, type RestRoute, restRoutes } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
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

export const Public = SetMetadata('public', true);

const expressPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/** The routes by path, as Express spells it, and method. */
const routesByPath = new Map<string, Map<string, RestRoute>>();
for (const [name, { path, method }] of Object.entries(restRoutes)) {
  const methods = routesByPath.get(expressPath(path)) ?? new Map<string, RestRoute>();
  routesByPath.set(expressPath(path), methods.set(method.toUpperCase(), name as RestRoute));
}

/** The routes of the table as patterns of a path, as Express matches them: in any case, with a slash at the end or without. */
const routePatterns = Object.values(restRoutes).map(({ path, method }) => ({
  method: method.toUpperCase(),
  pattern: new RegExp(`^${path.replaceAll('.', String.raw`\.`).replaceAll(/\{\w+\}/g, '[^/]+')}/?$`, 'i'),
}));

/** Whether a request is for a route of the table, before Express has matched it. All of these need an API key. */
function isForRoute({ url = '', method }: IncomingMessage): boolean {
  const path = url.split('?', 1)[0]!;
  const served = method === 'HEAD' ? 'GET' : method;
  return routePatterns.some((route) => route.method === served && route.pattern.test(path));
}

/** The methods of each path of the table. */
export const methodsByPath: ReadonlyMap<string, readonly string[]> = new Map([
  ...[...routesByPath].map(([path, methods]) => [path, [...methods.keys()]] as const),
  ['/v1/openapi.json', ['GET']] as const,
]);

/** Checks API keys: known, with the scope of the route, within their rate. Writes the audit log of what they change. */
export class ApiAccess {
  readonly #keys: ApiKeyCheck | undefined;

  /**
   * @param keys the keys of now; undefined: every request is served, and none is audited
   * @param perSecond requests of one key per second
   * @param whereKeyIs where a client finds the key, for its user; undefined: the client's operator knows
   */
  constructor(
    keys: (() => readonly ApiKey[]) | undefined,
    perSecond: number,
    private readonly log: Pick<Logger, 'info'>,
    whereKeyIs?: string,
  ) {
    this.#keys = keys && new ApiKeyCheck(keys, perSecond, whereKeyIs);
  }

  /** For `protectServer`: whether a request has a known API key. Throws UNAUTHENTICATED and FORBIDDEN for one that needs it. */
  readonly authenticate = (request: IncomingMessage): boolean => {
    if (!this.#keys || !isForRoute(request)) return false;
    this.#keys.identify(request.headers.authorization);
    return true;
  };

  /** The key of a request; undefined when none is needed. Throws UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED. */
  check(request: Request): ApiKey | undefined {
    if (!this.#keys) return undefined;
    const key = this.#keys.identify(request.headers.authorization);
    const route = routeOf(request);
    try {
      this.#keys.take(key);
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
    auditWrite(this.log, key, {
      action: route,
      target: request.params,
      // Only a request that was carried out has been parsed by its schemas, which bound it.
      ...(outcome === 'ok' && route !== undefined && { parameters: parametersOf(request, restRoutes[route]) }),
      outcome,
    });
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
