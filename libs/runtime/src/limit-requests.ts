import { randomInt } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ErrorCode, errorCatalogue, FlotillaError } from '@flotilla/contracts';
import { counter } from './metrics.ts';
import type { ServerLimits } from './server-limits.ts';

const refused = counter({
  name: 'http_requests_refused_total',
  help: 'HTTP requests refused because of the rate of their address, or before their body was read, by reason.',
  labelNames: ['reason'],
});

/** Counts a refused HTTP request. */
export const countRefusedRequest = (reason: ErrorCode): void => refused.inc({ reason });

/** Random, so that clients that were refused together do not retry together; in seconds. */
export const retryAfter = (): string => String(1 + randomInt(5));

export interface RequestLimitOptions {
  /** The address of the client. */
  readonly addressOf: (request: IncomingMessage) => string;
  readonly limits: Pick<ServerLimits, 'mayRequest'>;
  /**
   * Whether a request has a valid credential, which has a limit of its own. Throws FlotillaError for one that is refused without
   * reading its body. Default: no request has one.
   */
  readonly authenticate?: ((request: IncomingMessage) => boolean) | undefined;
}

/**
 * Middleware before all others: refuses requests without a valid credential above the rate of their address with 429, and below it those
 * that need one, before their body is read.
 */
export const limitRequests =
  ({ addressOf, limits, authenticate = () => false }: RequestLimitOptions) =>
  (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    let refusal: FlotillaError | undefined;
    try {
      if (authenticate(request)) return next();
    } catch (error) {
      refusal = FlotillaError.from(error);
    }
    if (!limits.mayRequest(addressOf(request)))
      refusal = new FlotillaError('RATE_LIMITED', 'too many requests from this address');
    if (!refusal) return next();
    const { code, body } = refusal;
    countRefusedRequest(code);
    response
      .writeHead(errorCatalogue[code].status, {
        'content-type': 'application/json; charset=utf-8',
        ...(code === 'RATE_LIMITED' && { 'retry-after': retryAfter() }),
      })
      .end(JSON.stringify({ error: body }));
  };
