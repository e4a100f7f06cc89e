import type { ApiKey } from '@flotilla/auth';
import { type ApiScope, FlotillaError } from '@flotilla/contracts';
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
import { ApiKeys } from './api-keys.ts';

/** What the audit log has of a route that changes something. */
interface Write {
  readonly action: string;
  /** What the target calls the id of what was created. */
  readonly created?: string | undefined;
}

const scopeKey = 'scope';
const writeKey = 'write';

/** A route that reads. */
export const Reads = (): MethodDecorator => SetMetadata<string, ApiScope>(scopeKey, 'read');
/** A route that changes something, with its name in the audit log. */
export const Writes = (action: string, created?: string): MethodDecorator =>
  applyDecorators(
    SetMetadata<string, ApiScope>(scopeKey, 'rooms'),
    SetMetadata<string, Write>(writeKey, { action, created }),
  );

/** Admits requests with a sufficient API key, and audits writes that are refused. */
@Injectable()
class ApiKeyGuard implements CanActivate {
  constructor(
    @Inject(ApiKeys) private readonly keys: ApiKeys,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    const { headers, params } = http.getRequest<Request>();
    const key = this.keys.identify(headers.authorization);
    if (!key) return true;
    try {
      this.keys.admit(key, this.reflector.get<ApiScope>(scopeKey, context.getHandler()));
    } catch (error) {
      const write = this.reflector.get<Write | undefined>(writeKey, context.getHandler());
      const outcome = FlotillaError.from(error).code;
      if (write) this.keys.audit(key, { action: write.action, target: params, outcome });
      throw error;
    }
    http.getResponse<Response>().locals['apiKey'] = key;
    return true;
  }
}

/** Audits what became of admitted writes. */
@Injectable()
class Audit implements NestInterceptor {
  constructor(
    @Inject(ApiKeys) private readonly keys: ApiKeys,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const key = http.getResponse<Response>().locals['apiKey'] as ApiKey | undefined;
    const write = this.reflector.get<Write | undefined>(writeKey, context.getHandler());
    if (!key || !write) return next.handle();
    const { action, created } = write;
    const { params } = http.getRequest<Request>();
    return next.handle().pipe(
      tap({
        next: (result: { readonly id: string } | undefined) =>
          this.keys.audit(key, {
            action,
            target: { ...params, ...(created !== undefined && { [created]: result?.id }) },
            outcome: 'ok',
          }),
        error: (error: unknown) =>
          this.keys.audit(key, { action, target: params, outcome: FlotillaError.from(error).code }),
      }),
    );
  }
}

/** Requires a sufficient API key for all routes of a controller, and audits those that change something. */
export const NeedsApiKey = (): ClassDecorator => applyDecorators(UseGuards(ApiKeyGuard), UseInterceptors(Audit));
