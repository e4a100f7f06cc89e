import type { IncomingMessage } from 'node:http';
import { type ApiKey, ApiKeyCheck, type AuditedWrite, auditWrite } from '@flotilla/auth';
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
const routePatterns = Object.entries(restRoutes).map(([name, { path, method }]) => ({
  name: name as RestRoute,
  method: method.toUpperCase(),
  pattern: new RegExp(`^${path.replaceAll('.', String.raw`\.`).replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}/?$`, 'i'),
}));

/** A route of the table that a request is for. All of them need an API key. */
interface RequestedRoute {
  readonly name: RestRoute;
  /** The parameters of its path. */
  readonly target: object;
}

/** The route of a method and path before Express has matched it; its parameters as they were sent. */
function routeOfPath(method: string | undefined, path: string): RequestedRoute | undefined {
  const served = method === 'HEAD' ? 'GET' : method;
  for (const { name, pattern, ...route } of routePatterns) {
    const match = route.method === served ? pattern.exec(path) : null;
    if (match) return { name, target: { ...match.groups } };
  }
  return undefined;
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
  readonly authenticate = ({ method, url = '', headers }: IncomingMessage): boolean => {
    if (!this.#keys || !routeOfPath(method, url.split('?', 1)[0]!)) return false;
    this.#keys.identify(headers.authorization);
    return true;
  };

  /** The key of a request; undefined when none is needed. Throws UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED. */
  check(request: Request): ApiKey | undefined {
    if (!this.#keys) return undefined;
    const key = this.#keys.identify(request.headers.authorization);
    const name = routeOf(request)?.name;
    this.#keys.take(key, request);
    if (name === undefined) throw new FlotillaError('NOT_FOUND');
    requireScopes(key, restRoutes[name].scope);
    if (key.tenant !== undefined && 'wholeFleet' in restRoutes[name])
      throw new FlotillaError(
        'FORBIDDEN',
        `the API key ${key.name} is for one tenant, and this concerns the whole fleet`,
      );
    return key;
  }

  /** Audits a request that failed, if it has a known key. Returns the failure to answer, see `ApiKeyCheck.failureOf`. */
  failed(request: Request, response: Response, failure: FlotillaError): FlotillaError {
    const key = apiKeyOf(response) ?? this.#keys?.find(request.headers.authorization);
    const route = routeOf(request);
    if (!this.#keys || !key || !route) return failure;
    const answered = this.#keys.failureOf(key, request, failure);
    this.#audit(request, key, { action: route.name, target: route.target, outcome: answered.code });
    return answered;
  }

  /** Audits a request that was carried out. */
  succeeded(request: Request, key: ApiKey): void {
    const route = routeOf(request);
    if (!route) return;
    // It has been parsed by the schemas of the route, which bound it.
    const parameters = parametersOf(request, restRoutes[route.name]);
    this.#audit(request, key, { action: route.name, target: route.target, parameters, outcome: 'ok' });
  }

  /** Reads are not logged. */
  #audit({ method }: Request, key: ApiKey, write: AuditedWrite): void {
    if (method !== 'GET' && method !== 'HEAD') auditWrite(this.log, key, write);
  }
}

/** What the route's schemas read of a request. */
function parametersOf({ query, body }: Request, route: object): object {
  return { ...('query' in route && query), ...('body' in route && (body as object | undefined)) };
}

function routeOf(request: Request): RequestedRoute | undefined {
  const { method, path, params } = request;
  const route = request.route as { readonly path: string } | undefined;
  if (!route) return routeOfPath(method, path);
  const name = routesByPath.get(route.path)?.get(method === 'HEAD' ? 'GET' : method);
  return name === undefined ? undefined : { name, target: params };
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

/** Audits requests that were carried out. `RestErrors` audits the others. */
@Injectable()
export class Audit implements NestInterceptor {
  constructor(@Inject(ApiAccess) private readonly access: ApiAccess) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const key = apiKeyOf(http.getResponse<Response>());
    if (!key) return next.handle();
    return next.handle().pipe(tap({ complete: () => this.access.succeeded(http.getRequest<Request>(), key) }));
  }
}
