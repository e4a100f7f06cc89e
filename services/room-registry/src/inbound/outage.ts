import { FlotillaError, restRoutes } from '@flotilla/contracts';
import { CallRefused, LastAnswers } from '@flotilla/resilience';
import {
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { catchError, finalize, type Observable, of, tap } from 'rxjs';
import { TopologySnapshot } from '../topology/topology-snapshot.ts';
import { apiKeyOf, keyNameOf } from './api-access.ts';

/** When to try again what was refused because the store is out of reach, ms. */
const retryAfterMs = 2000;

/** Returns why the store cannot be used; undefined when it can. */
export const STORE_PROBLEM = Symbol('store problem');
export type StoreProblem = () => string | undefined;

const isRead = ({ method }: Request): boolean => method === 'GET' || method === 'HEAD';

/** Tokens, which are issued all the time, are not in the topology. */
const changesTopology = ({ path }: Request): boolean => !path.endsWith('/tokens');

/** Says how old an answer is, and when nothing newer could be read (RFC 9111, section 5.1; RFC 7234, section 5.5.1). */
export function markAge(response: Response, { ageMs, stale }: { ageMs: number; stale: boolean }): void {
  response.set('Age', String(Math.floor(ageMs / 1000)));
  if (stale) response.set('Warning', '110 - "Response is Stale"');
}

/** Refuses requests that write while the store is out of reach, before anything is done. Throws UNAVAILABLE. */
@Injectable()
export class WriteGuard implements CanActivate {
  constructor(@Inject(STORE_PROBLEM) private readonly problem: StoreProblem) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    // Fleet tokens are signed without the store.
    if (isRead(request) || request.path === restRoutes.issueFleetToken.path) return true;
    const problem = this.problem();
    if (problem !== undefined) throw new CallRefused('UNAVAILABLE', `${problem}: nothing was changed`, retryAfterMs);
    return true;
  }
}

/** Answers reads with the last answer, marked as stale, while the store is out of reach. */
@Injectable()
export class StaleReads implements NestInterceptor {
  readonly #answers = new LastAnswers();

  constructor(
    @Inject(STORE_PROBLEM) private readonly problem: StoreProblem,
    @Inject(TopologySnapshot) private readonly topology: TopologySnapshot,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<Request>();
    const response = http.getResponse<Response>();
    if (!isRead(request)) {
      const handled = next.handle();
      return changesTopology(request)
        ? handled.pipe(finalize(() => this.topology.changed(keyNameOf(response))))
        : handled;
    }
    const key = `${apiKeyOf(response)?.tenant ?? ''} ${request.originalUrl}`;
    const last = (): unknown => {
      const answer = this.#answers.get(key);
      if (!answer) return undefined;
      markAge(response, { ageMs: answer.ageMs, stale: true });
      return JSON.parse(answer.text);
    };
    // A request to a store that hangs would be answered after its timeout.
    const known = this.problem() === undefined ? undefined : last();
    if (known !== undefined) return of(known);
    return next.handle().pipe(
      // What a handler has sent itself is not kept.
      tap((body: unknown) => body !== undefined && this.#answers.set(key, JSON.stringify(body))),
      catchError((error: unknown) => {
        const { code } = FlotillaError.from(error);
        if (code !== 'UNAVAILABLE') {
          this.#answers.delete(key);
          throw error;
        }
        const kept = last();
        if (kept === undefined) throw error;
        return of(kept);
      }),
    );
  }
}
