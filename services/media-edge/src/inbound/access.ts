import type { ApiKey } from '@flotilla/auth';
import type { ApiScope } from '@flotilla/contracts';
import {
  applyDecorators,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  SetMetadata,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import { type Observable, tap } from 'rxjs';
import { ApiKeys, writeOf } from './api-keys.ts';

const scopeKey = 'scope';
const createdKey = 'created';

/** A route that reads. */
export const Reads = (): MethodDecorator => SetMetadata<string, ApiScope>(scopeKey, 'read');
/** A route that changes something. `created`: what the audit log calls the id of what was created. */
export const Writes = (created?: string): MethodDecorator =>
  applyDecorators(
    SetMetadata<string, ApiScope>(scopeKey, 'rooms'),
    SetMetadata<string, string | undefined>(createdKey, created),
  );

/** Admits requests with a sufficient API key. */
@Injectable()
class ApiKeyGuard implements CanActivate {
  constructor(
    @Inject(ApiKeys) private readonly keys: ApiKeys,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    const scope = this.reflector.get<ApiScope>(scopeKey, context.getHandler());
    http.getResponse<Response>().locals['apiKey'] = this.keys.check(http.getRequest<Request>(), scope);
    return true;
  }
}

/** Audits writes that were carried out. `RestErrors` audits the others. */
@Injectable()
class Audit implements NestInterceptor {
  constructor(
    @Inject(ApiKeys) private readonly keys: ApiKeys,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<Request>();
    const key = http.getResponse<Response>().locals['apiKey'] as ApiKey | undefined;
    const write = writeOf(request);
    if (!key || !write) return next.handle();
    const created = this.reflector.get<string | undefined>(createdKey, context.getHandler());
    return next.handle().pipe(
      tap((result: { readonly id: string } | undefined) => {
        const target = { ...write.target, ...(created !== undefined && { [created]: result?.id }) };
        this.keys.audit(key, { ...write, target, outcome: 'ok' });
      }),
    );
  }
}

/** Requires a sufficient API key for all routes of a controller, and audits those that change something. */
export const NeedsApiKey = (): ClassDecorator => applyDecorators(UseGuards(ApiKeyGuard), UseInterceptors(Audit));
